/** What the host of a replica is told of what its store takes and refuses. */
import type { RawPath } from "../base/raw-name.js";
import type { MailboxGuid } from "../maildir/ids.js";

/** A mailbox that the replica does not take: nothing of it is applied until its source has tried again. */
export interface RefusedMailbox {
  readonly mailbox: MailboxGuid;
  /** Where it stands, or is to stand. Undefined: what is refused does not say. */
  readonly path: RawPath | undefined;
  /** A kind of divergence. */
  readonly code: string;
  readonly words: string;
}

export interface SessionSinks {
  /** A transaction of it is applied, durably. */
  readonly onApplied: (mailbox: MailboxGuid) => void;
  readonly onRefused: (refused: RefusedMailbox) => void;
  /** The source has read to its end how that mailbox stands, and offers what differs, if anything does. */
  readonly onRead: (mailbox: MailboxGuid) => void;
  /** The source has said how far the replica is: what it had offered before is settled. */
  readonly onMarked: () => void;
}
