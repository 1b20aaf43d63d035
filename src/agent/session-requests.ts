/**
 * What a source may ask of a replica beside offering transactions: what stands there, and to make room for UIDs.
 */
import type { ApplyMethods } from "../apply/apply-types.js";
import type { Diverged } from "../apply/compare-types.js";
import { COPY_CAUSE } from "../apply/confirm-copies.js";
import { boundHeaps } from "../base/bounded-heaps.js";
import type { Clock } from "../base/clock.js";
import type { RawPath } from "../base/raw-name.js";
import type { WorkerClient } from "../base/worker-rpc.js";
import type { StateWriter } from "../log/state-ports.js";
import { type EffectCommit, NO_EFFECT } from "../log/state-types.js";
import { type MailboxGuid, parseBaseName, UID_MAX } from "../maildir/ids.js";
import { resyncError } from "../resync/errors.js";
import type { ReadSide } from "../resync/sums-types.js";
import { visibleMarks } from "../txn/marks.js";
import {
  type Answer,
  type Ask,
  COMPARED_MESSAGES_MAX,
  type Reply,
  type Request,
  STANDING_MAILBOXES_MAX,
  type SurveyedMailbox,
} from "../wire/messages.js";
import { agentError, refusalAs } from "./errors.js";
import { farewellOf } from "./farewell.js";
import { answerLimbo, type LimboSide } from "./limbo-side.js";
import type { LockPatience } from "./lock-patience.js";
import type { SessionRights } from "./session-rights.js";
import type { SessionSinks } from "./session-sinks.js";
import { answerSums } from "./sums-answers.js";

export interface RequestPorts {
  readonly store: WorkerClient<ApplyMethods>;
  readonly writer: StateWriter;
  readonly clock: Pick<Clock, "monotonicMs">;
  /** For a lock that the request needs now. */
  readonly patience: () => LockPatience;
  /** Undefined: the source may know of all of the store. */
  readonly rights?: Pick<SessionRights, "mayWrite"> | undefined;
  readonly sinks?: Pick<SessionSinks, "onRefused" | "onRead"> | undefined;
  /** This store as one side of a comparison; undefined: it is none. */
  readonly sums?: ReadSide | undefined;
  /** What is in the limbo of this store; undefined: nothing is told of it. */
  readonly limbo?: LimboSide | undefined;
}

/** Objects in two threads, for as long as their page takes. */
const INVENTORY_MESSAGES_MAX = 4096;

/** Messages whose files are looked at in one call of the thread that applies, and calls for one answer, or how long they may take. */
const LOOKED_AT_ONCE = 8192;
const LOOKS_MAX = 8;
const LOOKS_MS_MAX = 10_000;

/** Never throws for what the request met: the failure is the reply. */
export async function answerRequest(ports: RequestPorts, request: Request, signal: AbortSignal): Promise<Reply> {
  using _ = boundHeaps();
  try {
    const answer = await answerTo(ports, request.ask, signal);
    return { kind: "reply", id: request.id, result: { ok: true, answer } };
  } catch (error) {
    signal.throwIfAborted();
    return { kind: "reply", id: request.id, result: { ok: false, failure: farewellOf(error) } };
  }
}

async function answerTo(ports: RequestPorts, ask: Ask, signal: AbortSignal): Promise<Answer> {
  switch (ask.kind) {
    case "survey":
      return { kind: "survey", mailboxes: await survey(ports, ask.strangers ?? []) };
    case "inventory": {
      const outcome = await ports.store.call("inventory", {
        path: ask.path,
        afterUid: ask.afterUid,
        ...(ask.afterBase === undefined ? {} : { afterBase: ask.afterBase }),
        messagesMax: INVENTORY_MESSAGES_MAX,
      });
      if (outcome.kind === "absent") return { kind: "inventory", messages: [], more: false, unnumbered: 0 };
      if (outcome.kind === "diverged") throw agentError("mailbox-rejected", outcome.divergence.words);
      const numbered = outcome.messages.map((it) => {
        return { uid: it.uid, base: it.base, size: it.size, marks: visibleMarks(it) };
      });
      const messages = [...numbered, ...outcome.files.map(({ base, size }) => ({ uid: 0, base, size, marks: "" }))];
      return { kind: "inventory", messages, more: outcome.more, unnumbered: outcome.unnumbered };
    }
    case "compare":
      return compare(ports, ask, signal);
    case "tell-held": {
      const { mailbox, path, spans, looksOnly = false } = ask;
      const request = { mailbox, path, spans, messagesMax: COMPARED_MESSAGES_MAX };
      const outcome = readOf(ports, ask, await ports.store.call("tellHeld", request));
      if (!looksOnly && spans.length === 0) ports.sinks?.onRead(mailbox);
      return { ...outcome, kind: "tell-held" };
    }
    case "standing":
      return standing(ports, ask.after);
    case "yield-uids": {
      const { mailbox, uids, from, floor } = ask;
      const request = { mailbox, uids, from, floor };
      const attempt = () => ports.store.call("yieldUids", request);
      const outcome = notBusy(await ports.patience().whileBusy(mailbox, { attempt }, signal));
      if (outcome.kind === "diverged") throw agentError("mailbox-rejected", outcome.divergence.words);
      return { kind: "yielded-uids", uidNext: outcome.uidNext, moved: outcome.moves.length };
    }
    case "foreign": {
      const { path, action, hashes } = ask;
      const request = {
        path,
        bases: ask.bases.map(parseBaseName),
        action,
        ...(hashes === undefined ? {} : { hashes }),
      };
      const intent: Pick<EffectCommit, "intent"> = action === "limbo" ? await putIntent(ports, path) : {};
      const attempt = () => ports.store.call("foreign", request);
      const met = await ports.patience().whileBusy(path, { attempt }, signal);
      // Nothing was done then: an intent that stayed would have the next start look for it.
      if (met.kind === "busy" && intent.intent !== undefined) await record(ports, { ...NO_EFFECT, ...intent });
      const outcome = notBusy(met);
      const effect = outcome.kind === "applied" ? outcome.effect : { ...NO_EFFECT, limbo: outcome.limbo };
      await record(ports, { ...effect, ...intent });
      if (outcome.kind === "diverged") throw agentError("mailbox-rejected", outcome.divergence.words);
      const copies = effect.limbo.filter(({ cause }) => cause === COPY_CAUSE).length;
      return { kind: "foreign", messages: outcome.moved, copies };
    }
    case "tell-limbo":
    case "tell-limbo-files":
    case "read-limbo":
      return answerLimbo(limboOf(ports), ask, signal);
    default:
      return answerSums(sumsOf(ports), ask, signal);
  }
}

/**
 * A look that takes long comes in several answers: others of the store, and other requests, have their turn in between, and the source sees
 * that it gets on, on a slow disk too.
 */
async function compare(ports: RequestPorts, ask: AskOf<"compare">, signal: AbortSignal): Promise<Answer> {
  const { mailbox, path, seed, sums, looksOnly = false } = ask;
  const request = { mailbox, path, seed, ...(sums === undefined ? {} : { sums }), messagesMax: LOOKED_AT_ONCE };
  const startMs = ports.clock.monotonicMs();
  for (let looks = 1; ; looks++) {
    const outcome = readOf(ports, ask, await ports.store.call("compare", request));
    signal.throwIfAborted();
    const isAll = outcome.looked >= UID_MAX;
    if (!looksOnly && isAll) ports.sinks?.onRead(mailbox);
    const isLong = looks === LOOKS_MAX || ports.clock.monotonicMs() - startMs >= LOOKS_MS_MAX;
    if (isAll || isLong) return { ...outcome, kind: "compare" };
  }
}

type AskOf<K extends Ask["kind"]> = Extract<Ask, { readonly kind: K }>;

/** Throws: what a mailbox that cannot be compared is refused as; its host is told of it. */
function readOf<T extends { readonly kind: "read" }>(
  { sinks }: RequestPorts,
  { mailbox, path, looksOnly = false }: AskOf<"compare" | "tell-held">,
  outcome: T | Diverged,
): T {
  if (outcome.kind === "read") return outcome;
  const { kind: code, words } = outcome.divergence;
  if (!looksOnly) sinks?.onRefused({ mailbox, path, code, words });
  throw refusalAs(code, words);
}

/** Throws: compared-unsupported. */
function sumsOf({ sums }: RequestPorts): ReadSide {
  if (sums !== undefined) return sums;
  throw resyncError("compared-unsupported", "comparing by sums: this end has no thread for it");
}

/** Throws: compared-unsupported. */
function limboOf({ limbo }: RequestPorts): LimboSide {
  if (limbo !== undefined) return limbo;
  throw resyncError("compared-unsupported", "reading a limbo: this end tells of none");
}

/** Of what it is not told of, nothing counts as the source's own. */
async function survey({ store, rights }: RequestPorts, strangers: readonly MailboxGuid[]): Promise<SurveyedMailbox[]> {
  const found = await store.call("mailboxes", { strangers });
  const others = found.filter(({ path }) => rights?.mayWrite(path) === false).flatMap(({ guid }) => guid ?? []);
  if (others.length > 0) await store.call("mailboxes", { strangers: [...strangers, ...others] });
  const told = found.filter(({ path }) => rights?.mayWrite(path) !== false);
  return told.map(({ path, guid, uidValidity, uidNext }) => {
    return { path, guid: guid ?? ("" as const), uidValidity: uidValidity ?? 0, uidNext: uidNext ?? 0 };
  });
}

/** A page that has something, unless it is the last. */
async function standing({ store, rights }: RequestPorts, from: MailboxGuid | ""): Promise<Answer> {
  for (let after = from; ; ) {
    const page = await store.call("standing", { after, max: STANDING_MAILBOXES_MAX });
    const mailboxes = page.mailboxes.filter(({ path }) => rights?.mayWrite(path) !== false);
    const last = page.mailboxes.at(-1);
    if (mailboxes.length > 0 || !page.more || last === undefined)
      return { kind: "standing", mailboxes, more: page.more };
    after = last.mailbox;
  }
}

/** What is killed between a move to the limbo and the record of it is recorded by the next start. */
async function putIntent({ store, writer }: RequestPorts, path: RawPath): Promise<{ readonly intent: number }> {
  return { intent: await writer.putIntent({ bytes: await store.call("intentOfForeign", { path }) }) };
}

/** A commit that fails must not leave the worker believing in it. */
async function record({ store, writer }: RequestPorts, effect: Omit<EffectCommit, "cursor">): Promise<void> {
  try {
    await writer.recordEffect(effect);
  } catch (error) {
    for (const { guid } of effect.mailboxes) await store.call("forget", { mailbox: guid });
    throw error;
  }
}

/** Throws: replica-lock-held. */
function notBusy<T extends { readonly kind: string }>(outcome: T): Exclude<T, { readonly kind: "busy" }> {
  if (outcome.kind !== "busy") return outcome as Exclude<T, { readonly kind: "busy" }>;
  throw agentError("replica-lock-held", "waiting for dovecot-uidlist.lock on the replica: it stays in other hands");
}
