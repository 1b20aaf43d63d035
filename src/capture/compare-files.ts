/**
 * Looks at files of messages that the log has, and whose names did not change: a file that was written to, or dated anew, in its place tells
 * of itself by its size and date alone, and those are not looked at otherwise.
 *
 * INVARIANT: a file is noted anew only under the UID and the base name that the log has for it; whatever else became of it is found as
 * always. A size is another one only for whoever may say so (`FileLook.notes`): other bytes come with it.
 */
import type { Uid } from "../maildir/ids.js";
import type { FileLook } from "./capture-types.js";
import { type CompareContext, locateMessage, presentMessage } from "./compare-context.js";
import type { Comparison, Finding } from "./finding.js";
import { recordAt } from "./recorded-message.js";

/** One whose file is not at its likely names needs a listing first. */
export function compareFiles(context: CompareContext, looks: readonly FileLook[]): Comparison {
  const { uidlist, baseline } = context;
  const findings: Finding[] = [];
  let needListing = false;
  for (const [uid, notes] of byUid(looks)) {
    const before = baseline.record(uid);
    const index = uidlist.indexOfUid(uid);
    const record = index < 0 ? undefined : recordAt(uidlist, index);
    if (before === undefined || record?.base !== before.base) continue;
    const file = locateMessage(context, before.base, { info: before.info });
    needListing ||= file === undefined;
    if (file === undefined) continue;
    const { size, mtimeMs } = file.stat;
    const isResized = size !== before.size;
    if (!isResized && Math.floor(mtimeMs / 1000) === before.mtimeS) continue;
    if (isResized && notes === "date") continue;
    findings.push({ uid, before, now: { ...presentMessage(context, record, file), isNotedAnew: true } });
  }
  return { findings, openFrom: undefined, needListing, late: [], more: false };
}

/** Ascending, each once. */
function byUid(looks: readonly FileLook[]): ReadonlyMap<Uid, FileLook["notes"]> {
  const found = new Map<Uid, FileLook["notes"]>();
  for (const { uid, notes } of [...looks].sort((a, b) => a.uid - b.uid))
    if (found.get(uid) !== "all") found.set(uid, notes);
  return found;
}
