/** What a run of a twin is made of. */
import type { ReplayAgentOptions, UidValidityChoice } from "../agent/recovery.js";
import type { MailboxGuid } from "../maildir/ids.js";
import type { ForeignChoice } from "./first-contact.js";
import type { Places } from "./places.js";
import type { SourceSide } from "./source-side.js";
import type { Tally } from "./tally.js";

export interface TwinParts {
  readonly source: SourceSide;
  /** For people; the destination of a replica on another host is HOST:PATH. */
  readonly stores: Pick<Places, "source" | "destination">;
  readonly tally: Tally;
  readonly watch: boolean;
  readonly foreign: ForeignChoice;
  /** The destination is meant to be a copy already: an empty one is refused. */
  readonly adopts: boolean;
  /** What a first contact says of mail that it keeps. */
  readonly onKept: (words: string) => void;
  /** A first contact is one of a destination that was written to before (begin-anew.ts). */
  readonly isAnew: boolean;
  /** Which mailboxes of the destination that have another UIDVALIDITY take the source's; the others are left as they are, and are problems. */
  readonly acceptsUidValidity: UidValidityChoice;
  /** Known to be such before the run begins: they are compared. Empty where the agent finds out itself. */
  readonly renumbered: readonly MailboxGuid[];
  /** What the brake holds back when the run begins may go. */
  readonly approvesDeletions: boolean;
  /** What the agent does where the log does not lead on; a local twin has its own ways (at-rest.ts). */
  readonly recovery?: Partial<ReplayAgentOptions>;
  /** Mail was set aside at first contact, and not all of it put back yet. */
  readonly hasAside: () => boolean;
  /** Called before mail may be set aside, and when all of it is back. */
  readonly onMeeting: () => Promise<void>;
  readonly onRestored: () => Promise<void>;
}
