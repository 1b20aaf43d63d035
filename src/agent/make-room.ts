/**
 * Asks a replica to move foreign mail out of the way of UIDs that the source has given to other messages.
 */
import { MailtwinError } from "../base/errors.js";
import type { MailboxGuid, Uid } from "../maildir/ids.js";
import type { Asker } from "./asker.js";
import type { Cause } from "./conflict-rules.js";
import { agentError, TOLD_AS_THEY_ARE } from "./errors.js";

/**
 * Codes of answers that concern the one mailbox only: what the replica says of it, and what its system may say of one place,
 * the rest of the store being well.
 */
const REFUSALS: ReadonlySet<string> = new Set([
  ...["mailbox-rejected", "replica-lock-held", ...TOLD_AS_THEY_ARE],
  ...["EACCES", "EPERM", "ELOOP", "ENOTDIR", "EISDIR", "ENAMETOOLONG", "EEXIST", "ENOENT"],
]);

export type RoomOutcome =
  /** Foreign messages that were in the way have other UIDs now; `uidNext` is beyond them. */
  | { readonly kind: "made"; readonly uidNext: number; readonly moved: number }
  | { readonly kind: "refused"; readonly code: string; readonly words: string };

export interface RoomRequest {
  readonly mailbox: MailboxGuid;
  /** Foreign messages with these UIDs are in the way, */
  readonly uids: readonly Uid[];
  /** and those with this one or a higher one: they came meanwhile. */
  readonly from: Uid;
  readonly floor: number;
}

/** Undefined for what concerns more than the mailbox that was asked about. */
export function refusalOf(error: unknown): Cause | undefined {
  if (!(error instanceof MailtwinError) || !REFUSALS.has(error.code)) return undefined;
  return { code: error.code, words: error.message };
}

/** Throws what concerns more than this mailbox. */
export async function makeRoom(asker: Asker, request: RoomRequest, signal: AbortSignal): Promise<RoomOutcome> {
  try {
    const answer = await asker.ask({ kind: "yield-uids", ...request }, signal);
    if (answer.kind === "yielded-uids") return { kind: "made", uidNext: answer.uidNext, moved: answer.moved };
  } catch (error) {
    const cause = refusalOf(error);
    if (cause === undefined) throw error;
    return { kind: "refused", ...cause };
  }
  throw agentError("peer-confused", "asking the replica to make room: it answered something else");
}
