/**
 * A link to a replica that tells whether the replica gets on. What it says is progress only where that was owed: its greeting, an answer
 * to what it was asked, the outcome of what it was sent. Bodies are progress as they leave: a large one takes its time.
 *
 * INVARIANT: of what it was sent a replica makes no more than a fixed amount of progress, whatever it says: bodies that it wants again and again
 * count some times only.
 */
import type { Link } from "../../wire/link.js";
import type { WireFailure, WireMessage } from "../../wire/messages.js";

/** Times that the body of one change counts: its owner may take away what was staged (session.ts), but not for ever. */
const SENDINGS_MAX = 16;

export class WatchedLink implements Link {
  readonly #link: Link;
  #progress = 0;
  #hasGreeted = false;
  readonly #asked = new Set<number>();
  /** Whose outcome is to come: how often the body of each of its changes was sent. */
  readonly #sent = new Map<number, Map<number, number>>();

  constructor(link: Link) {
    this.#link = link;
  }

  /** Grows whenever the replica gets on. */
  get progress(): number {
    return this.#progress;
  }

  get capabilities(): ReadonlySet<string> | undefined {
    return this.#link.capabilities;
  }

  async send(message: WireMessage, signal: AbortSignal): Promise<void> {
    const isProgress = this.#noteSent(message);
    await this.#link.send(message, signal);
    if (isProgress) this.#progress += 1; // not before: who does not read has its sender wait.
  }

  async *messages(signal: AbortSignal): AsyncGenerator<WireMessage> {
    for await (const message of this.#link.messages(signal)) {
      if (this.#isOwed(message)) this.#progress += 1;
      yield message;
    }
  }

  close(why?: WireFailure): void {
    this.#link.close(why);
  }

  /** Whether it is progress that the carrier has taken it. */
  #noteSent(message: WireMessage): boolean {
    switch (message.kind) {
      case "request":
        this.#asked.add(message.id);
        return false;
      case "offer":
      case "mark":
      case "retry":
        if (!this.#sent.has(message.id)) this.#sent.set(message.id, new Map());
        return false;
      case "bodies":
        return message.heads.filter(({ index }) => this.#mayCount(message.id, index, true)).length > 0;
      case "body-part":
        return this.#mayCount(message.id, message.index, message.offset === 0);
      default:
        return false;
    }
  }

  #mayCount(id: number, index: number, isBegin: boolean): boolean {
    const times = this.#sent.get(id);
    if (times === undefined) return false;
    const count = (times.get(index) ?? 0) + (isBegin ? 1 : 0);
    times.set(index, count);
    return count <= SENDINGS_MAX;
  }

  #isOwed(message: WireMessage): boolean {
    switch (message.kind) {
      case "welcome": {
        const isFirst = !this.#hasGreeted;
        this.#hasGreeted = true;
        return isFirst;
      }
      case "reply":
        return this.#asked.delete(message.id);
      case "outcome":
        return this.#sent.delete(message.id);
      default:
        return false;
    }
  }
}
