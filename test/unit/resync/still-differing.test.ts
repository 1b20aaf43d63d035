/** What differs and what was on its way; and a side that lies is refused, or costs no more than it says that it has. */
import { describe, expect, test } from "vitest";
import { openHash } from "../../../src/base/hash.js";
import { isRawPath, type RawPath } from "../../../src/base/raw-name.js";
import type { WorkerClient } from "../../../src/base/worker-rpc.js";
import { parseBaseName, parseUid } from "../../../src/maildir/ids.js";
import { LocalSide } from "../../../src/resync/local-side.js";
import type { SummedSide, SumsMethods } from "../../../src/resync/sums-types.js";
import { verifyStores } from "../../../src/resync/verify-stores.js";
import { StateDigester } from "../../../src/txn/digest.js";
import type { MessageState } from "../../../src/txn/message-state.js";
import { MAILBOX_SUMS_MAX, type SummedMailbox } from "../../../src/wire/sums.js";
import { type MemoryMailbox, memorySide } from "./memory-side.js";

const digester = new StateDigester(await openHash());
const signal = new AbortController().signal;

function stateOf(uid: number, flags = 0): MessageState {
  return {
    ...{ uid: parseUid(uid), base: parseBaseName(`m${uid}`), flags, keywords: [], odd: "", tail: "" },
    ...{ size: 100, mtimeS: 1_700_000_000, fields: "" },
  };
}

function pathOf(text: string): RawPath {
  if (!isRawPath(text)) throw new Error(text);
  return text;
}

/** Mailbox 1 with those flags, by UID from 1; `others`: further mailboxes, alike in all stores. */
function store(flags: readonly number[], others: readonly MemoryMailbox[] = []): readonly MemoryMailbox[] {
  const states = flags.map((each, index) => stateOf(index + 1, each));
  return [{ path: pathOf("m1"), guid: 1, states, uidNext: 100 }, ...others];
}

const WHOLE = store([0, 0, 0]);

/** As the store is at each look, the last for all further ones. */
function changingSide(looks: readonly (readonly MemoryMailbox[])[]): SummedSide {
  let look = -1;
  const now = (): SummedSide => memorySide(digester, looks[Math.min(look, looks.length - 1)] ?? []);
  return {
    store: () => {
      look += 1;
      return now().store(signal);
    },
    mailboxes: (after) => now().mailboxes(after, signal),
    ranges: (of) => now().ranges(of, signal),
    marks: (of) => now().marks(of, signal),
    states: (of) => now().states(of, signal),
    hashes: (of) => now().hashes(of, signal),
  };
}

async function verified(...looks: readonly (readonly MemoryMailbox[])[]) {
  const sides = { a: memorySide(digester, WHOLE), b: changingSide(looks) };
  const verdict = await verifyStores({ sides, settle: async () => undefined }, signal);
  const uids = verdict.differences.flatMap((it) =>
    it.findings.map((finding) => ("uid" in finding ? finding.uid : finding.kind)),
  );
  return { uids, changing: verdict.changing.length, looks: verdict.looks };
}

describe("verifyStores", () => {
  test("equal stores are looked at once", async () => {
    expect(await verified(WHOLE)).toEqual({ uids: [], changing: 0, looks: 1 });
  });

  test("what differs twice in the same way is a difference, and what got through is none", async () => {
    expect(await verified(store([1, 1, 0]), store([1, 0, 0]))).toEqual({ uids: [1], changing: 0, looks: 2 });
  });

  test("what only the last look finds is on its way: beside a busy store each finds something", async () => {
    const busy = [0, 1, 2, 0, 1, 2].map((index) => store([0, 1, 2].map((it) => (it === index ? 1 : 0))));
    expect(await verified(...busy)).toEqual({ uids: [], changing: 0, looks: 6 });
    const one = [1, 2, 1, 2, 1, 2].map((index) => store([1, ...[1, 2].map((it) => (it === index ? 1 : 0))]));
    expect(await verified(...one)).toEqual({ uids: [1], changing: 0, looks: 6 });
  });

  test("of a mailbox that gets mail all the time UIDNEXT may differ at each look: the one that is behind catches up", async () => {
    /** `isOfMail`: its last message has the UID before. Else all stand in both. */
    const next = (uidNext: number, isOfMail: boolean) => {
      const [whole] = WHOLE as readonly [MemoryMailbox];
      return [{ ...whole, uidNext, states: isOfMail ? [...whole.states, stateOf(uidNext - 1)] : whole.states }];
    };
    const looksAt = async (pairs: readonly (readonly [number, number])[], isOfMail = true) => {
      const sides = {
        a: changingSide(pairs.map(([a, b]) => next(a, isOfMail && a > b))),
        b: changingSide(pairs.map(([a, b]) => next(b, isOfMail && b > a))),
      };
      const verdict = await verifyStores({ sides, settle: async () => undefined }, signal);
      const findings = verdict.differences.flatMap((it) => it.findings).filter(({ kind }) => kind === "uidnext");
      return { findings, changing: verdict.changing.length, looks: verdict.looks };
    };
    const six = [10, 20, 30, 40, 50, 60];
    const none = { findings: [], changing: 0, looks: 6 };
    expect(await looksAt(six.map((uid) => [uid, uid - 3]))).toEqual(none);
    expect(await looksAt(six.map((uid) => [uid - 3, uid]))).toEqual(none);
    expect(await looksAt(six.map((uid, look) => (look % 2 === 0 ? [uid, uid - 3] : [uid - 3, uid])))).toEqual(none);
    // It gets nothing any more, or less than comes.
    const stuck = { kind: "uidnext", a: 60, b: 7 };
    expect(await looksAt(six.map((uid) => [uid, 7]))).toEqual({ findings: [stuck], changing: 1, looks: 6 });
    const slow = { kind: "uidnext", a: 60, b: 12 };
    expect(await looksAt(six.map((uid, look) => [uid, 7 + look]))).toEqual({ findings: [slow], changing: 1, looks: 6 });
    // It stays as far ahead as it was, for no message that came.
    const ahead = { findings: [{ kind: "uidnext", a: 60, b: 57 }], changing: 1, looks: 6 };
    const never = six.map((uid) => [uid, uid - 3] as const);
    expect(await looksAt(never, false)).toEqual(ahead);
    const behind = { findings: [{ kind: "uidnext", a: 57, b: 60 }], changing: 1, looks: 6 };
    expect(
      await looksAt(
        never.map(([a, b]) => [b, a] as const),
        false,
      ),
    ).toEqual(behind);
    // At rest it is told as ever.
    expect(await looksAt([[20, 17]], false)).toEqual({
      findings: [{ kind: "uidnext", a: 20, b: 17 }],
      changing: 0,
      looks: 2,
    });
  });

  test("a later look asks for messages only of the mailboxes that differ then", async () => {
    const other = (guid: number, flags: number): MemoryMailbox => {
      return { path: pathOf(`m${guid}`), guid, states: [stateOf(1, flags), stateOf(2, guid)] };
    };
    const others = [other(2, 0), other(3, 0)];
    const asked: string[] = [];
    const noting = (side: SummedSide): SummedSide => {
      const noted = <O extends { readonly path: string }, R>(ask: (of: O, inner: AbortSignal) => R) => {
        return (of: O, inner: AbortSignal): R => {
          asked.push(of.path);
          return ask(of, inner);
        };
      };
      return { ...side, ranges: noted(side.ranges), marks: noted(side.marks), states: noted(side.states) };
    };
    const looks = [store([1, 0, 0], [other(2, 8), other(3, 0)]), store([1, 0, 0], others)];
    const settle = async () => void asked.push("settled");
    const sides = { a: memorySide(digester, store([0, 0, 0], others)), b: noting(changingSide(looks)) };
    const { differences, looks: count } = await verifyStores({ sides, settle }, signal);
    expect(differences.map(({ path }) => path)).toEqual(["m1"]);
    expect(count).toBe(2);
    const at = asked.indexOf("settled");
    expect(new Set(asked.slice(0, at))).toEqual(new Set(["m1", "m2"]));
    expect(asked.slice(at + 1)).toEqual(["m1", "m1", "m1"]);
  });

  test("one message that is never seen to be equal, and never the same, is told as changing", async () => {
    const restless = [1, 2, 4, 8, 16, 32].map((flags) => store([flags, 0, 0]));
    expect(await verified(...restless)).toEqual({ uids: [1], changing: 1, looks: 6 });
  });

  test("messages that an earlier look could not compare are compared by the later one", async () => {
    const [renumbered = WHOLE[0] as MemoryMailbox] = store([1, 0, 0]);
    const looks = [[{ ...renumbered, uidValidity: 2 }], store([1, 0, 0])];
    expect(await verified(...looks)).toEqual({ uids: [1], changing: 0, looks: 3 });
    expect(await verified([], store([1, 0, 0]))).toEqual({ uids: [1], changing: 0, looks: 3 });
  });

  test("of stores that have nothing in common some messages are told, and the rest is counted", async () => {
    const many = (flags: number): readonly MemoryMailbox[] =>
      Array.from({ length: 52 }, (_, index) => {
        const states = Array.from({ length: 1000 }, (_, uid) => stateOf(uid + 1, flags));
        return { path: pathOf(`m${index}`), guid: index + 1, states };
      });
    const sides = { a: memorySide(digester, many(0)), b: memorySide(digester, many(1)) };
    const { differences } = await verifyStores({ sides, settle: async () => undefined }, signal);
    const told = differences.reduce((sum, { findings }) => sum + findings.length, 0);
    const further = differences.reduce((sum, it) => sum + it.further, 0);
    expect([differences.length, told, further]).toEqual([52, 50_000, 2_000]);
  });
});

describe("a side that lies", () => {
  const honest = memorySide(digester, store([0, 0, 0]));
  const refusal = async (b: Partial<SummedSide>, a: SummedSide = memorySide(digester, WHOLE), deep = false) => {
    const everything = { isChosen: () => true, onProgress: () => undefined };
    const ports = { sides: { a, b: { ...honest, ...b } }, settle: async () => undefined };
    return verifyStores(deep ? { ...ports, deep: everything } : ports, signal);
  };
  const digest = new Uint8Array(16);
  const unread = (path: string): SummedMailbox => ({ kind: "unread", path: pathOf(path), words: "" });

  test.each<readonly [string, Partial<SummedSide>]>([
    [
      "has more that cannot be read than it names",
      { store: async () => ({ ...(await honest.store(signal)), unread: 1 }) },
    ],
    [
      "has other mailboxes than it has summed up",
      { store: async () => ({ digest, mailboxes: 1, messages: 3, unread: 0 }) },
    ],
    [
      "has mailboxes without end",
      {
        store: async () => ({ digest, mailboxes: 1, messages: 3, unread: 0 }),
        mailboxes: async () => Array.from({ length: MAILBOX_SUMS_MAX }, () => unread("same")),
      },
    ],
  ])("and %s is refused", async (_, b) => {
    await expect(refusal(b)).rejects.toMatchObject({ code: "compared-confused" });
  });

  test("of how many messages a span has, while all are read, is refused", async () => {
    const [big] = store([0, 0, 0]);
    const liar = memorySide(digester, [{ ...(big as MemoryMailbox), uidNext: 2 ** 31 }]);
    const ranges: SummedSide["ranges"] = async (of) =>
      (await liar.ranges(of, signal)).map((each) => ({ ...each, count: 60_000 }));
    const a = { ...liar, ranges };
    await expect(refusal(liar, a, true)).rejects.toMatchObject({ code: "compared-confused" });
  });
});

test("a page ends before two rows of one path, not between them", async () => {
  const sum = (index: number): SummedMailbox => ({
    ...{ kind: "unread", path: pathOf(`m${String(index).padStart(4, "0")}`), words: "x" },
  });
  const rows = Array.from({ length: MAILBOX_SUMS_MAX + 5 }, (_, index) => sum(index));
  const torn = rows[MAILBOX_SUMS_MAX - 1] as SummedMailbox;
  const found = [...rows, { ...torn, words: "y" } as SummedMailbox];
  const call = async () => found;
  const port = { take: () => ({ call }) as unknown as WorkerClient<SumsMethods>, giveBack: () => undefined };
  const side = new LocalSide(port);
  await side.store();
  const all: SummedMailbox[] = [];
  for (let page = await side.mailboxes(undefined); page.length > 0; page = await side.mailboxes(all.at(-1)?.path))
    all.push(...page);
  expect(all).toHaveLength(found.length);
});
