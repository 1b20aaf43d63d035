/**
 * Raises the next UID of a mailbox of the source, under its lock (R11): a replica has given out UIDs that the source has not, and
 * what is delivered from here on is to have one that fits both.
 *
 * INVARIANT: N alone changes, and only grows: every record stays byte for byte. Sessions that are open follow it at their next delivery.
 */
import { assert } from "../base/assert.js";
import type { RawPath } from "../base/raw-name.js";
import { isUid, type MailboxGuid, type UidValidity } from "../maildir/ids.js";
import { planUidlistRewrite } from "../maildir/uidlist-write.js";
import type { RaiseOutcome } from "./capture-types.js";
import { type LockSources, replaceUidlist, underLock } from "./under-lock.js";

/** In the order in which a raise reaches them. Who has no replica that was written to by others does not come by. */
export const RAISE_CRASH_POINTS = ["capture.raise-locked", "capture.raise-written", "capture.raised"] as const;

export interface RaiseRequest {
  readonly path: RawPath;
  /** Whose next UID it is: another mailbox that stands there meanwhile is left alone. */
  readonly guid: MailboxGuid;
  readonly uidValidity: UidValidity;
  /** The least next UID; the caller has bounded it. */
  readonly to: number;
}

/** "raised" returns when it is on stable storage. */
export function raiseNextUid(sources: LockSources, { path, guid, uidValidity, to }: RaiseRequest): RaiseOutcome {
  assert(isUid(to), `${to} is no UID`);
  const { reach } = sources;
  const outcome = underLock(
    sources,
    path,
    () => undefined,
    (mailbox): RaiseOutcome => {
      const { uidlist } = mailbox;
      reach("capture.raise-locked");
      if (uidlist?.header.guid !== guid || uidlist.header.uidValidity !== uidValidity) return { kind: "absent" };
      const from = uidlist.nextUid;
      if (to <= from) return { kind: "ahead" };
      replaceUidlist(mailbox, planUidlistRewrite(uidlist, { header: { nextUid: to }, drop: new Set(), add: [] }));
      reach("capture.raise-written");
      return { kind: "raised", from };
    },
  );
  if (outcome.kind === "raised") reach("capture.raised");
  return outcome;
}
