/**
 * How much mail may go from a store in a while before a person is asked. Pure: values in, a decision out.
 *
 * Two limits within one sliding window, as no look at a Maildir tells a client's EXPUNGE or DELETE from an `rm`. Mail in mailboxes that went
 * as a whole: clients empty what they throw away first, so much mail seldom goes that way. And all mail that went, by whatever way: that has
 * to be a large share of the store, too, or each who tidies up would need an operator. Of a small store it is most of it, or none could be
 * emptied that has no more messages than may go of any.
 *
 * INVARIANT: once it is on, nothing counts any more and nothing is let go, until a person has said so.
 */

export interface BrakeLimits {
  /** So many messages may go in `windowMs`, by whatever way. */
  readonly messages: number;
  /** And so large a share of the store, 0 to 1, if that is more. */
  readonly share: number;
  /** But no more than such a share of it, 0 to 1, ... */
  readonly smallStoreShare: number;
  /** ... unless that are fewer messages than these. */
  readonly smallStoreMessages: number;
  /** So many of them in mailboxes that went as a whole. */
  readonly inDeletedMailboxes: number;
  readonly windowMs: number;
  /** Names of mailboxes, as clients know them, out of which messages may go uncounted: "Trash". Not the mailbox itself. */
  readonly uncounted: readonly string[];
}

export const BRAKE_LIMITS: BrakeLimits = {
  messages: 1_000,
  share: 0.2,
  smallStoreShare: 0.5,
  smallStoreMessages: 100,
  inDeletedMailboxes: 250,
  windowMs: 600_000,
  uncounted: ["Trash", "Deleted Items", "Deleted Messages", "Junk", "Spam"],
};

/** "expunged": messages out of mailboxes that stand. "mailbox": with their mailbox. */
export type Going = "expunged" | "mailbox";

interface Counted {
  readonly atMs: number;
  readonly expunged: number;
  readonly inMailboxes: number;
}

/** Why it is on. */
export interface Engaged {
  readonly sinceMs: number;
  /** Which limit it was. */
  readonly why: "messages" | "deleted-mailboxes";
  /** What would have gone within the window. */
  readonly messages: number;
  readonly limit: number;
}

export interface BrakeState {
  /** Ascending. */
  readonly counted: readonly Counted[];
  readonly engaged: Engaged | undefined;
}

export const RELEASED: BrakeState = { counted: [], engaged: undefined };

export interface Deletion {
  readonly going: Going;
  readonly messages: number;
  /** As many more are about to go with them. */
  readonly ahead: number;
  /** How many the store has now, those that go among them; only asked for where it matters. */
  readonly total: () => number;
  readonly nowMs: number;
}

/** So many entries has a window at most. */
const STEPS = 20;

/** `state` afterwards; its `engaged` says whether they may go. */
export function decideDeletion(state: BrakeState, deletion: Deletion, limits: BrakeLimits): BrakeState {
  const { going, messages, ahead, nowMs } = deletion;
  if (state.engaged !== undefined || messages === 0) return state;
  const counted = state.counted.filter(({ atMs }) => Math.abs(nowMs - atMs) < limits.windowMs);
  const inMailboxes = sum(counted.map((each) => each.inMailboxes));
  const before = inMailboxes + sum(counted.map(({ expunged }) => expunged));
  const coming = messages + ahead;
  const engage = (why: Engaged["why"], all: number, limit: number): BrakeState => {
    return { counted, engaged: { sinceMs: nowMs, why, messages: all, limit } };
  };
  if (going === "mailbox" && inMailboxes + coming > limits.inDeletedMailboxes)
    return engage("deleted-mailboxes", inMailboxes + coming, limits.inDeletedMailboxes);
  if (before + coming > Math.min(limits.messages, limits.smallStoreMessages)) {
    const limit = limitOf(limits, deletion.total() + before);
    if (before + coming > limit) return engage("messages", before + coming, limit);
  }
  return { counted: addTo(counted, { going, messages, nowMs }, limits.windowMs / STEPS), engaged: undefined };
}

/** How many messages may go within the window of a store that had so many. */
export function limitOf(limits: BrakeLimits, total: number): number {
  const ofAny = Math.max(limits.messages, Math.floor(limits.share * total));
  const ofSmall = Math.max(limits.smallStoreMessages, Math.floor(limits.smallStoreShare * total));
  return Math.min(ofAny, ofSmall);
}

function addTo(
  counted: readonly Counted[],
  { going, messages, nowMs }: Pick<Deletion, "going" | "messages" | "nowMs">,
  stepMs: number,
): readonly Counted[] {
  const last = counted.at(-1);
  const isNear = last !== undefined && Math.abs(nowMs - last.atMs) < stepMs;
  const { atMs, expunged, inMailboxes } = isNear ? last : { atMs: nowMs, expunged: 0, inMailboxes: 0 };
  const sums = going === "expunged" ? [messages, 0] : [0, messages];
  const now = { atMs, expunged: expunged + (sums[0] ?? 0), inMailboxes: inMailboxes + (sums[1] ?? 0) };
  return [...(isNear ? counted.slice(0, -1) : counted), now];
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, each) => all + each, 0);
}
