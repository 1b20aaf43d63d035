/**
 * The replica's end of a link: takes offers, pulls the bodies that it lacks, has them applied in the order of the log, and
 * acknowledges what is durable.
 *
 * INVARIANT: an outcome without divergence is sent only after the effect and the cursor are on stable storage.
 * INVARIANT: after a divergence nothing is applied until the source has said what to do, and later transactions of a mailbox
 * that was given up are refused until that transaction comes again: order within a mailbox is never broken.
 */
import type { ApplyMethods, ExecuteOutcome } from "../apply/apply-types.js";
import type { Divergence } from "../apply/divergence.js";
import { BoundedQueue } from "../base/bounded-queue.js";
import type { Clock } from "../base/clock.js";
import type { CrashPoint } from "../base/crash-points.js";
import { ROOT_PATH } from "../base/raw-name.js";
import { releaseSlabs } from "../base/slab-pool.js";
import { Waiter } from "../base/waiter.js";
import type { WorkerClient } from "../base/worker-rpc.js";
import type { StateWriter } from "../log/state-ports.js";
import type { MailboxGuid } from "../maildir/ids.js";
import { isLinkClosed, wireError } from "../wire/errors.js";
import type { Link } from "../wire/link.js";
import { type Offer, PROTOCOL_VERSION, type Retry, type WireDivergence, type WireMessage } from "../wire/messages.js";
import { agentError } from "./errors.js";
import { Incoming, type Readiness } from "./incoming.js";
import { answerRequest } from "./session-requests.js";

export interface SessionPorts {
  readonly link: Link;
  readonly store: WorkerClient<ApplyMethods>;
  readonly writer: StateWriter;
  readonly clock: Clock;
  readonly reach: CrashPoint;
  readonly syncAll: () => Promise<boolean>;
  /** Highest LSN of a log that is durably applied here; undefined when this replica knows nothing of that log. */
  readonly appliedLsn: (logId: string) => number | undefined;
}

export interface SessionLimits {
  /** Transactions that may be prepared while an earlier one is applied. */
  readonly preparedMax: number;
  /** How long Dovecot's lock may stay in other hands. */
  readonly lockWaitMsMax: number;
}

export const SESSION_LIMITS: SessionLimits = { preparedMax: 32, lockWaitMsMax: 30_000 };
/** What the source may offer ahead; more is a peer that does not keep to the protocol. */
const OFFERS_MAX = 256;
const LOCK_PAUSE_MS_MIN = 1;
const LOCK_PAUSE_MS_MAX = 50;

type Verdict =
  | { readonly kind: "applied"; readonly notes: readonly string[] }
  | { readonly kind: "diverged"; readonly divergence: WireDivergence };

export class Session {
  readonly #ports: SessionPorts;
  readonly #limits: SessionLimits;
  readonly #offers = new BoundedQueue<Offer>(OFFERS_MAX);
  readonly #incoming = new Map<number, Incoming>();
  readonly #heldSinceLsn = new Map<MailboxGuid, number>();
  /** What the source says about the transaction that diverged. */
  #advice: { readonly lsn: number; readonly waiter: Waiter<Retry> } | undefined;
  #logId = "";
  #isReleased = false;

  constructor(ports: SessionPorts, limits: SessionLimits = SESSION_LIMITS) {
    this.#ports = ports;
    this.#limits = limits;
  }

  /**
   * Serves until the link is closed or `signal` aborts; closes the link. When it returns or throws, nothing is being applied
   * any more, and what was applied is recorded.
   */
  async run(signal: AbortSignal): Promise<void> {
    const stop = new AbortController();
    const both = AbortSignal.any([signal, stop.signal]);
    const applying = this.#applyAll(both);
    applying.catch((error: unknown) => stop.abort(error));
    try {
      for await (const message of this.#ports.link.messages(both)) await this.#receive(message, both);
      this.#release();
      await applying;
    } catch (error) {
      stop.abort(error);
      if (signal.aborted || !isLinkClosed(error)) throw error;
    } finally {
      this.#release();
      await applying.catch(() => undefined); // it is the error above, or follows from it.
      await this.#dropUnfinished();
      this.#ports.link.close(); // last: whoever owns both ends sees this end's error first.
    }
  }

  /** What was staged and is not applied would only take space until the next start. */
  async #dropUnfinished(): Promise<void> {
    for (const lsn of this.#incoming.keys()) {
      // The reason of the end is more telling than a thread that has ended with it; recovery clears what stays.
      await this.#ports.store.call("drop", { key: lsn }).catch(() => undefined);
    }
  }

  /** Nothing more comes: lets go of what waits for the source. */
  #release(): void {
    this.#isReleased = true;
    this.#offers.close();
    for (const incoming of this.#incoming.values()) incoming.giveUp();
    this.#advice?.waiter.fail(wireError("link-closed", "waiting for the source's advice: it closed the link"));
  }

  async #receive(message: WireMessage, signal: AbortSignal): Promise<void> {
    switch (message.kind) {
      case "hello":
        return this.#welcome(message.logId, message.protocol, signal);
      case "offer":
        if (this.#logId === "")
          throw agentError("peer-confused", "taking an offer of the source: it did not say hello");
        if (!this.#offers.tryPush(message))
          throw wireError("wire-invalid", "taking an offer of the source: it sends more than it may");
        return undefined;
      case "bodies":
        if (!this.#incoming.has(message.lsn)) releaseSlabs(message.payloads);
        return this.#incoming.get(message.lsn)?.takeBodies(message);
      case "body-part":
        return this.#incoming.get(message.lsn)?.takePart(message);
      case "retry":
        this.#takeRetry(message);
        return undefined;
      case "request":
        return this.#ports.link.send(await answerRequest(this.#ports, message, signal), signal);
      default:
        throw agentError(
          "peer-confused",
          `talking with the source: it sent "${message.kind}", which only a replica sends`,
        );
    }
  }

  async #welcome(logId: string, protocol: number, signal: AbortSignal): Promise<void> {
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
    if (this.#advice?.lsn === retry.lsn) this.#advice.waiter.settle(retry);
    else if (retry.giveUp) this.#incoming.get(retry.lsn)?.giveUp();
  }

  /** Prepares ahead, applies in order. */
  async #applyAll(signal: AbortSignal): Promise<void> {
    const queue = new BoundedQueue<Incoming>(this.#limits.preparedMax);
    const preparing = (async () => {
      for await (const offer of this.#offers.drain(signal)) {
        const incoming = new Incoming(this.#incomingPorts(signal), offer);
        incoming.ready.catch(() => undefined); // looked at when its turn comes.
        this.#incoming.set(offer.lsn, incoming);
        await queue.push(incoming, signal);
      }
      queue.close();
    })();
    preparing.catch((error: unknown) => queue.fail(error));
    for await (const incoming of queue.drain(signal)) {
      const verdict = await this.#settle(incoming, signal);
      this.#incoming.delete(incoming.lsn);
      await this.#report(incoming.lsn, verdict, signal);
    }
    await preparing;
  }

  #incomingPorts(signal: AbortSignal) {
    const { store, writer, syncAll, reach, link } = this.#ports;
    const want = (lsn: number, indexes: readonly number[]) => link.send({ kind: "want", lsn, indexes }, signal);
    return { store, writer, syncAll, reach, want };
  }

  async #report(lsn: number, verdict: Verdict, signal: AbortSignal): Promise<void> {
    if (verdict.kind === "applied") await this.#ports.link.send({ kind: "outcome", lsn, notes: verdict.notes }, signal);
    else await this.#ports.link.send({ kind: "outcome", lsn, notes: [], divergence: verdict.divergence }, signal);
  }

  /** Applies one transaction; after a divergence asks the source, as often as it has another idea. */
  async #settle(incoming: Incoming, signal: AbortSignal): Promise<Verdict> {
    const { lsn, offer } = incoming;
    const heldSince = this.#heldSinceLsn.get(offer.mailbox);
    if (heldSince !== undefined && lsn > heldSince) {
      incoming.giveUp();
      await this.#ports.store.call("drop", { key: lsn });
      return diverged({ code: "mailbox-held", words: "an earlier transaction of this mailbox was refused" });
    }
    this.#heldSinceLsn.delete(offer.mailbox);
    if (isStale(await incoming.ready)) incoming.again(0);
    for (;;) {
      const verdict = await this.#tryOnce(incoming, await incoming.ready, signal);
      if (verdict.kind === "applied") return verdict;
      const isOver = verdict.divergence.code === "given-up" || (await this.#ask(lsn, verdict, signal)).giveUp;
      if (!isOver) continue;
      await this.#ports.store.call("drop", { key: lsn });
      this.#heldSinceLsn.set(offer.mailbox, lsn);
      return { kind: "diverged", divergence: { ...verdict.divergence, code: "given-up" } };
    }
  }

  /** Reports a divergence; when the source has changed something about it, prepares the transaction again. */
  async #ask(lsn: number, verdict: Verdict, signal: AbortSignal): Promise<Retry> {
    signal.throwIfAborted();
    const waiter = new Waiter<Retry>(signal);
    waiter.promise.catch(() => undefined); // it is awaited below; sending may fail first.
    this.#advice = { lsn, waiter };
    try {
      await this.#report(lsn, verdict, signal);
      const retry = await waiter.promise;
      if (!retry.giveUp) this.#incoming.get(lsn)?.again(retry.voidBelow);
      return retry;
    } finally {
      this.#advice = undefined;
    }
  }

  async #tryOnce(incoming: Incoming, readiness: Readiness, signal: AbortSignal): Promise<Verdict> {
    if (readiness.kind === "given-up")
      return diverged({ code: "given-up", words: "the source cannot deliver its bodies" });
    if (readiness.kind === "diverged") return { kind: "diverged", divergence: wireOf(readiness.divergence) };
    const outcome = await this.#execute(incoming.lsn, signal);
    switch (outcome.kind) {
      case "applied": {
        const cursor = { logId: this.#logId, lsn: incoming.lsn };
        await this.#record(
          () => this.#ports.writer.recordEffect({ ...outcome.effect, intent: readiness.intent, cursor }),
          incoming.offer.mailbox,
        );
        this.#ports.reach("apply.effect-recorded");
        return { kind: "applied", notes: outcome.notes.map((note) => note.words) };
      }
      case "busy":
        return diverged({
          code: "lock-held",
          words: `dovecot-uidlist.lock has been held by ${outcome.by} for ${Math.round(outcome.ageMs / 1000)} s`,
        });
      case "lacking":
        incoming.lack(outcome.wants.map((wanted) => wanted.index));
        return this.#tryOnce(incoming, await incoming.ready, signal);
      case "diverged":
        return { kind: "diverged", divergence: wireOf(outcome.divergence) };
    }
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

  /** Waits for Dovecot's lock without holding up the worker. */
  async #execute(lsn: number, signal: AbortSignal): Promise<ExecuteOutcome> {
    const { clock, store } = this.#ports;
    const endMs = clock.monotonicMs() + this.#limits.lockWaitMsMax;
    let pauseMs = LOCK_PAUSE_MS_MIN;
    for (;;) {
      signal.throwIfAborted();
      const outcome = await store.call("execute", { key: lsn });
      const isOver = this.#isReleased || clock.monotonicMs() >= endMs;
      if (outcome.kind !== "busy" || isOver) return outcome;
      await clock.sleep(pauseMs, signal);
      pauseMs = Math.min(pauseMs * 2, LOCK_PAUSE_MS_MAX);
    }
  }
}

function diverged({ code, words }: { readonly code: string; readonly words: string }): Verdict {
  return { kind: "diverged", divergence: { code, words, path: ROOT_PATH, firstUid: 0, replicaNext: 0 } };
}

/** Found while earlier transactions were under way: they may have removed what stood in its way. */
function isStale(readiness: Readiness): boolean {
  return readiness.kind === "diverged" && readiness.divergence.kind !== "body-mismatch";
}

function wireOf(divergence: Divergence): WireDivergence {
  const { kind: code, words, path } = divergence;
  return { code, words, path, ...uidsOf(divergence) };
}

function uidsOf(divergence: Divergence): { readonly firstUid: number; readonly replicaNext: number } {
  switch (divergence.kind) {
    case "uid-passed":
      return { firstUid: divergence.firstUid, replicaNext: divergence.replicaNext };
    case "uid-bound-otherwise":
      return { firstUid: divergence.uid, replicaNext: 0 };
    default:
      return { firstUid: 0, replicaNext: 0 };
  }
}
