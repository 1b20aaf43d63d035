/**
 * Requests and their replies over a link that carries other things as well.
 */
import { type Disposition, MailtwinError } from "../base/errors.js";
import type { Link } from "../wire/link.js";
import type { Answer, Ask, Reply } from "../wire/messages.js";

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

export class Asker {
  readonly #link: Link;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #failure: { readonly error: unknown } | undefined;

  constructor(link: Link) {
    this.#link = link;
  }

  /** Rejects with the other end's failure, under its own code, or with the abort reason. */
  async ask(ask: Ask, signal: AbortSignal): Promise<Answer> {
    if (this.#failure !== undefined) throw this.#failure.error;
    this.#lastId += 1;
    const id = this.#lastId;
    const onAbort = () => this.#waiting.get(id)?.reject(signal.reason);
    const answer = new Promise<Answer>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
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
    waiting.reject(
      new MailtwinError({ code, message, kind: { disposition: dispositionOf(disposition), exitCode, hint } }),
    );
  }

  /** Nothing more comes: everyone who waits, now or later, gets this error. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    for (const waiting of this.#waiting.values()) waiting.reject(error);
  }
}

function dispositionOf(text: string): Disposition {
  return text === "retry" || text === "resync" || text === "operator" ? text : "bug";
}
