/**
 * Whether a frame that has begun gets on. Any byte is a sign of life of the other end; but one that sends a few of them now and then could
 * stay in the middle of a message for months, and its link would stand for that long and carry nothing.
 *
 * INVARIANT: what carries a message at all is not cut: a line that gets `bytesMin` through in `msMax` (34 bytes a second: a modem of
 * 2400 bit/s does seven times as much) gets on, however long the message takes as a whole.
 */

export interface FrameProgressLimits {
  /** So much of a frame, or the end of it, comes ... */
  readonly bytesMin: number;
  /** ... in so much time, again and again. */
  readonly msMax: number;
}

export const FRAME_PROGRESS: FrameProgressLimits = { bytesMin: 4096, msMax: 120_000 };

export class FrameProgress {
  readonly #limits: FrameProgressLimits;
  /** When it last had got on; undefined: nothing has begun that has not ended. */
  #sinceMs: number | undefined;
  #bytes = 0;

  constructor(limits: FrameProgressLimits = FRAME_PROGRESS) {
    this.#limits = limits;
  }

  /** Of what came now. `hasEnded`: a frame has. `isInside`: one has begun that has not. */
  note(came: {
    readonly bytes: number;
    readonly hasEnded: boolean;
    readonly isInside: boolean;
    readonly nowMs: number;
  }): void {
    const { bytes, hasEnded, isInside, nowMs } = came;
    this.#bytes += bytes;
    if (!isInside) this.#sinceMs = undefined;
    else if (this.#sinceMs === undefined || hasEnded || this.#bytes >= this.#limits.bytesMin) this.#begin(nowMs);
  }

  /** This end was away: what came meanwhile is not read yet. */
  forgive(nowMs: number): void {
    if (this.#sinceMs !== undefined) this.#begin(nowMs);
  }

  /** Why the other end is to be given up; undefined: it is not. */
  whyStuck(nowMs: number): string | undefined {
    const { bytesMin, msMax } = this.#limits;
    if (this.#sinceMs === undefined || nowMs - this.#sinceMs <= msMax) return undefined;
    return `of a message that it had begun it sent no ${bytesMin} bytes in ${Math.round(msMax / 1000)} s`;
  }

  #begin(nowMs: number): void {
    this.#sinceMs = nowMs;
    this.#bytes = 0;
  }
}
