/**
 * Are two stores equal, while mail comes and goes in both? What differs is looked at again when the stores had time to settle: only what
 * still differs, in the very same way, is a difference; the rest was on its way.
 *
 * INVARIANT: what is not told was seen to be equal at one of the looks. What a later look finds anew came after that, and is the next
 * comparison's: beside a busy Dovecot some change is always under way.
 */
import type { Sides } from "./compare-messages.js";
import { type ComparedStores, compareStores } from "./compare-stores.js";
import { type Finding, keyOf, type MailboxDifference } from "./differences.js";

export interface VerifyPorts {
  readonly sides: Sides;
  /** Returns when what differed at the last look had time to get through. */
  readonly settle: (signal: AbortSignal) => Promise<void>;
}

export interface Verdict extends ComparedStores {
  /** Of `differences` those that differed otherwise at the look before: something is still changing. */
  readonly changing: readonly MailboxDifference[];
  readonly looks: number;
}

const LOOKS_MAX = 6;

/** Throws as `compareStores`. */
export async function verifyStores({ sides, settle }: VerifyPorts, signal: AbortSignal): Promise<Verdict> {
  let found = await compareStores(sides, signal);
  let changing = found.differences;
  for (let looks = 1; ; looks++) {
    if (changing.length === 0 || looks === LOOKS_MAX) return { ...found, changing, looks };
    await settle(signal);
    const again = await compareStores(sides, signal);
    const differences = stillDiffering(found.differences, again.differences);
    changing = changedSince(found.differences, differences);
    found = { ...again, differences };
  }
}

/** Pure. Of `now` what `before` did not see to be equal. */
export function stillDiffering(
  before: readonly MailboxDifference[],
  now: readonly MailboxDifference[],
): readonly MailboxDifference[] {
  const known = byName(before);
  return now.flatMap((it): MailboxDifference[] => {
    const old = known.get(nameOf(it)) ?? known.get(nameAt(it));
    if (old === undefined) return [];
    if (old.findings.some(hidesMessages)) return [it];
    const subjects = new Set(old.findings.map(subjectOf));
    const isMoreKnown = old.further > 0;
    const findings = it.findings.filter((finding) => {
      return subjects.has(subjectOf(finding)) || hidesMessages(finding) || (isMoreKnown && isOfMessage(finding));
    });
    const further = isMoreKnown ? it.further : 0;
    return findings.length === 0 && further === 0 ? [] : [{ ...it, findings, further }];
  });
}

/** Pure. What of `now` was not in `before`, or not so. */
export function changedSince(
  before: readonly MailboxDifference[],
  now: readonly MailboxDifference[],
): readonly MailboxDifference[] {
  const known = byName(before);
  return now.flatMap((it): MailboxDifference[] => {
    const old = known.get(nameOf(it));
    const keys = new Set(old?.findings.map(keyOf));
    const findings = it.findings.filter((finding: Finding) => !keys.has(keyOf(finding)));
    const further = (old?.further ?? 0) > 0 ? 0 : it.further;
    return findings.length === 0 && further === 0 ? [] : [{ ...it, findings, further }];
  });
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

function byName(differences: readonly MailboxDifference[]): ReadonlyMap<string, MailboxDifference> {
  return new Map(differences.map((it) => [nameOf(it), it]));
}

function nameOf(it: MailboxDifference): string {
  return it.guid ?? nameAt(it);
}

function nameAt({ path }: MailboxDifference): string {
  return `at ${path}`;
}
