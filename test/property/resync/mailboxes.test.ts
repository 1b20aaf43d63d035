/**
 * Two stores whose mailboxes are on one side only, have other names, other UIDVALIDITYs or next UIDs, or cannot be read: a comparison finds
 * of each what a naive one finds, and of no other anything.
 */
import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { openHash } from "../../../src/base/hash.js";
import { isRawPath, type RawPath } from "../../../src/base/raw-name.js";
import { parseBaseName, parseUid } from "../../../src/maildir/ids.js";
import { compareStores } from "../../../src/resync/compare-stores.js";
import type { Finding, Side } from "../../../src/resync/differences.js";
import { StateDigester } from "../../../src/txn/digest.js";
import type { MessageState } from "../../../src/txn/message-state.js";
import { guidOf, type MemoryMailbox, memorySide } from "../../unit/resync/memory-side.js";
import { tries } from "../tries.js";

const digester = new StateDigester(await openHash());
const signal = new AbortController().signal;

const BOXES = 5;
const UID_NEXT = 3000;

function pathOf(text: string): RawPath {
  if (!isRawPath(text)) throw new RangeError(text);
  return text;
}

function stateOf(uid: number, flags: number): MessageState {
  return {
    ...{ uid: parseUid(uid), base: parseBaseName(`m${uid}`), flags, keywords: [], odd: "", tail: "" },
    ...{ size: 100, mtimeS: 1_700_000_000, fields: "" },
  };
}

/** Nearly always it is there, and can be read. */
const presence = fc.constantFrom("there", "there", "there", "there", "gone", "unread");

/** How one mailbox stands in A and in B. */
const shape = fc.record({
  a: presence,
  b: presence,
  uids: fc.uniqueArray(fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 2999 })), {
    maxLength: 20,
  }),
  /** Of so many, from the first, B has another flag. */
  flagged: fc.constantFrom(0, 0, 1, 3),
  /** So many, from the last, only A has. */
  missing: fc.constantFrom(0, 0, 1, 2),
  isRenamed: fc.constantFrom(false, false, true),
  isRenumbered: fc.constantFrom(false, false, true),
  moreUids: fc.constantFrom(0, 0, 5),
});

type Shape = typeof shape extends fc.Arbitrary<infer T> ? T : never;
type Stores = Readonly<Record<Side, readonly MemoryMailbox[]>>;

/** Those of B that have other names have each other's, in a circle; one alone has a new one. */
function pathsInB(shapes: readonly Shape[]): readonly RawPath[] {
  const renamed = shapes.flatMap(({ isRenamed }, index) => (isRenamed ? [index] : []));
  return shapes.map(({ isRenamed }, index) => {
    if (!isRenamed) return pathOf(`.M${index}`);
    const next = renamed[(renamed.indexOf(index) + 1) % renamed.length] as number;
    return pathOf(next === index ? `.Other${index}` : `.M${next}`);
  });
}

const stores: fc.Arbitrary<Stores> = fc.array(shape, { minLength: 1, maxLength: BOXES }).map((shapes) => {
  const paths = pathsInB(shapes);
  const [a, b]: [MemoryMailbox[], MemoryMailbox[]] = [[], []];
  for (const [index, it] of shapes.entries()) {
    const uids = it.uids.toSorted((x, y) => x - y);
    const inA = uids.map((uid) => stateOf(uid, 0));
    const inB = uids.slice(0, uids.length - it.missing).map((uid, at) => stateOf(uid, at < it.flagged ? 16 : 0));
    const common = { guid: index + 1 };
    const unread = (how: string, side: string) => (how === "unread" ? { unread: `${side} ${index}` } : {});
    if (it.a !== "gone")
      a.push({ ...common, path: pathOf(`.M${index}`), states: inA, uidNext: UID_NEXT, ...unread(it.a, "a") });
    if (it.b !== "gone") {
      const numbers = { uidValidity: it.isRenumbered ? 2 : 1, uidNext: UID_NEXT + it.moreUids };
      b.push({ ...common, ...numbers, path: paths[index] as RawPath, states: inB, ...unread(it.b, "b") });
    }
  }
  return { a, b };
});

/** In words: of which mailbox (its number, or none that is known), where, and what. */
function line(guid: number | undefined, path: string, finding: Finding): string {
  const what = finding.kind === "message" ? `message ${finding.uid}` : JSON.stringify(finding);
  return `${guid === undefined ? "?" : guidOf(guid)} ${path}: ${what}`;
}

/** Each mailbox of each side beside each of the other, all messages one by one. */
function naive({ a, b }: Stores): string[] {
  const lines: string[] = [];
  const readable = (side: readonly MemoryMailbox[]) => side.filter(({ unread }) => unread === undefined);
  const unreadAt = (side: readonly MemoryMailbox[], path: string) =>
    side.filter((it) => it.unread !== undefined && it.path === path);
  const told = new Set<string>();
  for (const [own, others, side, other] of [
    [a, b, "a", "b"],
    [b, a, "b", "a"],
  ] as const) {
    for (const it of readable(own)) {
      if (readable(others).some(({ guid }) => guid === it.guid)) continue;
      // What stands in its place, and cannot be read, may be the same.
      const [hidden] = unreadAt(others, it.path);
      if (hidden === undefined) lines.push(line(it.guid, it.path, { kind: "only", side, messages: it.states.length }));
      else {
        told.add(`${other} ${it.path}`);
        lines.push(line(it.guid, it.path, { kind: "unread", side: other, words: hidden.unread ?? "" }));
      }
    }
  }
  for (const [own, side] of [
    [a, "a"],
    [b, "b"],
  ] as const) {
    for (const { path, unread } of own)
      if (unread !== undefined && !told.has(`${side} ${path}`))
        lines.push(line(undefined, path, { kind: "unread", side, words: unread }));
  }
  for (const one of readable(a)) {
    for (const other of readable(b)) {
      if (one.guid === other.guid) lines.push(...differencesOf(one, other).map((it) => line(one.guid, one.path, it)));
    }
  }
  return lines.sort();
}

function differencesOf(a: MemoryMailbox, b: MemoryMailbox): Finding[] {
  const findings: Finding[] = [];
  const { uidValidity: v = 1, uidNext: n = 0 } = a;
  const { uidValidity: w = 1, uidNext: m = 0 } = b;
  if (a.path !== b.path) findings.push({ kind: "path", a: a.path, b: b.path });
  if (v !== w) return [...findings, { kind: "uidvalidity", a: v, b: w }];
  if (n !== m) findings.push({ kind: "uidnext", a: n, b: m });
  for (const uid of new Set([...a.states, ...b.states].map((state) => state.uid))) {
    const of = (states: readonly MessageState[]) => states.find((each) => each.uid === uid);
    const [one, other] = [of(a.states), of(b.states)];
    if (one?.flags !== other?.flags) findings.push({ kind: "message", uid, a: one, b: other });
  }
  return findings;
}

async function found({ a, b }: Stores, questions: Record<string, number> = {}): Promise<string[]> {
  const sides = { a: memorySide(digester, a), b: memorySide(digester, b, questions) };
  const { differences } = await compareStores(sides, signal);
  return differences
    .flatMap(({ guid, path, findings }) => {
      const number = guid === undefined ? undefined : Number.parseInt(guid, 16);
      return findings.map((finding) => line(number, path, finding));
    })
    .sort();
}

describe("a comparison of mailboxes", () => {
  test.prop([stores], tries(300))("finds of each what a naive one does", async (both) => {
    expect(await found(both)).toStrictEqual(naive(both));
  });

  test.prop([stores], tries())("finds the same from the other side", async ({ a, b }) => {
    expect(await found({ a: b, b: a })).toStrictEqual(naive({ a: b, b: a }));
  });

  test.prop([stores], tries())(
    "asks for messages only of mailboxes of one numbering that differ in them",
    async (both) => {
      const questions: Record<string, number> = {};
      await found(both, questions);
      const pairs = both.a.flatMap((one) => {
        const other = both.b.find(({ guid, unread }) => guid === one.guid && unread === undefined);
        return other === undefined || one.unread !== undefined ? [] : [{ one, other }];
      });
      const isMessage = ({ kind }: Finding) => kind === "message";
      const differing = pairs.filter(({ one, other }) => differencesOf(one, other).some(isMessage)).length;
      // So few messages: sums once, then the marks of all parts that differ, and what they are.
      expect(questions["states"] ?? 0).toBe(differing);
      expect(questions["marks"] ?? 0).toBe(differing);
      expect(questions["ranges"] ?? 0).toBe(differing);
    },
  );
});
