/** What a replay agent needs of the source's capture. */
import type { RawPath } from "../base/raw-name.js";
import type { CaptureProblem } from "../capture/capture-types.js";
import type { MailboxGuid, Uid } from "../maildir/ids.js";

export interface SourceSide {
  /** Where the mailbox is now; undefined when it is gone. */
  pathOf(guid: MailboxGuid): RawPath | undefined;
  uidNextOf(guid: MailboxGuid): number;
  /** UIDs in [from, below) that the log gives to messages now, ascending; not necessarily all. */
  uidsIn(guid: MailboxGuid, from: Uid, below: number): Promise<readonly Uid[]>;
  /** Something is not where the log says: look for the mailbox, and list it. */
  lookAgain(guid: MailboxGuid): void;
  /** Resolves when those messages have other UIDs, or to why they cannot have them. */
  renumber(
    range: { readonly guid: MailboxGuid; readonly from: Uid; readonly below: number; readonly floor: number },
    signal: AbortSignal,
  ): Promise<CaptureProblem | undefined>;
}
