/**
 * Writes one replica's cursor down: now and then, since each write is a commit of its own, and what moves meanwhile goes with the next.
 *
 * INVARIANT: at most one write is under way and one number waits, however fast the replica acknowledges; what waits is written
 * within `pauseMs`, or by `settled`.
 * What is stored may lag behind: where a run begins is what the replica itself says, and of the log less is trimmed.
 */
import type { Clock, Timer } from "../base/clock.js";

export interface CursorStorePorts {
  readonly write: (lsn: number) => Promise<void>;
  readonly onError: (error: unknown) => void;
  readonly clock: Pick<Clock, "setTimer">;
  /** Between two writes. The first is made at once: that there is a cursor tells that the two have met. */
  readonly pauseMs: number;
}

export const CURSOR_PAUSE_MS = 1_000;

export class CursorStore {
  readonly #ports: CursorStorePorts;
  #waitingLsn: number | undefined;
  #writing: Promise<void> | undefined;
  /** Until the next write may begin. */
  #pause: Timer | undefined;

  constructor(ports: CursorStorePorts) {
    this.#ports = ports;
  }

  put(lsn: number): void {
    this.#waitingLsn = lsn;
    if (this.#pause === undefined) this.#write();
  }

  /** Resolves when what was put is written, or has failed. Nothing is put meanwhile. */
  async settled(): Promise<void> {
    await this.#writing;
    this.#write();
    await this.#writing;
    this.#pause?.cancel();
    this.#pause = undefined;
  }

  #write(): void {
    const lsn = this.#waitingLsn;
    if (lsn === undefined || this.#writing !== undefined) return;
    this.#waitingLsn = undefined;
    this.#pause?.cancel();
    this.#pause = this.#ports.clock.setTimer(this.#ports.pauseMs, () => this.#endPause());
    this.#writing = this.#writeDown(lsn);
  }

  #endPause(): void {
    this.#pause = undefined;
    this.#write();
  }

  async #writeDown(lsn: number): Promise<void> {
    const { write, onError } = this.#ports;
    try {
      await write(lsn);
    } catch (error) {
      this.#waitingLsn = undefined;
      onError(error);
    } finally {
      this.#writing = undefined;
      if (this.#pause === undefined) this.#write(); // it took longer than the pause.
    }
  }
}
