/**
 * What has to happen to a mailbox of a replica as a whole, so that it is the source's: the decision before its messages are
 * compared. Pure.
 *
 * INVARIANT: only what replication wrote is removed, and only where the source does not have it at all.
 */
import type { MailboxGuid, UidValidity } from "../maildir/ids.js";
import type { ComparedMailbox, WrittenMailbox } from "../wire/messages.js";

export type MailboxFacts = Omit<WrittenMailbox, "headerExtra">;

export interface PlanMailboxInput {
  /** Undefined: the source does not have it. */
  readonly source: WrittenMailbox | undefined;
  readonly replica: Pick<ComparedMailbox, "written" | "standing" | "occupant">;
  /** Whether the source has that mailbox, wherever. */
  readonly isSources: (mailbox: MailboxGuid) => boolean;
}

/** `displaces`: it changes places with that one, which moves on by a comparison of its own. */
export interface Move {
  /** As it stands. */
  readonly from: MailboxFacts;
  readonly displaces?: MailboxGuid;
}

/** Where the two UIDVALIDITYs differ: whose is another one than replication wrote. "nobody": it has written none yet. */
export type RenumberedBy = "source" | "replica" | "nobody";

export type MailboxPlan =
  | { readonly kind: "nothing" }
  | { readonly kind: "remove"; readonly at: MailboxFacts }
  /** It is made, with all its messages. `forget`: what the replica thinks to have of it goes first. */
  | { readonly kind: "make"; readonly forget?: MailboxFacts }
  /** Every UID is void: it takes the source's numbering, and all messages anew. */
  | {
      readonly kind: "renumber";
      readonly before: UidValidity;
      readonly changedBy: RenumberedBy;
      readonly move?: Move;
    }
  /** Its messages are compared. `isNews`: it differs as a whole from what was written, if nothing else does. */
  | { readonly kind: "match"; readonly move?: Move; readonly isNews: boolean };

export function planMailbox({ source, replica, isSources }: PlanMailboxInput): MailboxPlan {
  const { written, standing, occupant } = replica;
  if (source === undefined)
    return written === undefined ? { kind: "nothing" } : { kind: "remove", at: standing ?? written };
  if (standing === undefined) return written === undefined ? { kind: "make" } : { kind: "make", forget: written };
  const displaces = occupant !== undefined && isSources(occupant) ? { displaces: occupant } : {};
  const move = standing.path === source.path ? {} : { move: { from: standing, ...displaces } };
  const before = standing.uidValidity;
  if (before !== source.uidValidity) {
    const changedBy = written === undefined ? "nobody" : written.uidValidity === before ? "source" : "replica";
    return { kind: "renumber", before, changedBy, ...move };
  }
  const isNews = written === undefined || differs(written, source) || standing.uidNext < source.uidNext;
  return { kind: "match", ...move, isNews };
}

function differs(a: WrittenMailbox, b: WrittenMailbox): boolean {
  return (
    a.path !== b.path || a.uidValidity !== b.uidValidity || a.uidNext !== b.uidNext || a.headerExtra !== b.headerExtra
  );
}
