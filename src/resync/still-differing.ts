/** Pure. Of what two looks at two stores found: what none of them saw to be equal, nor to catch up, and what still changes. */
import type { MailboxGuid } from "../maildir/ids.js";
import { type Finding, keyOf, type MailboxDifference, type Side } from "./differences.js";

/**
 * Of `now` what `before` did not see to be equal, and what has not caught up since. `growing`: of those that `maybeGrowing` names the mailboxes
 * whose higher UIDNEXT a message tells of.
 */
export function stillDiffering(
  before: readonly MailboxDifference[],
  now: readonly MailboxDifference[],
  growing: ReadonlySet<MailboxGuid>,
): readonly MailboxDifference[] {
  const known = byName(before);
  return now.flatMap((it): MailboxDifference[] => {
    const old = known.get(nameOf(it)) ?? known.get(nameAt(it.path));
    if (old === undefined) return [];
    if (old.findings.some(hidesMessages)) return [it];
    const subjects = new Set(old.findings.map(subjectOf));
    const isMoreKnown = old.further > 0;
    const findings = it.findings.filter((finding) => {
      if (it.guid !== undefined && growing.has(it.guid) && hasCaughtUp(old.findings, finding)) return false;
      return subjects.has(subjectOf(finding)) || hidesMessages(finding) || (isMoreKnown && isOfMessage(finding));
    });
    const further = isMoreKnown ? it.further : 0;
    return findings.length === 0 && further === 0 ? [] : [{ ...it, findings, further }];
  });
}

/** A mailbox whose UIDNEXT differed at both looks, and was caught up with between them, if it was for mail that came. */
export interface MaybeGrowing {
  readonly guid: MailboxGuid;
  /** Whose is the higher one now. */
  readonly side: Side;
  /** The last that was given out there: if that is no message nothing says that the other side will ever get so far. */
  readonly lastUid: number;
}

export function maybeGrowing(
  before: readonly MailboxDifference[],
  now: readonly MailboxDifference[],
): readonly MaybeGrowing[] {
  const known = byName(before);
  return now.flatMap((it) => {
    const old = known.get(nameOf(it))?.findings ?? [];
    const next = it.findings.find((finding) => finding.kind === "uidnext");
    if (it.guid === undefined || next === undefined || !hasCaughtUp(old, next)) return [];
    return { guid: it.guid, side: next.a > next.b ? "a" : "b", lastUid: Math.max(next.a, next.b) - 1 } as const;
  });
}

/** What of `now` was not in `before`, or not so. */
export function changedSince(
  before: readonly MailboxDifference[],
  now: readonly MailboxDifference[],
): readonly MailboxDifference[] {
  return partOf(now, before, false);
}

/** What of `now` is in `before` too, and so. */
export function alsoIn(
  before: readonly MailboxDifference[],
  now: readonly MailboxDifference[],
): readonly MailboxDifference[] {
  return partOf(now, before, true);
}

function partOf(
  now: readonly MailboxDifference[],
  before: readonly MailboxDifference[],
  isInBefore: boolean,
): readonly MailboxDifference[] {
  const known = byName(before);
  return now.flatMap((it): MailboxDifference[] => {
    const old = known.get(nameOf(it));
    const keys = new Set(old?.findings.map(keyOf));
    const findings = it.findings.filter((finding) => keys.has(keyOf(finding)) === isInBefore);
    const further = (old?.further ?? 0) > 0 === isInBefore ? it.further : 0;
    return findings.length === 0 && further === 0 ? [] : [{ ...it, findings, further }];
  });
}

/** Both are parts of the differences of one look: what is in one of them. */
export function eitherOf(
  one: readonly MailboxDifference[],
  other: readonly MailboxDifference[],
): readonly MailboxDifference[] {
  const found = byName(one);
  for (const it of other) {
    const known = found.get(nameOf(it));
    const keys = new Set(known?.findings.map(keyOf));
    const more = it.findings.filter((finding) => !keys.has(keyOf(finding)));
    const findings = [...(known?.findings ?? []), ...more];
    found.set(nameOf(it), { ...it, findings, further: Math.max(known?.further ?? 0, it.further) });
  }
  return [...found.values()];
}

/**
 * The one that was behind has reached since what the other had then: UIDNEXT never falls, and where mail comes all the time the two are seldom
 * seen to be equal, though each message arrives.
 */
function hasCaughtUp(before: readonly Finding[], now: Finding): boolean {
  if (now.kind !== "uidnext") return false;
  const old = before.find((finding) => finding.kind === "uidnext");
  return old !== undefined && Math.min(now.a, now.b) >= Math.max(old.a, old.b);
}

/** Of a mailbox of which that is found no message was compared. */
function hidesMessages({ kind }: Finding): boolean {
  return kind === "only" || kind === "unread" || kind === "twice" || kind === "uidvalidity";
}

function isOfMessage(finding: Finding): finding is Extract<Finding, { readonly uid: number }> {
  return finding.kind === "message" || finding.kind === "body";
}

/** What the finding is about, whatever it says of it. */
function subjectOf(finding: Finding): string {
  if (isOfMessage(finding)) return `${finding.kind} ${finding.uid}`;
  return "side" in finding ? `${finding.kind} ${finding.side}` : finding.kind;
}

export function byName(differences: readonly MailboxDifference[]): Map<string, MailboxDifference> {
  return new Map(differences.map((it) => [nameOf(it), it]));
}

export function nameOf({ guid, path }: { readonly guid: MailboxGuid | undefined; readonly path: string }): string {
  return guid ?? nameAt(path);
}

function nameAt(path: string): string {
  return `at ${path}`;
}
