/**
 * Requests and their replies over a link that carries other things as well.
 */
import type { Clock } from "../base/clock.js";
import { type Disposition, MailtwinError } from "../base/errors.js";
import { resyncError } from "../resync/errors.js";
import { LIMBO } from "../wire/limbo.js";
import { isOfLimbo } from "../wire/limbo-codec.js";
import type { Link } from "../wire/link.js";
import type { Answer, Ask, Reply } from "../wire/messages.js";

/** For whoever only asks. */
export type Questions = Pick<Asker, "ask">;

interface Waiting {
  readonly sinceMs: number;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

export class Asker {
  readonly #link: Link;
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #failure: { readonly error: unknown } | undefined;

  constructor({ link, clock }: { readonly link: Link; readonly clock: Pick<Clock, "monotonicMs"> }) {
    this.#link = link;
    this.#clock = clock;
  }

  /** For how long the one that has waited longest has; undefined when none waits. */
  get waitedMs(): number | undefined {
    const [oldest] = this.#waiting.values();
    return oldest === undefined ? undefined : this.#clock.monotonicMs() - oldest.sinceMs;
  }

  /** Nothing is answered any more: the link ends, or has ended. */
  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  /**
   * Rejects with the other end's failure, under its own code, or with the abort reason; compared-unsupported: what it does not know is not
   * asked, since it would end the link.
   */
  async ask(ask: Ask, signal: AbortSignal): Promise<Answer> {
    if (this.#failure !== undefined) throw this.#failure.error;
    if (isOfLimbo(ask) && this.#link.capabilities?.has(LIMBO) === false) throw unknownOverThere();
    this.#lastId += 1;
    const id = this.#lastId;
    const onAbort = () => this.#waiting.get(id)?.reject(signal.reason);
    const sinceMs = this.#clock.monotonicMs();
    const answer = new Promise<Answer>((resolve, reject) => this.#waiting.set(id, { sinceMs, resolve, reject }));
    answer.catch(() => undefined); // it is awaited below; sending may fail first.
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      await this.#link.send({ kind: "request", id, ask }, signal);
      return await answer;
    } finally {
      signal.removeEventListener("abort", onAbort);
      this.#waiting.delete(id);
    }
  }

  /** A reply came; one that nobody waits for is dropped. */
  settle({ id, result }: Reply): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    if (result.ok) {
      waiting.resolve(result.answer);
      return;
    }
    const { code, message, hint, disposition, exitCode } = result.failure;
    const kind = { disposition: dispositionOf(disposition), exitCode, hint };
    waiting.reject(new MailtwinError({ code, message, kind, detail: { said: code } }));
  }

  /** Nothing more comes: everyone who waits, now or later, gets this error. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    for (const waiting of this.#waiting.values()) waiting.reject(error);
  }
}

function unknownOverThere(): Error {
  const words = "mailtwin at the other end is of an older release, which cannot tell of it over a link";
  return resyncError("compared-unsupported", `reading the limbo of the replica: ${words} (undelete on that host can)`);
}

function dispositionOf(text: string): Disposition {
  return text === "retry" || text === "resync" || text === "operator" ? text : "bug";
}
