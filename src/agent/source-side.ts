/** What a replay agent needs of the source's capture. */
import type { RawPath } from "../base/raw-name.js";
import type { CaptureProblem, DescribeOutcome, HeldWhy } from "../capture/capture-types.js";
import type { FreshBodies } from "../capture/fresh-bodies.js";
import type { NextUidRaise, RaiseWish } from "../capture/renumbering.js";
import type { MailboxGuid, Uid } from "../maildir/ids.js";

export interface UidQuery {
  readonly guid: MailboxGuid;
  readonly uids: readonly Uid[];
  readonly from: Uid;
  readonly below: number;
}

/**
 * INVARIANT: `pathOf`, `uidNextOf` and `uidsAmong` know at least what the log says that is sent, and nothing that is not in it: on them it
 * rests whether a body is called gone.
 */
export interface SourceSide {
  /** All that stood there when the source was opened is in the log; what comes into it now is news. */
  readonly isLive: boolean;
  /** How often a look at all of its mailboxes has begun. */
  readonly sweeps: number;
  /** Bodies that were read already. */
  readonly fresh: Pick<FreshBodies, "get">;
  /** Where the mailbox is now; undefined when it is gone. */
  pathOf(guid: MailboxGuid): RawPath | undefined;
  uidNextOf(guid: MailboxGuid): number;
  /** Of these UIDs, and of those in [from, below), the ones that the log gives to messages now; of the latter not necessarily all. */
  uidsAmong(query: UidQuery): readonly Uid[];
  /** Something is not where the log says: look for the mailbox, and list it. */
  lookAgain(guid: MailboxGuid): void;
  /** Why that mailbox, or one of these messages of it, stays in the log though it is gone: to wait for it is in vain. Undefined: it may come. */
  whyHeld(of: { readonly guid: MailboxGuid; readonly uids: readonly Uid[] }): Promise<HeldWhy | undefined>;
  /** How that mailbox is to be made, as its directory stands there now. */
  describe(where: { readonly guid: MailboxGuid; readonly path: RawPath }): Promise<DescribeOutcome>;
  /** Resolves when those messages have other UIDs, or to why they cannot have them. `waitMsMax`: for Dovecot's lock. */
  renumber(
    request: { readonly guid: MailboxGuid; readonly uids: readonly Uid[]; readonly floor: number },
    waitMsMax: number,
    signal: AbortSignal,
  ): Promise<CaptureProblem | undefined>;
  /** The mailbox's next UID is at least `to` then, unless it is not there. `waitMsMax`: for Dovecot's lock. */
  raiseNextUid(wish: RaiseWish, waitMsMax: number, signal: AbortSignal): Promise<NextUidRaise>;
}
