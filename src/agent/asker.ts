/**
 * Requests and their replies over a link that carries other things as well.
 *
 * INVARIANT: of what the other end is asked it has never more than it lets wait (answers.ts), however many ask and go without waiting for the
 * answer: a place is free when the reply has come. While there is a request whose asker has gone nothing else of its kind is sent.
 */
import type { Clock } from "../base/clock.js";
import { type Disposition, MailtwinError } from "../base/errors.js";
import { Waiter } from "../base/waiter.js";
import { resyncError } from "../resync/errors.js";
import { LIMBO } from "../wire/limbo.js";
import { isOfLimbo } from "../wire/limbo-codec.js";
import type { Link } from "../wire/link.js";
import type { Answer, Ask, Reply } from "../wire/messages.js";
import { isAskedBeside, REQUESTS_MAX } from "./answers.js";

/** For whoever only asks. */
export type Questions = Pick<Asker, "ask">;

interface Waiting {
  readonly sinceMs: number;
  readonly places: Places;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

/** Of either kind, what is answered in its turn and what is answered beside: together what one queue of the other end has room for. */
const UNANSWERED_MAX = REQUESTS_MAX / 2;

export class Asker {
  readonly #link: Link;
  readonly #clock: Pick<Clock, "monotonicMs">;
  /** What was sent, or is being sent, and has no reply, whether its asker waits or has gone. */
  readonly #unanswered = new Map<number, Waiting>();
  readonly #places = { inTurn: new Places(), beside: new Places() };
  /** Sending ends with the link only: whether a request of which the asker has gone was sent would not be known. */
  readonly #ended = new AbortController();
  #lastId = 0;

  constructor({ link, clock }: { readonly link: Link; readonly clock: Pick<Clock, "monotonicMs"> }) {
    this.#link = link;
    this.#clock = clock;
  }

  /** For how long the request that has been without a reply longest has; undefined when there is none. */
  get waitedMs(): number | undefined {
    const [oldest] = this.#unanswered.values();
    return oldest === undefined ? undefined : this.#clock.monotonicMs() - oldest.sinceMs;
  }

  /** Nothing is answered any more: the link ends, or has ended. */
  get hasFailed(): boolean {
    return this.#ended.signal.aborted;
  }

  /**
   * Waits for its turn. Rejects with the other end's failure, under its own code, or with the abort reason; compared-unsupported: what it does
   * not know is not asked, since it would end the link.
   */
  async ask(ask: Ask, signal: AbortSignal): Promise<Answer> {
    this.#ended.signal.throwIfAborted();
    signal.throwIfAborted();
    if (isOfLimbo(ask) && this.#link.capabilities?.has(LIMBO) === false) throw unknownOverThere();
    const places = isAskedBeside(ask) ? this.#places.beside : this.#places.inTurn;
    if (!places.tryEnter()) await places.enter(signal);
    if (signal.aborted || this.hasFailed) {
      places.leave(); // nothing was sent.
      this.#ended.signal.throwIfAborted();
      signal.throwIfAborted();
    }
    return this.#send(ask, places, signal);
  }

  #send(ask: Ask, places: Places, signal: AbortSignal): Promise<Answer> {
    this.#lastId += 1;
    const id = this.#lastId;
    const sinceMs = this.#clock.monotonicMs();
    const waiter = new Waiter<Answer>(signal, () => places.abandon(id));
    const reject = (error: unknown) => void waiter.fail(error);
    const resolve = (answer: Answer) => void waiter.settle(answer);
    this.#unanswered.set(id, { sinceMs, places, resolve, reject });
    this.#link.send({ kind: "request", id, ask }, this.#ended.signal).catch((error: unknown) => {
      reject(error);
      this.#forget(id);
    });
    return waiter.promise;
  }

  /** A reply came; one that nobody waits for is dropped. */
  settle({ id, result }: Reply): void {
    const waiting = this.#forget(id);
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
    if (this.hasFailed) return;
    const unanswered = [...this.#unanswered.values()];
    this.#unanswered.clear();
    for (const { reject } of unanswered) reject(error);
    for (const places of [this.#places.inTurn, this.#places.beside]) places.fail(error);
    this.#ended.abort(error);
  }

  #forget(id: number): Waiting | undefined {
    const waiting = this.#unanswered.get(id);
    if (!this.#unanswered.delete(id)) return undefined;
    waiting?.places.leave(id);
    return waiting;
  }
}

/** Who may send: in the order in which they came. */
class Places {
  #taken = 0;
  /** Requests whose asker has gone. */
  readonly #abandoned = new Set<number>();
  readonly #line = new Set<Waiter<void>>();

  /** Takes a place that is free. */
  tryEnter(): boolean {
    const isFree = this.#line.size === 0 && this.#hasRoom();
    if (isFree) this.#taken += 1;
    return isFree;
  }

  /** Takes a place when there is one. Rejects with the abort reason, or what `fail` says. */
  async enter(signal: AbortSignal): Promise<void> {
    const waiter = new Waiter<void>(signal, () => this.#line.delete(waiter));
    this.#line.add(waiter);
    await waiter.promise;
  }

  abandon(id: number): void {
    this.#abandoned.add(id);
  }

  leave(id?: number): void {
    this.#taken -= 1;
    if (id !== undefined) this.#abandoned.delete(id);
    for (const waiter of this.#line) {
      if (!this.#hasRoom()) return;
      this.#line.delete(waiter);
      this.#taken += 1;
      waiter.settle();
    }
  }

  fail(error: unknown): void {
    for (const waiter of this.#line) waiter.fail(error);
    this.#line.clear();
  }

  #hasRoom(): boolean {
    return this.#abandoned.size === 0 && this.#taken < UNANSWERED_MAX;
  }
}

function unknownOverThere(): Error {
  const words = "mailtwin at the other end is of an older release, which cannot tell of it over a link";
  return resyncError("compared-unsupported", `reading the limbo of the replica: ${words} (undelete on that host can)`);
}

function dispositionOf(text: string): Disposition {
  return text === "retry" || text === "resync" || text === "operator" ? text : "bug";
}
