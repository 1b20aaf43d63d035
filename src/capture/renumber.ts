/**
 * Gives messages of the source new UIDs, under its lock (R12).
 *
 * Used where a replica cannot take a UID any more because its Dovecot has passed it. Clients see an expunge and a new
 * message; nobody ever sees a UID name another message.
 */

import { displayRaw, type RawPath } from "../base/raw-name.js";
import { isBaseName, parseUid, UID_MAX, type Uid } from "../maildir/ids.js";
import { NUDGE_FILE } from "../maildir/mailbox-files.js";
import type { Uidlist } from "../maildir/uidlist.js";
import { planUidlistRewrite, type UidlistRecord } from "../maildir/uidlist-write.js";
import type { RenumberOutcome, UidMove } from "./capture-types.js";
import { captureError } from "./errors.js";
import { recordAt, recordFields } from "./recorded-message.js";
import { type LockedMailbox, type LockSources, replaceUidlist, underLock } from "./under-lock.js";

/** In the order in which a renumbering reaches them. Whoever is not in conflict with a replica does not come by. */
export const RENUMBER_CRASH_POINTS = [
  "capture.renumber-locked",
  "capture.renumber-written",
  "capture.renumber-nudging",
  "capture.renumbered",
] as const;

export interface RenumberRequest {
  readonly path: RawPath;
  readonly uids: readonly Uid[];
  readonly floor: number;
}

/** Unknown UIDs are passed over. The moves ascend by old and by new UID. */
export function renumberMessages(sources: LockSources, { path, uids, floor }: RenumberRequest): RenumberOutcome {
  const { reach } = sources;
  const outcome = underLock(
    sources,
    path,
    () => undefined,
    (mailbox): RenumberOutcome => {
      const { uidlist } = mailbox;
      reach("capture.renumber-locked");
      if (uidlist === undefined) return { kind: "absent" };
      const first = Math.max(floor, uidlist.nextUid);
      const plan = planMoves(uidlist, uids, first);
      if (plan.moves.length === 0) return { kind: "renumbered", moves: [], uidNext: uidlist.nextUid };
      const uidNext = first + plan.moves.length;
      if (uidNext > UID_MAX) throw exhausted(path, uidNext);
      const drop = new Set<number>(plan.moves.map(({ fromUid }) => fromUid));
      replaceUidlist(mailbox, planUidlistRewrite(uidlist, { header: { nextUid: uidNext }, drop, add: plan.records }));
      reach("capture.renumber-written");
      nudgeSessions(mailbox, () => reach("capture.renumber-nudging"));
      return { kind: "renumbered", moves: plan.moves, uidNext };
    },
  );
  if (outcome.kind === "renumbered") reach("capture.renumbered");
  return outcome;
}

function planMoves(uidlist: Uidlist, uids: readonly Uid[], first: number) {
  const moves: UidMove[] = [];
  const records: UidlistRecord[] = [];
  for (const fromUid of [...new Set(uids)].sort((a, b) => a - b)) {
    const index = uidlist.indexOfUid(fromUid);
    const record = index < 0 ? undefined : recordAt(uidlist, index);
    if (record === undefined || !isBaseName(record.base)) continue;
    const toUid = parseUid(first + moves.length);
    moves.push({ fromUid, toUid, base: record.base });
    records.push({ uid: toUid, fields: recordFields(uidlist, index), base: record.base });
  }
  return { moves, records };
}

/** Sessions look at the uidlist when `cur/` changes; names with a dot in front are never mail. */
function nudgeSessions({ dirs }: LockedMailbox, between: () => void): void {
  dirs.cur.createFile(NUDGE_FILE, [], { mode: 0o600 });
  between();
  dirs.cur.unlink(NUDGE_FILE);
}

function exhausted(path: RawPath, uidNext: number): Error {
  return captureError(
    "uids-exhausted",
    `renumbering in the mailbox "${displayRaw(path)}": the next UID would be ${uidNext}`,
  );
}
