/**
 * A body that was not found: is its message expunged, or was its mailbox renamed, or its file, just when it was looked for?
 *
 * INVARIANT: a body is called gone only when the log itself no longer gives that UID to a message (its expunge, or the deletion
 * of its mailbox, follows for the replica); everything else is looked for again. A rename must never cost a message.
 */
import type { Clock } from "../base/clock.js";
import type { Uid } from "../maildir/ids.js";
import type { Transaction } from "../txn/transaction.js";
import type { SourceSide } from "./source-side.js";

/** How far apart, and how often, the source is looked at again for what it should have. */
export const ABSENT_PAUSE_MS = 50;
export const ABSENT_LOOKS_MAX = 200;

interface AbsentPorts {
  readonly source: SourceSide;
  readonly clock: Clock;
}

/** Both lists together are `indexes`. Waits a little when there is something to look for again. */
export async function settleAbsent(
  { source, clock }: AbsentPorts,
  { mailbox, changes }: Transaction,
  indexes: readonly number[],
  signal: AbortSignal,
): Promise<{ readonly gone: readonly number[]; readonly again: readonly number[] }> {
  if (source.pathOf(mailbox) === undefined) return { gone: indexes, again: [] };
  const uidOf = (index: number): Uid | undefined => {
    const change = changes[index];
    return change?.kind === "save" || change?.kind === "rebind" ? change.message.uid : undefined;
  };
  const uids = indexes.flatMap((index) => uidOf(index) ?? []);
  const [from] = uids;
  if (from === undefined) return { gone: indexes, again: [] };
  const standing = new Set(source.uidsAmong({ guid: mailbox, uids, from, below: from }));
  const isStanding = (index: number): boolean => {
    const uid = uidOf(index);
    return uid !== undefined && standing.has(uid);
  };
  const again = indexes.filter(isStanding);
  if (again.length > 0) {
    source.lookAgain(mailbox);
    await clock.sleep(ABSENT_PAUSE_MS, signal);
  }
  return { gone: indexes.filter((index) => !isStanding(index)), again };
}
