/**
 * Are two stores equal, while mail comes and goes in both? What differs is looked at again when the stores had time to settle: only what
 * still differs, in the very same way, is a difference; the rest is on its way.
 */
import type { MailboxGuid } from "../maildir/ids.js";
import { type BodiesOptions, compareAgain, compareBodies } from "./compare-bodies.js";
import type { Sides } from "./compare-messages.js";
import { type ComparedStores, compareStores } from "./compare-stores.js";
import { keyOf, type MailboxDifference, type Pair } from "./differences.js";

export interface DeepOptions extends Pick<BodiesOptions, "isChosen"> {
  /** Of how many messages that will be looked at. */
  readonly onProgress: (done: number, total: number) => void;
}

export interface VerifyPorts {
  readonly sides: Sides;
  /** Returns when what differed at the last look had time to get through. */
  readonly settle: (signal: AbortSignal) => Promise<void>;
  /** Undefined: the files of what did not change are not read. */
  readonly deep?: DeepOptions | undefined;
}

export interface Verdict extends Pick<ComparedStores, "a" | "b" | "differences"> {
  /** Of `differences` those that were not there, or not so, at the look before: something is still changing. */
  readonly changing: readonly MailboxDifference[];
  readonly looks: number;
  /** Messages whose bytes were compared. */
  readonly read: number;
}

const LOOKS_MAX = 6;

/** Throws as `compareStores`. */
export async function verifyStores(ports: VerifyPorts, signal: AbortSignal): Promise<Verdict> {
  const shallow = await verifySums(ports, signal);
  const { a, b, differences, changing, looks, pairs = [] } = shallow;
  if (ports.deep === undefined) return { a, b, differences, changing, looks, read: 0 };
  const { found, read } = await readBodies(ports, ports.deep, pairs, signal);
  return { a, b, differences: merged(differences, found), changing, looks, read };
}

async function verifySums({ sides, settle, deep }: VerifyPorts, signal: AbortSignal) {
  let found = await compareStores(sides, signal, deep !== undefined);
  let changing = found.differences;
  for (let looks = 1; ; looks++) {
    if (changing.length === 0 || looks === LOOKS_MAX) return { ...found, changing, looks };
    await settle(signal);
    const again = await compareStores(sides, signal, deep !== undefined);
    changing = changedSince(found.differences, again.differences);
    found = again;
  }
}

/** What differs in what is read, twice in the same way. */
async function readBodies(
  { sides, settle }: VerifyPorts,
  { isChosen, onProgress }: DeepOptions,
  pairs: readonly Pair[],
  signal: AbortSignal,
): Promise<{ readonly found: readonly MailboxDifference[]; readonly read: number }> {
  const comparable = pairs.filter(({ a, b }) => a.uidValidity === b.uidValidity);
  const total = comparable.reduce((sum, { a }) => sum + a.messages, 0);
  const doubtful: { readonly pair: Pair; readonly difference: MailboxDifference }[] = [];
  let [done, read] = [0, 0];
  const onLooked = (messages: number) => {
    done += messages;
    onProgress(done, total);
  };
  for (const pair of comparable) {
    const { difference, read: own } = await compareBodies(sides, pair, { isChosen, onLooked }, signal);
    read += own;
    if (difference !== undefined) doubtful.push({ pair, difference });
  }
  if (doubtful.length === 0) return { found: [], read };
  await settle(signal);
  const found: MailboxDifference[] = [];
  for (const { pair, difference } of doubtful) {
    const again = await compareAgain(sides, pair, difference, signal);
    const keys = new Set(again?.findings.map(keyOf));
    const findings = difference.findings.filter((finding) => keys.has(keyOf(finding)));
    if (findings.length > 0) found.push({ ...difference, findings });
  }
  return { found, read };
}

/** Of one mailbox what both say stands once. By path. */
function merged(
  sums: readonly MailboxDifference[],
  bodies: readonly MailboxDifference[],
): readonly MailboxDifference[] {
  const byName = new Map(sums.map((it) => [nameOf(it), it]));
  for (const it of bodies) {
    const known = byName.get(nameOf(it));
    const keys = new Set(known?.findings.map(keyOf));
    const further = it.findings.filter((finding) => !keys.has(keyOf(finding)));
    byName.set(nameOf(it), known === undefined ? it : { ...known, findings: [...known.findings, ...further] });
  }
  return [...byName.values()].sort((one, other) => (one.path < other.path ? -1 : 1));
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
    const findings = it.findings.filter((finding) => !keys.has(keyOf(finding)));
    const further = (old?.further ?? 0) > 0 ? 0 : it.further;
    return findings.length === 0 && further === 0 ? [] : [{ ...it, findings, further }];
  });
}

function nameOf({ guid, path }: { readonly guid: MailboxGuid | undefined; readonly path: string }): string {
  return guid ?? `at ${path}`;
}
