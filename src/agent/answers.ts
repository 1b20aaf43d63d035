/**
 * Answers the source's requests beside the reading of its messages: one that waits for Dovecot's lock may take half a
 * minute, and bodies and advice must not wait behind it.
 *
 * INVARIANT: requests are answered one after the other, in the order in which they came, and at most `REQUESTS_MAX` wait.
 * INVARIANT: once `close` was called and `run` has returned nothing of a request is under way, and what it did is recorded.
 */
import { BoundedQueue } from "../base/bounded-queue.js";
import { wireError } from "../wire/errors.js";
import { isOfLimbo } from "../wire/limbo-codec.js";
import type { Link } from "../wire/link.js";
import type { Ask, Reply, Request } from "../wire/messages.js";
import { isOfSums } from "./sums-answers.js";

/** A source knows how many it may have without a reply (asker.ts); more is a peer that does not keep to the protocol. */
export const REQUESTS_MAX = 16;

/** Whether that may take long, and nothing else waits for it: it has a queue of its own. */
export function isAskedBeside(ask: Ask): boolean {
  return isOfSums(ask) || isOfLimbo(ask);
}

export interface AnswerPorts {
  readonly link: Link;
  /** Never throws for what the request met. */
  readonly answer: (request: Request, signal: AbortSignal) => Promise<Reply>;
}

export class Answers {
  readonly #ports: AnswerPorts;
  readonly #requests = new BoundedQueue<Request>(REQUESTS_MAX);
  readonly #closed = new AbortController();
  #unanswered = 0;

  constructor(ports: AnswerPorts) {
    this.#ports = ports;
  }

  /** Nothing of a request is under way. */
  get isIdle(): boolean {
    return this.#unanswered === 0;
  }

  /** Throws: wire-invalid, when too many wait. */
  take(request: Request): void {
    if (!this.#requests.tryPush(request))
      throw wireError("wire-invalid", "taking a request of the source: it asks more than it may");
    this.#unanswered += 1;
  }

  /** Until `close`; call it once. Rejects with the abort reason, or when an answer cannot be sent. */
  async run(signal: AbortSignal): Promise<void> {
    const both = AbortSignal.any([signal, this.#closed.signal]);
    try {
      for await (const request of this.#requests.drain(both)) {
        const answer = await this.#ports.answer(request, both);
        this.#unanswered -= 1;
        await this.#ports.link.send(answer, both);
      }
    } catch (error) {
      if (signal.aborted || !this.#closed.signal.aborted) throw error;
    }
  }

  /** Nobody waits for an answer any more: what waits for a lock gives up. */
  close(): void {
    this.#requests.close();
    this.#closed.abort(wireError("link-closed", "answering the source: it closed the link"));
  }
}
