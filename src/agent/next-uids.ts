/**
 * Where a replica's next UID of a mailbox is ahead of the source's, since others have delivered there: the source's is raised to it,
 * so that what is delivered from here on has one UID on both sides, and nothing is given a new one for it.
 *
 * INVARIANT: what a replica says raises the source's next UID by a bounded step, and never above half of all UIDs (`whyTooHigh`).
 */
import { displayRaw, type RawPath } from "../base/raw-name.js";
import type { MailboxGuid, UidValidity } from "../maildir/ids.js";
import { type Cause, causeOf, whyTooHigh } from "./conflict-rules.js";
import type { SourceSide } from "./source-side.js";

/** An owner can hold the lock of his mailbox for as long as he likes; what is not raised costs new UIDs later, and nothing else. */
const LOCK_WAIT_MS_MAX = 1_000;

export interface NextUidClaim {
  readonly mailbox: MailboxGuid;
  /** The replica's; that of another numbering says nothing. */
  readonly uidValidity: UidValidity;
  /** The replica's next UID. */
  readonly next: number;
}

export type NextUidNews =
  /** Of the source, on stable storage. */
  | { readonly kind: "raised"; readonly path: RawPath; readonly from: number; readonly to: number }
  | { readonly kind: "left"; readonly path: RawPath; readonly cause: Cause };

/** What there is to be told; undefined: nothing was to be done. The raise is captured like any other change. */
export async function followNextUid(
  source: Pick<SourceSide, "pathOf" | "uidNextOf" | "raiseNextUid">,
  { mailbox: guid, uidValidity, next }: NextUidClaim,
  signal: AbortSignal,
): Promise<NextUidNews | undefined> {
  const path = source.pathOf(guid);
  const own = source.uidNextOf(guid);
  if (path === undefined || next <= own) return undefined;
  const tooHigh = whyTooHigh(`raising the next UID of the mailbox "${displayRaw(path)}"`, next, own);
  if (tooHigh !== undefined) return { kind: "left", path, cause: tooHigh };
  const outcome = await source.raiseNextUid({ guid, uidValidity, to: next }, LOCK_WAIT_MS_MAX, signal);
  switch (outcome.kind) {
    case "raised":
      return { kind: "raised", path, from: outcome.from, to: next };
    case "problem":
      return { kind: "left", path, cause: causeOf(outcome.problem) };
    case "none":
      return undefined;
  }
}
