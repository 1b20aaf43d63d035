/**
 * A body that was not found: is its message expunged, or was its mailbox renamed, or its file, just when it was looked for?
 *
 * INVARIANT: a body is called gone only when the log itself no longer gives that UID to a message (its expunge, or the deletion
 * of its mailbox, follows for the replica); everything else is looked for again. A rename must never cost a message.
 * INVARIANT: nobody waits for what comes back only when a person has done something: other mailboxes would wait behind it.
 */
import type { Clock } from "../base/clock.js";
import type { HeldWhy } from "../capture/capture-types.js";
import type { RejectionRow } from "../log/state-types.js";
import type { Uid } from "../maildir/ids.js";
import type { Transaction } from "../txn/transaction.js";
import type { SourceSide } from "./source-side.js";

/** How far apart, and how often, the source is looked at again for what it should have. */
export const ABSENT_PAUSE_MS = 50;
export const ABSENT_LOOKS_MAX = 200;

/** Of a mailbox that is refused for it. */
export const WORDS_OF_HELD: Readonly<Record<HeldWhy, string>> = {
  "deletions-held":
    "mail of it is gone at the source, and its deletion is held back until a person has decided (mailtwin deletions list)",
  "mount-missing": "the file system that it lies on at the source is not mounted there",
};

const HELD: ReadonlySet<string> = new Set(Object.values(WORDS_OF_HELD));

/** Whether it was refused for that: it need not wait for its time once nothing of it is held back any more. */
export function isOfHeld({ message }: Pick<RejectionRow, "message">): boolean {
  return HELD.has(message);
}

/** The source's own looks at all mailboxes while something is searched: after so many it would know of a deletion. */
const SWEEPS_MIN = 4;
/** Looks that are waited for it at the most: a minute. */
const SEARCH_LOOKS_MAX = 1_200;

/**
 * How long something is looked for. A source that is slow, since it is large or its machine is busy, has had time to find out that a
 * mailbox was deleted, before that is called a failure of its mail.
 */
export class AbsentSearch {
  readonly #source: Pick<SourceSide, "sweeps">;
  readonly #sweepsBefore: number;
  #looks = 0;

  constructor(source: Pick<SourceSide, "sweeps">) {
    this.#source = source;
    this.#sweepsBefore = source.sweeps;
  }

  noteLook(): void {
    this.#looks += 1;
  }

  get isOver(): boolean {
    if (this.#looks < ABSENT_LOOKS_MAX) return false;
    return this.#source.sweeps - this.#sweepsBefore >= SWEEPS_MIN || this.#looks >= SEARCH_LOOKS_MAX;
  }
}

interface AbsentPorts {
  readonly source: SourceSide;
  readonly clock: Clock;
}

interface SettledAbsent {
  readonly gone: readonly number[];
  readonly again: readonly number[];
  /** Why it is in vain to look for those again. */
  readonly held?: HeldWhy | undefined;
}

/** Both lists together are `indexes`. Waits a little when there is something to look for again, and it may come. */
export async function settleAbsent(
  { source, clock }: AbsentPorts,
  { mailbox, changes }: Transaction,
  indexes: readonly number[],
  signal: AbortSignal,
): Promise<SettledAbsent> {
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
  const gone = indexes.filter((index) => !isStanding(index));
  if (again.length === 0) return { gone, again };
  const held = await source.whyHeld({ guid: mailbox, uids: again.flatMap((index) => uidOf(index) ?? []) });
  source.lookAgain(mailbox); // also where it is held: it may be back, and nobody knows yet.
  if (held === undefined) await clock.sleep(ABSENT_PAUSE_MS, signal);
  return { gone, again, held };
}
