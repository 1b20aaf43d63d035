/**
 * What a refused transaction means and what may be done about it. Pure: who asks, waits and writes is in resolve-conflict.ts.
 *
 * A UID that the replica has passed, or that foreign mail took there, is a conflict that can be resolved: the foreign mail gets
 * another UID, and the source's message gets one above all of them, for a UID that a client may have seen never names another
 * message. Messages that have their UIDs on both sides keep them. Anything else that a replica refuses gives its mailbox up for
 * this run.
 */
import type { CaptureProblem } from "../capture/capture-types.js";
import { isUid, type Uid } from "../maildir/ids.js";
import type { Transaction } from "../txn/transaction.js";
import type { WireDivergence } from "../wire/messages.js";
import { agentError } from "./errors.js";

/** Why a mailbox is given up, for the rejection log. */
export interface Cause {
  readonly code: string;
  readonly words: string;
}

/** Times that one transaction is resolved before its mailbox is given up: UIDs must not run away. */
const REFUSALS_MAX = 4;

/**
 * How far above the source's next UID one conflict, or one comparison, may bring a mailbox. Far more than mail that came while a replica was away; and a
 * replica, which is believed in this, cannot use up the UIDs of the source with a few words.
 */
const UIDS_RAISED_MAX = 2 ** 20;
/** Above here nothing of the kind brings a mailbox, however often: half of all UIDs stay for the source's own mail. */
const UIDS_RAISED_TO_MAX = 2 ** 31;

export interface UidConflict {
  readonly kind: "uid-passed" | "uid-bound-otherwise";
  /** Those of the transaction that do not fit, ascending; at least one. */
  readonly uids: readonly Uid[];
  readonly replicaNext: Uid;
}

/** A lock in other hands: on the replica, before it answers a question there, or at the source. It passes by itself, mostly soon. */
export function isOfLock(code: string): boolean {
  return code === "lock-held" || code === "replica-lock-held";
}

/** The replica's last word: it holds the mailbox back from here on. */
export function isLastWord({ code }: Pick<WireDivergence, "code">): boolean {
  return code === "given-up" || code === "mailbox-held";
}

/** The conflict that making room may resolve; undefined: the mailbox is given up. */
export function conflictOf(
  transaction: Pick<Transaction, "changes">,
  { code, uids, replicaNext }: WireDivergence,
  refusals: number,
): UidConflict | undefined {
  if (code !== "uid-passed" && code !== "uid-bound-otherwise") return undefined;
  if (refusals > REFUSALS_MAX || !isUid(replicaNext)) return undefined;
  const refused = new Set(uids);
  const own = uidsOf(transaction).filter((uid) => refused.has(uid)); // a replica has no say in others.
  return own.length === 0 ? undefined : { kind: code, uids: own, replicaNext };
}

/**
 * UIDs of the transaction that the replica cannot take once it has made room, and is at `uidNext`: those that it refused, and
 * those that foreign mail has gone past meanwhile.
 */
export function uidsToLeave(
  transaction: Pick<Transaction, "changes">,
  { uids, replicaNext }: UidConflict,
  uidNext: number,
): readonly Uid[] {
  const refused = new Set<number>(uids);
  return uidsOf(transaction).filter((uid) => refused.has(uid) || (uid >= replicaNext && uid < uidNext));
}

/** Of the messages that it gives to the mailbox, or finds there, ascending. */
function uidsOf({ changes }: Pick<Transaction, "changes">): readonly Uid[] {
  const uids = changes.map((change) => ("message" in change ? change.message.uid : change.uid));
  return [...new Set(uids)].sort((a, b) => a - b);
}

/** The lowest UID that foreign mail may get: above what either side has given out. */
export function floorOf({ replicaNext }: UidConflict, sourceNext: number): number {
  return Math.max(sourceNext, replicaNext);
}

/** Why the source does not follow a replica that has given out the UIDs below `replicaNext`; undefined: it does. `doing`: what it would. */
export function whyTooHigh(doing: string, replicaNext: number, sourceNext: number): Cause | undefined {
  const most = Math.max(sourceNext, Math.min(sourceNext + UIDS_RAISED_MAX, UIDS_RAISED_TO_MAX));
  if (replicaNext <= most) return undefined;
  const { code, message } = agentError(
    "uids-too-high",
    `${doing}: the replica says that its next UID is ${replicaNext}, the source's is ${sourceNext}, and it is raised to ${most} at most`,
  );
  return { code, words: message };
}

/** A UID that is taken by mail which the source knows, too, is no conflict that making room resolves. */
export function isInVain({ kind }: UidConflict, moved: number): boolean {
  return kind === "uid-bound-otherwise" && moved === 0;
}

/** `moved` are messages of the replica, `left` those of the source. */
export function wordsOfConflict({ words }: Cause, { moved, left }: { readonly moved: number; readonly left: number }) {
  const there = `${moved} ${moved === 1 ? "message" : "messages"} of the replica`;
  const here = `${left} ${left === 1 ? "message" : "messages"} of the source`;
  const who = moved === 0 ? here : left === 0 ? there : `${there} and ${here}`;
  return `${words}: ${who} ${moved + left === 1 ? "gets a new UID" : "get new UIDs"}`;
}

export function causeOf({ code, message }: CaptureProblem): Cause {
  return { code, words: message };
}
