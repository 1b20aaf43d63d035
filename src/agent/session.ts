/**
 * The replica's end of a link: takes offers, pulls the bodies that it lacks, has them applied in the order of the log, and
 * acknowledges what is durable.
 *
 * INVARIANT: an outcome without divergence is sent only after the effect and the cursor are on stable storage.
 * INVARIANT: a transaction is dropped in the store only when nothing of it is under way; what comes later is not for it.
 * INVARIANT: after a divergence nothing is applied until the source has said what to do, and later transactions of a mailbox
 * that was given up are refused until one comes that begins anew: order within a mailbox is never broken.
 */
import type { ApplyMethods, ApplyNote, AtOnceRequest, ExecuteOutcome } from "../apply/apply-types.js";
import { Beside } from "../base/beside.js";
import { BoundedQueue } from "../base/bounded-queue.js";
import type { Clock } from "../base/clock.js";
import type { CrashPoint } from "../base/crash-points.js";
import { releaseSlabs } from "../base/slab-pool.js";
import { Waiter } from "../base/waiter.js";
import type { WorkerClient } from "../base/worker-rpc.js";
import type { StateWriter } from "../log/state-ports.js";
import { type EffectCommit, NO_EFFECT } from "../log/state-types.js";
import type { MailboxGuid } from "../maildir/ids.js";
import type { ReadSide } from "../resync/sums-types.js";
import { isLinkClosed, wireError } from "../wire/errors.js";
import type { Link } from "../wire/link.js";
import {
  type Mark,
  type Offer,
  PROTOCOL_VERSION,
  type Request,
  type Retry,
  type WireFailure,
  type WireMessage,
} from "../wire/messages.js";
import { type AnswerPorts, Answers, isAskedBeside } from "./answers.js";
import { BodiesAhead } from "./bodies-ahead.js";
import { agentError } from "./errors.js";
import { errorOfSource, farewellOf } from "./farewell.js";
import { bytesOf, Incoming, type IncomingPorts, type Readiness } from "./incoming.js";
import type { LimboSide } from "./limbo-side.js";
import { FOR_LONG, IN_LINE, LockPatience, wordsOfBusy } from "./lock-patience.js";
import { isLook } from "./looks.js";
import { SESSION_LIMITS, type SessionLimits } from "./session-limits.js";
import { answerRequest } from "./session-requests.js";
import { failureElsewhere, refuseAsk, refuseOffer, type SessionRights } from "./session-rights.js";
import type { SessionSinks } from "./session-sinks.js";
import type { StagerPort } from "./stager-port.js";
import { divergedBy, isStale, refusedBy, type Verdict, wireOf } from "./verdict.js";

export interface SessionPorts {
  readonly link: Link;
  readonly store: WorkerClient<ApplyMethods>;
  readonly stager: StagerPort;
  readonly writer: StateWriter;
  readonly clock: Clock;
  readonly reach: CrashPoint;
  readonly syncAll: () => Promise<boolean>;
  /** Highest LSN of a log that is durably applied here; undefined when this replica knows nothing of that log. */
  readonly appliedLsn: (logId: string) => number | undefined;
  readonly sinks?: SessionSinks | undefined;
  /** Undefined: the source may write to all of the store. */
  readonly rights?: SessionRights | undefined;
  /** This store as one side of a comparison; undefined: it is none. */
  readonly sums?: ReadSide | undefined;
  readonly limbo?: LimboSide | undefined;
}

/** What the source may offer ahead; more is a peer that does not keep to the protocol. */
const OFFERS_MAX = 256;
/** Of offers that are not settled. A source has less than that on its way (offer-window.ts). */
const OFFERED_BYTES_MAX = 64 * 1024 * 1024;
/** Messages with bodies that may be with the threads that stage: the next is there when one is done. */
const STAGING_MAX = 3;
/** Times that staged bodies may be gone when they are to be placed: an owner who removes them in a loop holds nobody else up. */
const LACKS_MAX = 8;

export class Session {
  readonly #ports: SessionPorts;
  readonly #limits: SessionLimits;
  readonly #offers = new BoundedQueue<Offer | Mark>(OFFERS_MAX);
  readonly #incoming = new Map<number, Incoming>();
  /** Offers and marks that were taken up and are not settled. */
  #underWay = 0;
  /** Given up: what was offered behind that does not fit. */
  readonly #held = new Set<MailboxGuid>();
  readonly #ahead: BodiesAhead;
  readonly #answers: Answers;
  /** To questions of a comparison by sums, or about the limbo: it may take long to look, and nothing else waits for that. */
  readonly #sums: Answers;
  readonly #patience: LockPatience; // of what other mailboxes wait behind.
  /** What the source says about the transaction that diverged. */
  #advice: { readonly id: number; readonly waiter: Waiter<Retry> } | undefined;
  #logId = "";
  #isReleased = false;
  #hasCompared = false;
  #offeredBytes = 0; // of the offers that are not settled.

  constructor(ports: SessionPorts, limits: SessionLimits = SESSION_LIMITS) {
    this.#ports = ports;
    this.#limits = limits;
    this.#ahead = new BodiesAhead(limits.aheadBytesMax);
    this.#patience = new LockPatience(ports.clock, { ...IN_LINE, eachMsMax: limits.lockWaitMsMax });
    const forLong = new LockPatience(ports.clock, FOR_LONG);
    // To make room is asked about a transaction, which keeps those behind it waiting.
    const patience = () => (this.#underWay > 0 ? this.#patience : forLong);
    const answer: AnswerPorts["answer"] = (request, signal) => answerRequest({ ...ports, patience }, request, signal);
    this.#answers = new Answers({ ...ports, answer });
    this.#sums = new Answers({ ...ports, answer });
  }

  /**
   * Serves until the link is closed or `signal` aborts; closes the link, and tells the source why if this end failed. When it returns or throws, nothing is being applied
   * any more, and what was applied is recorded.
   */
  async run(signal: AbortSignal): Promise<void> {
    const stop = new AbortController();
    const both = AbortSignal.any([signal, stop.signal]);
    const prepared = new BoundedQueue<Incoming | Mark>(this.#limits.preparedMax);
    const preparing = this.#prepareAll(prepared, both);
    preparing.catch((error: unknown) => prepared.fail(error));
    const applying = this.#applyAll(prepared, both);
    const answering = Promise.all([this.#answers.run(both), this.#sums.run(both)]);
    for (const work of [preparing, applying, answering]) work.catch((error: unknown) => stop.abort(error));
    const staging = new Beside(STAGING_MAX, (error) => stop.abort(error));
    let why: WireFailure | undefined;
    try {
      for await (const message of this.#ports.link.messages(both)) await this.#receive(message, staging, both);
      await staging.ended(); // what came whole before the end is applied.
      this.#release();
      await Promise.all([applying, answering]);
    } catch (error) {
      stop.abort(error);
      if (!signal.aborted && isLinkClosed(error)) return;
      if (!signal.aborted) why = farewellOf(error);
      throw error;
    } finally {
      this.#release();
      await Promise.allSettled([preparing, applying, answering, staging.ended()]); // why they failed is the error above, or follows from it.
      await this.#dropUnfinished();
      this.#ports.link.close(why); // last: whoever owns both ends sees this end's error first.
    }
  }

  /** What was staged and is not applied would only take space until the next start, and what was looked at until somebody compares again. */
  async #dropUnfinished(): Promise<void> {
    for (const incoming of this.#incoming.values()) {
      // The reason of the end is more telling than a thread that has ended with it; recovery clears what stays.
      await incoming.drop().catch(() => undefined);
    }
    if (this.#hasCompared) await this.#ports.store.call("endLooks").catch(() => undefined); // the same.
  }

  /** Nothing more comes: lets go of what waits for the source. */
  #release(): void {
    this.#isReleased = true;
    this.#offers.close();
    this.#answers.close();
    this.#sums.close();
    for (const incoming of this.#incoming.values()) incoming.giveUp();
    this.#advice?.waiter.fail(adviceLost());
  }

  async #receive(message: WireMessage, staging: Beside, signal: AbortSignal): Promise<void> {
    switch (message.kind) {
      case "hello":
        return this.#welcome(message.logId, message.protocol, signal);
      case "offer":
      case "mark":
        if (this.#logId === "")
          throw agentError("peer-confused", "taking an offer of the source: it did not say hello");
        if (this.#ports.rights !== undefined && message.kind === "offer") refuseOffer(message, this.#ports.rights);
        this.#offeredBytes += bytesOf(message);
        if (this.#offeredBytes > OFFERED_BYTES_MAX || !this.#offers.tryPush(message))
          throw wireError("wire-invalid", "taking an offer of the source: it sends more than it may");
        return undefined;
      case "bodies": {
        const incoming = this.#incoming.get(message.id);
        if (incoming === undefined) releaseSlabs(message.payloads);
        else await staging.add(incoming.takeBodies(message));
        return undefined;
      }
      case "body-part": {
        const incoming = this.#incoming.get(message.id);
        if (incoming !== undefined) await staging.add(incoming.takePart(message));
        return undefined;
      }
      case "retry":
        this.#takeRetry(message);
        return undefined;
      case "request":
        return this.#takeRequest(message, signal);
      case "farewell":
        throw errorOfSource(message.failure);
      default:
        throw agentError(
          "peer-confused",
          `talking with the source: it sent "${message.kind}", which only a replica sends`,
        );
    }
  }

  async #takeRequest(request: Request, signal: AbortSignal): Promise<void> {
    const { rights, link } = this.#ports;
    const failure = rights === undefined ? undefined : failureElsewhere(request.ask, rights);
    if (failure !== undefined) {
      const result = { ok: false, failure: farewellOf(failure) } as const;
      return link.send({ kind: "reply", id: request.id, result }, signal);
    }
    if (rights !== undefined) refuseAsk(request.ask, rights);
    if (isLook(request.ask)) this.#hasCompared = true;
    (isAskedBeside(request.ask) ? this.#sums : this.#answers).take(request);
  }

  async #welcome(logId: string, protocol: number, signal: AbortSignal): Promise<void> {
    if (this.#logId !== "") throw agentError("peer-confused", "greeting the source: it has said hello before");
    const appliedLsn = this.#ports.appliedLsn(logId);
    const firstContact = appliedLsn === undefined;
    // Sent in any case: the source is to know what this end speaks.
    await this.#ports.link.send(
      { kind: "welcome", protocol: PROTOCOL_VERSION, software: "mailtwin", appliedLsn: appliedLsn ?? 0, firstContact },
      signal,
    );
    if (protocol !== PROTOCOL_VERSION) {
      throw wireError(
        "protocol-differs",
        `greeting the source: it speaks protocol ${protocol}, this end speaks ${PROTOCOL_VERSION}`,
      );
    }
    this.#logId = logId;
  }

  #takeRetry(retry: Retry): void {
    if (this.#advice?.id === retry.id) this.#advice.waiter.settle(retry);
    else if (retry.giveUp) this.#incoming.get(retry.id)?.giveUp();
  }

  /** Ahead of those that are applied, as far as `prepared` has room. */
  async #prepareAll(prepared: BoundedQueue<Incoming | Mark>, signal: AbortSignal): Promise<void> {
    let lastId = 0;
    for await (const offer of this.#offers.drain(signal)) {
      if (offer.id <= lastId) {
        const words = `taking an offer of the source: it has number ${offer.id}, and ${lastId} came before`;
        throw agentError("peer-confused", words);
      }
      lastId = offer.id;
      const atOnce = offer.kind === "offer" ? this.#atOnce(offer) : undefined;
      this.#underWay += 1;
      if (offer.kind === "mark") {
        await prepared.push(offer, signal);
        continue;
      }
      const incoming = new Incoming(this.#incomingPorts(signal), offer, atOnce);
      this.#incoming.set(offer.id, incoming);
      if (this.#isReleased) incoming.giveUp(); // nobody would send its bodies.
      await prepared.push(incoming, signal);
    }
    prepared.close();
  }

  /**
   * How it is applied by one call; undefined if that may not be. What is recorded by then must not meet what the state writer has still to
   * record, and what an earlier one leaves to be asked must be settled.
   */
  #atOnce(offer: Offer): Pick<AtOnceRequest, "cursor"> | undefined {
    const isAlone = this.#underWay === 0 && this.#answers.isIdle && !this.#held.has(offer.mailbox);
    if (!isAlone || this.#isReleased || bytesOf(offer) > this.#limits.atOnceBytesMax) return undefined;
    return this.#cursorOf(offer);
  }

  /** What is recorded with its effect. */
  #cursorOf({ lsn }: Offer): Pick<EffectCommit, "cursor"> {
    return lsn === 0 ? {} : { cursor: { logId: this.#logId, lsn } };
  }

  /** In the order of the log. */
  async #applyAll(prepared: BoundedQueue<Incoming | Mark>, signal: AbortSignal): Promise<void> {
    for await (const next of prepared.drain(signal)) {
      const verdict = next instanceof Incoming ? await this.#settle(next, signal) : await this.#setCursor(next);
      this.#incoming.delete(next.id);
      this.#ahead.giveBack(next.id);
      this.#underWay -= 1;
      if (next instanceof Incoming) this.#offeredBytes -= bytesOf(next.offer);
      await this.#report(next.id, verdict, signal);
    }
  }

  async #setCursor({ lsn }: Mark): Promise<Verdict> {
    const cursor = { logId: this.#logId, lsn, isSet: true };
    await this.#ports.writer.recordEffect({ ...NO_EFFECT, cursor });
    if (lsn > 0) this.#ports.sinks?.onMarked();
    return { kind: "applied", notes: [] };
  }

  #incomingPorts(signal: AbortSignal): IncomingPorts {
    const { link } = this.#ports;
    const { stagedHereMax, partBytesMax } = this.#limits;
    const isNext = (id: number) => this.#incoming.keys().next().value === id;
    const room: IncomingPorts["room"] = (bodies) =>
      this.#ahead.take({ ...bodies, isNext: () => isNext(bodies.id) }, signal);
    const want: IncomingPorts["want"] = (id, indexes) => link.send({ kind: "want", id, indexes }, signal);
    return { ...this.#ports, stagedHereMax, partBytesMax, room, want };
  }

  async #report(id: number, verdict: Verdict, signal: AbortSignal): Promise<void> {
    if (verdict.kind === "applied") await this.#ports.link.send({ kind: "outcome", id, notes: verdict.notes }, signal);
    else await this.#ports.link.send({ kind: "outcome", id, notes: [], divergence: verdict.divergence }, signal);
  }

  /** Applies one transaction; after a divergence asks the source, as often as it has another idea. */
  async #settle(incoming: Incoming, signal: AbortSignal): Promise<Verdict> {
    const { id, offer } = incoming;
    if (offer.anew === true) this.#held.delete(offer.mailbox);
    if (this.#held.has(offer.mailbox)) {
      await incoming.drop();
      return divergedBy({ code: "mailbox-held", words: "an earlier transaction of this mailbox was refused" });
    }
    if (isStale(await incoming.ready)) incoming.again(0);
    for (;;) {
      const verdict = await this.#tryOnce(incoming, await incoming.ready, signal);
      if (verdict.kind === "applied") return verdict;
      const isOver = verdict.divergence.code === "given-up" || (await this.#ask(id, verdict, signal)).giveUp;
      if (!isOver) continue;
      await incoming.drop();
      this.#held.add(offer.mailbox);
      const refused = refusedBy(offer.mailbox, verdict.divergence);
      if (refused !== undefined) this.#ports.sinks?.onRefused(refused);
      return { kind: "diverged", divergence: { ...verdict.divergence, code: "given-up" } };
    }
  }

  /** Reports a divergence; when the source has changed something about it, prepares the transaction again. */
  async #ask(id: number, verdict: Verdict, signal: AbortSignal): Promise<Retry> {
    signal.throwIfAborted();
    if (this.#isReleased) throw adviceLost(); // a link may take the question though nobody reads it.
    const waiter = new Waiter<Retry>(signal);
    waiter.promise.catch(() => undefined); // it is awaited below; sending may fail first.
    this.#advice = { id, waiter };
    try {
      await this.#report(id, verdict, signal);
      const retry = await waiter.promise;
      if (!retry.giveUp) this.#incoming.get(id)?.again(retry.voidBelow);
      return retry;
    } finally {
      this.#advice = undefined;
    }
  }

  async #tryOnce(incoming: Incoming, readiness: Readiness, signal: AbortSignal, lacks = 0): Promise<Verdict> {
    if (readiness.kind === "given-up")
      return divergedBy({ code: "given-up", words: "the source cannot deliver its bodies" });
    if (readiness.kind === "applied") return this.#applied(incoming.offer.mailbox, readiness.notes);
    if (readiness.kind === "diverged") return { kind: "diverged", divergence: wireOf(readiness.divergence) };
    const outcome = await this.#execute(incoming, signal, readiness.tried);
    switch (outcome.kind) {
      case "applied": {
        const { offer } = incoming;
        const cursor = readiness.isPart ? {} : this.#cursorOf(offer); // with the last of it: else it comes again.
        const effect = { ...outcome.effect, intent: readiness.intent, ...cursor };
        await this.#record(() => this.#ports.writer.recordEffect(effect), offer.mailbox);
        this.#ports.reach("apply.effect-recorded");
        if (!readiness.isPart) return this.#applied(offer.mailbox, [...incoming.notes, ...outcome.notes]);
        incoming.next(outcome.notes);
        return this.#tryOnce(incoming, await incoming.ready, signal);
      }
      case "busy":
        return divergedBy({ code: "lock-held", words: wordsOfBusy(outcome) });
      case "lacking":
        if (lacks === LACKS_MAX)
          return divergedBy({ code: "path-refused", words: "what is staged in the tmp/ of the mailbox is taken away" });
        incoming.lack(outcome.wants);
        return this.#tryOnce(incoming, await incoming.ready, signal, lacks + 1);
      case "diverged":
        return { kind: "diverged", divergence: wireOf(outcome.divergence) };
    }
  }

  #applied(mailbox: MailboxGuid, notes: readonly ApplyNote[]): Verdict {
    this.#ports.sinks?.onApplied(mailbox);
    return { kind: "applied", notes: notes.map((note) => note.words) };
  }

  /** A commit that fails must not leave the worker believing in it. */
  async #record(commit: () => Promise<void>, mailbox: MailboxGuid): Promise<void> {
    try {
      await commit();
    } catch (error) {
      await this.#ports.store.call("forget", { mailbox });
      throw error;
    }
  }

  /** Waits for Dovecot's lock, for a moment, without holding up the worker. `tried`: what came of the first attempt, if one was made. */
  #execute({ id: key, offer }: Incoming, signal: AbortSignal, tried?: ExecuteOutcome): Promise<ExecuteOutcome> {
    const attempt = () => this.#ports.store.call("execute", { key });
    const waiting = { tried, attempt, isOver: () => this.#isReleased };
    return this.#patience.whileBusy(offer.mailbox, waiting, signal);
  }
}

function adviceLost() {
  return wireError("link-closed", "waiting for the source's advice: it closed the link");
}
