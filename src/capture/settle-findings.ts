/**
 * Which findings can be sealed now: letters become names, and what has to wait is taken out. Decides only; the one effect
 * is looking at the lock and at dovecot-keywords, once, if some finding has letters that are not known.
 *
 * INVARIANT: what is left may be sealed in any grouping that keeps UIDs ascending: no save overtakes a lower one that
 * waits, and a message that moves to a UID which waits is not expunged before.
 */
import type { BaselineRecord } from "../log/state-types.js";
import type { Uid } from "../maildir/ids.js";
import { parseMessageName } from "../maildir/message-name.js";
import type { Uidlist } from "../maildir/uidlist.js";
import { messageGuid } from "../txn/diff.js";
import type { MessageMarks } from "../txn/message-state.js";
import type { Comparison, PresentMessage } from "./finding.js";
import { lettersOf } from "./keyword-letters.js";

export interface MarkedMessage extends PresentMessage {
  readonly marks: MessageMarks;
}

export interface MarkedFinding {
  readonly uid: Uid;
  readonly before: BaselineRecord | undefined;
  readonly now: MarkedMessage | undefined;
}

export interface SettledFindings {
  readonly findings: readonly MarkedFinding[];
  readonly openFrom: number | undefined;
  readonly late: readonly Uid[];
  /** The lowest UID that waits for the lock, because of a letter. */
  readonly heldFrom: number | undefined;
}

/** Names of a set of letters, ascending; undefined while they cannot be known. */
export type NameLetters = (letters: number) => readonly string[] | undefined;

export function settleFindings(comparison: Comparison, uidlist: Uidlist, nameLetters: NameLetters): SettledFindings {
  const late = [...comparison.late];
  const marked: MarkedFinding[] = [];
  let { openFrom } = comparison;
  let heldFrom: number | undefined;
  for (const { uid, before, now } of comparison.findings) {
    if (now === undefined) {
      marked.push({ uid, before, now });
      continue;
    }
    if (before !== undefined && before.base !== now.base && messageGuid(before) !== messageGuid(now)) {
      marked.push({ uid, before, now: undefined }); // the UID went to another message, which needs one of its own.
      late.push(uid);
      continue;
    }
    const marks = marksOf(now, before, nameLetters);
    if (marks !== undefined) marked.push({ uid, before, now: { ...now, marks } });
    else {
      heldFrom = Math.min(heldFrom ?? uid, uid);
      if (before === undefined) openFrom = Math.min(openFrom ?? uid, uid);
    }
  }
  return { findings: withhold(marked, openFrom, uidlist), openFrom, late, heldFrom };
}

function marksOf(
  now: PresentMessage,
  before: BaselineRecord | undefined,
  nameLetters: NameLetters,
): MessageMarks | undefined {
  const name = now.info === "" ? undefined : parseMessageName(now.base + now.info);
  const { flags, letters, odd, tail } = name ?? { flags: 0, letters: 0, odd: "", tail: "" };
  if (letters === 0) return { flags, keywords: [], odd, tail };
  const isSame = before !== undefined && before.info !== now.info && lettersOf(before.base + before.info) === letters;
  const keywords = isSame ? before.keywords : nameLetters(letters);
  return keywords === undefined ? undefined : { flags, keywords, odd, tail };
}

function withhold(findings: readonly MarkedFinding[], openFrom: number | undefined, uidlist: Uidlist): MarkedFinding[] {
  if (openFrom === undefined) return [...findings];
  const waits = (uid: number): boolean => uid >= openFrom;
  return findings.filter(({ uid, before, now }) => {
    if (now !== undefined) return before !== undefined || !waits(uid);
    const index = before === undefined ? -1 : uidlist.indexOfBase(before.base);
    const movedTo = index < 0 ? uid : uidlist.uidAt(index);
    return movedTo === uid || !waits(movedTo);
  });
}
