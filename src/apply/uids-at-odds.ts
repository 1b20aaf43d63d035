/**
 * Which UIDs of a transaction a replica cannot give to its messages. Pure; told with the refusal, so that the source gives new
 * UIDs to those messages and to no other.
 */
import type { Change, Transaction } from "../txn/transaction.js";
import type { MailboxView } from "./mailbox-view.js";

export interface OddsInput {
  readonly txn: Transaction;
  readonly draft: { readonly view: MailboxView };
  readonly voidBelow: number;
}

/**
 * `refused`, and all others that are passed or bound to another message, judged by the mailbox as it was found; but for those
 * that are void already. A message that has its UID here, record and file, is at odds with nothing.
 */
export function uidsAtOdds(
  { txn, draft: { view }, voidBelow }: OddsInput,
  refused: number,
): {
  readonly uids: readonly number[];
  readonly replicaNext: number;
} {
  const uids = new Set<number>([refused]);
  for (const change of txn.changes) {
    if (change.kind === "expunge") continue; // of another message here it removes nothing.
    const { uid } = change.kind === "marks" ? change : change.message;
    if (uid >= view.uidNext) continue;
    const base = view.recordByUid.get(uid)?.base;
    const holder = base !== undefined && view.fileByBase.has(base) ? base : undefined;
    const isLacking = change.kind !== "marks" && uid >= voidBelow;
    if (holder === undefined ? isLacking : !basesOf(change).includes(holder)) uids.add(uid);
  }
  return { uids: [...uids].sort((a, b) => a - b), replicaNext: view.uidNext };
}

/** A message that changes its base name may have the old one still. */
function basesOf(change: Exclude<Change, { kind: "expunge" }>): readonly string[] {
  const { base } = change.kind === "marks" ? change : change.message;
  return change.kind === "rebind" && change.fromUid === change.message.uid ? [base, change.fromBase] : [base];
}
