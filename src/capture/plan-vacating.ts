/**
 * Whose turn it is to move, when a mailbox stands where the log has another one. Pure.
 *
 * INVARIANT: carried out one after the other, with the comer's own rename (if the log knows it) at the end, the moves lead
 * to where the mailboxes stand, and never two are at one path: the last of a chain gives way first; in a circle each takes
 * the place of the next, which goes for the time being where the first one stood, and the comer is there in the end.
 * INVARIANT: a mailbox that stands somewhere is never said to be deleted.
 */
import type { RawPath } from "../base/raw-name.js";
import type { MailboxGuid } from "../maildir/ids.js";

export interface LoggedMailbox {
  readonly guid: MailboxGuid;
  /** Where the log has it. */
  readonly path: RawPath;
}

export type Move<M extends LoggedMailbox> =
  | { readonly kind: "delete"; readonly mailbox: M }
  /** `displaces`: the two change places. */
  | { readonly kind: "rename"; readonly mailbox: M; readonly to: RawPath; readonly displaces?: MailboxGuid };

export interface VacatePlan<M extends LoggedMailbox> {
  readonly moves: readonly Move<M>[];
  /** What was looked at does not fit together: something moved meanwhile. Nothing of it counts. */
  readonly isTorn: boolean;
}

/**
 * Makes room at `path`, where `comer` stands. `loggedAt`: which mailbox the log has at a path; `standsAt`: where a mailbox
 * stands now, undefined for one that is gone.
 */
export function planVacating<M extends LoggedMailbox>(
  { path, comer }: { readonly path: RawPath; readonly comer: MailboxGuid },
  loggedAt: (path: RawPath) => M | undefined,
  standsAt: (guid: MailboxGuid) => RawPath | undefined,
): VacatePlan<M> {
  const chain: { readonly mailbox: M; readonly to: RawPath | undefined }[] = [];
  const seen = new Set<MailboxGuid>();
  let next = loggedAt(path);
  while (next !== undefined && next.guid !== comer && !seen.has(next.guid)) {
    seen.add(next.guid);
    const to = standsAt(next.guid);
    chain.push({ mailbox: next, to });
    next = to === undefined ? undefined : loggedAt(to);
  }
  if (next === undefined) return { moves: chain.reverse().map(moveOf), isTorn: false };
  // Where the circle does not lead to the comer, or nowhere but to itself, two looks at the store differ.
  if (next.guid !== comer || chain.length === 0) return { moves: [], isTorn: next.guid !== comer };
  const closing = next;
  const moves = chain.map((link, index) => ({
    ...moveOf(link),
    displaces: (chain[index + 1]?.mailbox ?? closing).guid,
  }));
  return { moves, isTorn: false };
}

function moveOf<M extends LoggedMailbox>({
  mailbox,
  to,
}: {
  readonly mailbox: M;
  readonly to: RawPath | undefined;
}): Move<M> {
  return to === undefined ? { kind: "delete", mailbox } : { kind: "rename", mailbox, to };
}
