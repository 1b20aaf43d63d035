/**
 * A link to a source, as the replica's host sees it: whether the source goes on with it. It looks at a replica by requests before it
 * sends anything, and may refuse it then; one that is equal is sent nothing at all.
 */
import type { Clock } from "../../base/clock.js";
import { isLinkClosed, wireError } from "../../wire/errors.js";
import type { Link } from "../../wire/link.js";
import type { WireFailure, WireMessage } from "../../wire/messages.js";

/** A source that has asked nothing for so long is done with its questions. */
const QUIET_MS = 60_000;

/** A link that was served. */
export interface EndedLink {
  /** Why it ended, where that is told nowhere else: it was closed over there, or cut. */
  readonly lost: unknown;
  /** Something that its source has sent. */
  readonly hasApplied: boolean;
}

export class MetLink implements Link {
  readonly #link: Link;
  readonly #clock: Pick<Clock, "monotonicMs">;
  #unanswered = 0;
  /** Since when it has asked nothing; undefined: it has not greeted. */
  #quietSinceMs: number | undefined;
  #hasApplied = false;
  /** This end has closed it, and said why. */
  #isGivenUp = false;
  /** What ended its messages, if not its source in good order. */
  #broken: unknown;

  constructor(link: Link, clock: Pick<Clock, "monotonicMs">) {
    this.#link = link;
    this.#clock = clock;
  }

  /** It sends what has changed, or has nothing to send and no question left. */
  get isWell(): boolean {
    if (this.#hasApplied) return true;
    const sinceMs = this.#quietSinceMs;
    return sinceMs !== undefined && this.#unanswered === 0 && this.#clock.monotonicMs() - sinceMs >= QUIET_MS;
  }

  /** It has ended. `peer`: for messages. */
  ended(peer: string): EndedLink {
    const closed = wireError("link-closed", `talking with ${peer}: it closed the link`);
    const lost = isLinkClosed(this.#broken) ? this.#broken : closed;
    return { lost: this.#isGivenUp ? undefined : lost, hasApplied: this.#hasApplied };
  }

  /** Something that the source has sent is applied. */
  noteApplied(): void {
    this.#hasApplied = true;
  }

  get capabilities(): ReadonlySet<string> | undefined {
    return this.#link.capabilities;
  }

  async send(message: WireMessage, signal: AbortSignal): Promise<void> {
    await this.#link.send(message, signal);
    if (message.kind !== "reply") return;
    this.#unanswered -= 1;
    this.#quietSinceMs = this.#clock.monotonicMs();
  }

  async *messages(signal: AbortSignal): AsyncGenerator<WireMessage> {
    try {
      for await (const message of this.#link.messages(signal)) {
        if (message.kind === "hello") this.#quietSinceMs = this.#clock.monotonicMs();
        if (message.kind === "request") this.#unanswered += 1;
        yield message;
      }
    } catch (error) {
      this.#broken = error;
      throw error;
    }
  }

  close(why?: WireFailure): void {
    if (why !== undefined) this.#isGivenUp = true;
    this.#link.close(why);
  }
}
