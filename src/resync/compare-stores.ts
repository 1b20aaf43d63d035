/**
 * Compares two stores: the whole, then mailbox by mailbox, then the messages of those that differ. Reads only.
 *
 * INVARIANT: mailboxes are the same where their GUID is; a path says nothing of identity.
 */
import { eachInTurn } from "../base/beside.js";
import type { RawPath } from "../base/raw-name.js";
import type { MailboxGuid } from "../maildir/ids.js";
import { sameDigest } from "../txn/digest.js";
import { MAILBOX_SUMS_MAX, type MailboxSum, type StoreSum, type SummedMailbox } from "../wire/sums.js";
import { compareMessages, type MessageRoom, type Sides } from "./compare-messages.js";
import type { Finding, MailboxDifference, Pair, Side } from "./differences.js";
import { comparedConfused } from "./errors.js";
import { sumOfStore } from "./store-digest.js";
import type { SummedSide } from "./sums-types.js";

export interface ComparedStores {
  readonly a: StoreSum;
  readonly b: StoreSum;
  /** By path. */
  readonly differences: readonly MailboxDifference[];
  /** Both have them; undefined: the stores are equal as a whole, and no mailbox was asked for. */
  readonly pairs: readonly Pair[] | undefined;
}

/** Mailboxes that are compared at a time: large ones keep no other waiting. */
const LANES_MAX = 4;
/** Of messages: that many differ for long. */
const LARGE_MIN = 50_000;
/** More than any store has. */
const MAILBOXES_MAX = 2 ** 20;
/** Of their paths, and of why they could not be read. */
const TEXT_BYTES_MAX = 2 ** 27;
/** Differing messages that are told one by one, of all mailboxes together: two stores that have nothing in common have millions. */
export const MESSAGES_TOLD_MAX = 50_000;

/** `all`: also of equal stores the mailboxes are wanted. Throws: compared-confused, what a side throws. */
export async function compareStores(sides: Sides, signal: AbortSignal, all = false): Promise<ComparedStores> {
  const [a, b] = await Promise.all([sides.a.store(signal), sides.b.store(signal)]);
  const isEqual = sameDigest(a.digest, b.digest) && a.unread === 0 && b.unread === 0;
  if (isEqual && !all) return { a, b, differences: [], pairs: undefined };
  const [ofA, ofB] = await Promise.all([readAll(sides.a, a, signal), readAll(sides.b, b, signal)]);
  const room = { messages: MESSAGES_TOLD_MAX };
  const { pairs, differences } = matchMailboxes(ofA, ofB);
  const found = [...differences];
  const isLarge = ({ a: inA, b: inB }: Pair) => Math.max(inA.messages, inB.messages) >= LARGE_MIN;
  const work = async (pair: Pair) => {
    const difference = await comparePair(sides, { pair, room }, signal);
    if (difference !== undefined) found.push(difference);
  };
  await eachInTurn(pairs, { lanesMax: LANES_MAX, isLarge, work });
  return { a, b, differences: found.sort(byPath), pairs };
}

/** All mailboxes of a side. Throws: compared-confused, where they are not what it summed up. */
export async function readAll(side: SummedSide, sum: StoreSum, signal: AbortSignal): Promise<readonly SummedMailbox[]> {
  const all: SummedMailbox[] = [];
  let textBytes = 0;
  for (let after: RawPath | undefined; ; ) {
    const page = await side.mailboxes(after, signal);
    if (page.length === 0) break;
    for (const it of page) {
      if (after !== undefined && it.path < after) throw comparedConfused("its mailboxes do not ascend");
      after = it.path;
      textBytes += it.path.length + (it.kind === "unread" ? it.words.length : 0);
      all.push(it);
    }
    const isTooMuch = all.length > MAILBOXES_MAX || textBytes > TEXT_BYTES_MAX;
    if (page.length > MAILBOX_SUMS_MAX || isTooMuch) throw comparedConfused("its mailboxes have no end");
  }
  const own = sumOfStore(all);
  const { digest, mailboxes, messages, unread } = own;
  const isSame = mailboxes === sum.mailboxes && messages === sum.messages && unread === sum.unread;
  if (!isSame || !sameDigest(digest, sum.digest))
    throw comparedConfused("its mailboxes are not those that it has summed up");
  return all;
}

/** Pure. By GUID; two of one store with one GUID are told, and compared with nothing. */
export function matchMailboxes(
  ofA: readonly SummedMailbox[],
  ofB: readonly SummedMailbox[],
): { readonly pairs: readonly Pair[]; readonly differences: readonly MailboxDifference[] } {
  const unread = unreadOf({ a: ofA, b: ofB });
  const differences: MailboxDifference[] = [];
  const byGuid = { a: groupByGuid(ofA), b: groupByGuid(ofB) };
  const pairs: Pair[] = [];
  for (const guid of new Set([...byGuid.a.keys(), ...byGuid.b.keys()])) {
    const [inA, inB] = [byGuid.a.get(guid) ?? [], byGuid.b.get(guid) ?? []];
    const twice = [...twiceOf(inA, "a"), ...twiceOf(inB, "b")];
    const [a, b] = [inA[0], inB[0]];
    const path = (a ?? b)?.path;
    if (path === undefined) continue;
    if (twice.length > 0) differences.push({ guid, path, findings: twice, further: 0 });
    else if (a !== undefined && b !== undefined) pairs.push({ a, b });
    else {
      // Where the other side has something there, it is that mailbox, as far as can be said.
      const other = a === undefined ? "a" : "b";
      const hidden = unread.get(path)?.some((it) => "side" in it && it.side === other) ? unread.get(path) : undefined;
      if (hidden !== undefined) unread.delete(path);
      differences.push({ guid, path, findings: hidden ?? [onlyOf(a, b)], further: 0 });
    }
  }
  for (const [path, findings] of unread) differences.push({ guid: undefined, path, findings, further: 0 });
  return { pairs, differences };
}

async function comparePair(
  sides: Sides,
  { pair, room }: { readonly pair: Pair; readonly room: MessageRoom },
  signal: AbortSignal,
): Promise<MailboxDifference | undefined> {
  const { a, b } = pair;
  const findings = wholeFindings(pair);
  const isSameNumbering = a.uidValidity === b.uidValidity;
  const compared = isSameNumbering
    ? await compareMessages(sides, { pair, room }, signal)
    : { findings: [], further: 0 };
  const all = [...findings, ...compared.findings];
  return all.length === 0 && compared.further === 0
    ? undefined
    : { guid: a.guid, path: a.path, findings: all, further: compared.further };
}

function wholeFindings(pair: Pair): Finding[] {
  const { a, b } = pair;
  const findings: Finding[] = [];
  if (a.path !== b.path) findings.push({ kind: "path", a: a.path, b: b.path });
  if (a.uidValidity !== b.uidValidity) findings.push({ kind: "uidvalidity", a: a.uidValidity, b: b.uidValidity });
  else if (a.uidNext !== b.uidNext) findings.push({ kind: "uidnext", a: a.uidNext, b: b.uidNext });
  for (const side of ["a", "b"] as const) {
    const { unnumbered: files, uidNext } = pair[side];
    if (files > 0) findings.push({ kind: "unnumbered", side, files, uidNext });
  }
  return findings;
}

function onlyOf(a: MailboxSum | undefined, b: MailboxSum | undefined): Finding {
  return { kind: "only", side: a === undefined ? "b" : "a", messages: (a ?? b)?.messages ?? 0 };
}

function twiceOf(found: readonly MailboxSum[], side: Side): Finding[] {
  return found.length < 2 ? [] : [{ kind: "twice", side, paths: found.map(({ path }) => path) }];
}

/** What both could not read at one path is one difference. */
function unreadOf(found: Readonly<Record<Side, readonly SummedMailbox[]>>): Map<RawPath, readonly Finding[]> {
  const byPath = new Map<RawPath, Finding[]>();
  for (const side of ["a", "b"] as const) {
    for (const it of found[side]) {
      if (it.kind !== "unread") continue;
      const findings = byPath.get(it.path) ?? [];
      findings.push({ kind: "unread", side, words: it.words });
      byPath.set(it.path, findings);
    }
  }
  return byPath;
}

function groupByGuid(found: readonly SummedMailbox[]): ReadonlyMap<MailboxGuid, readonly MailboxSum[]> {
  const byGuid = new Map<MailboxGuid, MailboxSum[]>();
  for (const it of found) {
    if (it.kind === "unread") continue;
    const known = byGuid.get(it.guid);
    if (known === undefined) byGuid.set(it.guid, [it]);
    else known.push(it);
  }
  return byGuid;
}

function byPath(one: MailboxDifference, other: MailboxDifference): number {
  return one.path < other.path ? -1 : one.path > other.path ? 1 : 0;
}
