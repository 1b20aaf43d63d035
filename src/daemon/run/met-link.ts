/**
 * A link to a source, as the replica's host sees it: whether the source goes on with it. It looks at a replica by requests before it
 * sends anything, and may refuse it then; one that is equal is sent nothing at all.
 */
import type { Clock } from "../../base/clock.js";
import type { Link } from "../../wire/link.js";
import type { WireFailure, WireMessage } from "../../wire/messages.js";

/** A source that has asked nothing for so long is done with its questions. */
const QUIET_MS = 60_000;

export class MetLink implements Link {
  readonly #link: Link;
  readonly #clock: Pick<Clock, "monotonicMs">;
  #unanswered = 0;
  /** Since when it has asked nothing; undefined: it has not greeted. */
  #quietSinceMs: number | undefined;
  #hasApplied = false;

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

  /** Something that the source has sent is applied. */
  noteApplied(): void {
    this.#hasApplied = true;
  }

  async send(message: WireMessage, signal: AbortSignal): Promise<void> {
    await this.#link.send(message, signal);
    if (message.kind !== "reply") return;
    this.#unanswered -= 1;
    this.#quietSinceMs = this.#clock.monotonicMs();
  }

  async *messages(signal: AbortSignal): AsyncGenerator<WireMessage> {
    for await (const message of this.#link.messages(signal)) {
      if (message.kind === "hello") this.#quietSinceMs = this.#clock.monotonicMs();
      if (message.kind === "request") this.#unanswered += 1;
      yield message;
    }
  }

  close(why?: WireFailure): void {
    this.#link.close(why);
  }
}
