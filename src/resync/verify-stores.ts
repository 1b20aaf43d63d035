/**
 * Are two stores equal, while mail comes and goes in both? What differs is looked at again when the stores had time to settle: only what
 * still differs, in the very same way, is a difference; the rest is on its way.
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
  /** Of `differences` those that were not there, or not so, at the look before: something is still changing. */
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
    changing = changedSince(found.differences, again.differences);
    found = again;
  }
}

/** Pure. What of `now` was not in `before`. */
export function changedSince(
  before: readonly MailboxDifference[],
  now: readonly MailboxDifference[],
): readonly MailboxDifference[] {
  const known = new Map(before.map((it) => [nameOf(it), it]));
  return now.flatMap((it): MailboxDifference[] => {
    const old = known.get(nameOf(it));
    const keys = new Set(old?.findings.map(keyOf));
    const findings = it.findings.filter((finding: Finding) => !keys.has(keyOf(finding)));
    const further = (old?.further ?? 0) > 0 ? 0 : it.further;
    return findings.length === 0 && further === 0 ? [] : [{ ...it, findings, further }];
  });
}

function nameOf({ guid, path }: MailboxDifference): string {
  return guid ?? `at ${path}`;
}
