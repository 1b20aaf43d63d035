/**
 * Are two stores equal, while mail comes and goes in both? What differs is looked at again when the stores had time to settle: only what
 * still differs, in the very same way, is a difference; the rest was on its way.
 *
 * Where somebody knows what is on its way (`underWay`), that is waited for longer each time, and counts only where it was never seen to be equal,
 * though it differs in the same way: a replica that lags, or a source that has just been changed, differs so for as long as the machine is busy.
 *
 * INVARIANT: what is not told was seen to be equal at one of the looks, or, of UIDNEXT, to catch up from one to the next, where a message that
 * has come tells why it was ahead. Beside a busy Dovecot
 * each look finds something that the one before did not: what the last one finds anew, and an earlier one saw to be equal, is on its way.
 *
 * A look has no list of what differed before, and needs none: of mailboxes whose directories are as they were only the times are looked at,
 * and of those whose sums are equal nothing more is asked. So a later look costs the rows of all mailboxes, and messages only where the
 * mailbox differs then. What came to differ meanwhile is found on the way, and may move from one mailbox to another.
 */
import { isUid, type MailboxGuid } from "../maildir/ids.js";
import { type BodiesOptions, compareAgain, compareBodies } from "./compare-bodies.js";
import type { Sides } from "./compare-messages.js";
import { type ComparedStores, compareStores, MESSAGES_TOLD_MAX } from "./compare-stores.js";
import { type Finding, keyOf, type MailboxDifference, type Pair } from "./differences.js";
import { namedSide, unlessLost } from "./lost-mailbox.js";
import { alsoIn, byName, changedSince, eitherOf, maybeGrowing, nameOf, stillDiffering } from "./still-differing.js";

export interface DeepOptions extends Pick<BodiesOptions, "isChosen"> {
  /** Of how many messages that will be looked at. */
  readonly onProgress: (done: number, total: number) => void;
}

export interface VerifyPorts {
  readonly sides: Sides;
  /** Returns when what differed at the last look had time to get through. */
  readonly settle: (signal: AbortSignal) => Promise<void>;
  /** Of what differs that which a change that is on its way will end, as far as somebody knows. Undefined: nobody does. */
  readonly underWay?:
    | ((differences: readonly MailboxDifference[]) => Promise<readonly MailboxDifference[]>)
    | undefined;
  /** Undefined: the files of what did not change are not read. */
  readonly deep?: DeepOptions | undefined;
}

export interface Verdict extends Pick<ComparedStores, "a" | "b" | "differences"> {
  /** Of `differences` those that differed otherwise at the look before, or are on their way: something is still changing. */
  readonly changing: readonly MailboxDifference[];
  readonly looks: number;
  /** Messages whose bytes were compared. */
  readonly read: number;
}

const LOOKS_MAX = 6;

/** Throws as `compareStores`. */
export async function verifyStores(given: VerifyPorts, signal: AbortSignal): Promise<Verdict> {
  const ports = { ...given, sides: { a: namedSide(given.sides.a, "a"), b: namedSide(given.sides.b, "b") } };
  const shallow = await verifySums(ports, signal);
  const { a, b, differences, changing, looks, pairs = [] } = shallow;
  if (ports.deep === undefined) return { a, b, differences, changing, looks, read: 0 };
  const { found, read } = await readBodies(ports, ports.deep, pairs, signal);
  return { a, b, differences: merged(differences, found), changing, looks, read };
}

async function verifySums({ sides, settle, deep, underWay }: VerifyPorts, signal: AbortSignal) {
  let found = await compareStores(sides, signal, deep !== undefined);
  let changing = found.differences;
  let neverEqual = found.differences;
  for (let looks = 1; ; looks++) {
    const isClear = found.differences.length === 0;
    const onItsWay = isClear ? [] : ((await underWay?.(found.differences)) ?? []);
    const isAwaited = alsoIn(neverEqual, onItsWay).length > 0; // the rest was seen to be equal before.
    if ((changing.length === 0 && !isAwaited) || looks === LOOKS_MAX) {
      const unsteady = eitherOf(changing, onItsWay);
      const passing = changedSince(neverEqual, unsteady);
      const differences = changedSince(passing, found.differences);
      return { ...found, differences, changing: changedSince(passing, unsteady), looks };
    }
    for (let pauses = isAwaited ? 2 ** (looks - 1) : 1; pauses > 0; pauses--) await settle(signal);
    const again = await compareStores(sides, signal, deep !== undefined);
    changing = changedSince(found.differences, again.differences);
    neverEqual = stillDiffering(neverEqual, again.differences, await growing(sides, neverEqual, again, signal));
    found = again;
  }
}

/** Mailboxes whose higher UIDNEXT is that of a message that stands there: it came, and so does what comes next. */
async function growing(
  sides: Sides,
  before: readonly MailboxDifference[],
  { differences, pairs = [] }: ComparedStores,
  signal: AbortSignal,
): Promise<ReadonlySet<MailboxGuid>> {
  const found = new Set<MailboxGuid>();
  for (const { guid, side, lastUid } of maybeGrowing(before, differences)) {
    const pair = pairs.find(({ a }) => a.guid === guid);
    if (pair === undefined || !isUid(lastUid)) continue;
    const states = await unlessLost(sides[side].states({ path: pair[side].path, uids: [lastUid] }, signal));
    if (!("lost" in states) && states.length > 0) found.add(guid);
  }
  return found;
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
  const room = { messages: MESSAGES_TOLD_MAX };
  const readPair = async (pair: Pair): Promise<Finding | undefined> => {
    const own = await unlessLost(compareBodies(sides, pair, { isChosen, onLooked, room }, signal));
    if ("lost" in own) return own.lost;
    read += own.read;
    if (own.difference !== undefined) doubtful.push({ pair, difference: own.difference });
    return undefined;
  };
  const lost = new Set<MailboxGuid>();
  for (const pair of comparable) if ((await readPair(pair)) !== undefined) lost.add(pair.a.guid);
  const found: MailboxDifference[] = [];
  // Renamed, or deleted: where both have it still, it is read where it is now.
  const moved = lost.size === 0 ? [] : ((await compareStores(sides, signal, true)).pairs ?? []);
  for (const pair of moved.filter(({ a }) => lost.has(a.guid))) {
    const finding = await readPair(pair);
    if (finding !== undefined) found.push({ guid: pair.a.guid, path: pair.a.path, findings: [finding], further: 0 });
  }
  if (doubtful.length === 0) return { found, read };
  await settle(signal);
  for (const { pair, difference } of doubtful) {
    const again = await unlessLost(compareAgain(sides, pair, difference, signal));
    if (again !== undefined && "lost" in again) continue; // gone since, with what differed.
    const keys = new Set(again?.findings.map(keyOf));
    const findings = difference.findings.filter((finding) => keys.has(keyOf(finding)));
    if (findings.length > 0 || difference.further > 0) found.push({ ...difference, findings });
  }
  return { found, read };
}

/** Of one mailbox what both say stands once. By path. */
function merged(
  sums: readonly MailboxDifference[],
  bodies: readonly MailboxDifference[],
): readonly MailboxDifference[] {
  const found = byName(sums);
  for (const it of bodies) {
    const known = found.get(nameOf(it));
    const keys = new Set(known?.findings.map(keyOf));
    const unknown = it.findings.filter((finding) => !keys.has(keyOf(finding)));
    found.set(
      nameOf(it),
      known === undefined
        ? it
        : { ...known, findings: [...known.findings, ...unknown], further: known.further + it.further },
    );
  }
  return [...found.values()].sort((one, other) => (one.path < other.path ? -1 : 1));
}
