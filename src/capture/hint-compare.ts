/**
 * Compares only what may have changed: records that are new in the uidlist, and messages whose names events mentioned.
 * The cost follows the number of changes, not the size of the mailbox.
 *
 * INVARIANT: new records are taken in ascending order, up to the first whose file is not found: its fate is open, and a
 * later UID must not overtake it.
 * INVARIANT: nothing is ever taken for expunged here; a name that vanished only asks for a listing.
 */
import { isBaseName } from "../maildir/ids.js";
import { sameRecordFields } from "../txn/message-state.js";
import { type CompareContext, locateMessage, presentMessage } from "./compare-context.js";
import type { Comparison, Finding } from "./finding.js";
import { recordAt } from "./recorded-message.js";

/** Below this many records a listing is as good as a second look. */
const LARGE_RECORDS = 2_000;

export interface HintComparison extends Comparison {
  /** A hinted name may be found again when the next event names its successor. */
  readonly recheck: boolean;
}

/** Both steps, for a mailbox that has no listing under way. */
export function compareByHints(context: CompareContext): HintComparison {
  const fresh = compareNewRecords(context, context.uidNext);
  const hinted = compareHintedNames(context, context.findingsMax - fresh.findings.length);
  return {
    findings: [...hinted.findings, ...fresh.findings].sort((a, b) => a.uid - b.uid),
    openFrom: fresh.openFrom,
    needListing: fresh.needListing || hinted.needListing,
    late: [],
    more: fresh.more || hinted.more,
    recheck: hinted.recheck,
  };
}

/** Records from UID `from` on, all of them not yet covered by the log. */
export function compareNewRecords(context: CompareContext, from: number): Comparison {
  const { uidlist, memory, findingsMax } = context;
  const findings: Finding[] = [];
  const end = (open: Partial<Comparison>): Comparison => {
    return {
      findings: findings.sort((a, b) => a.uid - b.uid),
      openFrom: undefined,
      needListing: false,
      late: [],
      more: false,
      ...open,
    };
  };
  for (let index = uidlist.firstIndexFrom(from); index < uidlist.count; index++) {
    const record = recordAt(uidlist, index);
    if (record === undefined) continue;
    if (findings.length >= findingsMax) return end({ openFrom: record.uid, more: true });
    const orphanUid = memory.orphanUidByBase.get(record.base);
    const known = orphanUid === undefined ? undefined : context.baseline.record(orphanUid);
    const before = known?.base === record.base ? known : undefined;
    const file = locateMessage(context, record.base, { info: before?.info });
    if (file === undefined) return end({ openFrom: record.uid, needListing: true });
    memory.unnumbered.settle(record.base);
    findings.push({ uid: record.uid, before: undefined, now: presentMessage(context, record, file) });
    if (before !== undefined) findings.push({ uid: before.uid, before, now: undefined });
  }
  return end({});
}

/** Messages that the log covers and that events mentioned; at most `findingsMax` of them. */
export function compareHintedNames(context: CompareContext, findingsMax: number): HintComparison {
  const { uidlist, memory, uidNext, hinted, nowMs } = context;
  const findings: Finding[] = [];
  let needListing = false;
  let recheck = false;
  const miss = (base: string): void => {
    if (uidlist.count < LARGE_RECORDS || memory.missedOnce.has(base)) needListing = true;
    else {
      recheck = true;
      memory.missedOnce.add(base);
    }
  };
  for (const base of hinted.keys()) {
    if (findings.length >= findingsMax)
      return { findings, openFrom: undefined, needListing, late: [], more: true, recheck };
    if (!isBaseName(base)) continue;
    const index = uidlist.indexOfBase(base);
    const uid = index < 0 ? undefined : uidlist.uidAt(index);
    if (uid !== undefined && uid >= uidNext) continue; // a new record: compareNewRecords.
    const before = uid === undefined ? undefined : context.baseline.record(uid);
    const file = locateMessage(context, base, { info: before?.info });
    if (uid === undefined) {
      if (file !== undefined) memory.unnumbered.note(base, { dir: file.dir, name: base + file.info }, nowMs);
      else {
        memory.unnumbered.settle(base);
        miss(base);
      } // the log may know it from a time when it had a record.
    } else if (before === undefined) {
      needListing ||= file !== undefined;
    } else if (file === undefined) miss(base);
    else {
      memory.missedOnce.delete(base);
      const now = presentMessage(context, { index, uid, base }, file);
      const isSame = before.base === base && before.info === now.info && sameRecordFields(before.fields, now.fields);
      if (!isSame) findings.push({ uid, before, now });
    }
  }
  if (memory.missedOnce.size > LARGE_RECORDS) memory.missedOnce.clear();
  return { findings, openFrom: undefined, needListing, late: [], more: false, recheck };
}
