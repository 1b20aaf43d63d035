/** What differs is looked at again, and only what stays so counts. */
import { describe, expect, test } from "vitest";
import { openHash } from "../../../src/base/hash.js";
import { ROOT_PATH } from "../../../src/base/raw-name.js";
import { parseBaseName, parseUid, type Uid } from "../../../src/maildir/ids.js";
import type { SummedSide } from "../../../src/resync/sums-types.js";
import { type DeepOptions, type VerifyPorts, verifyStores } from "../../../src/resync/verify-stores.js";
import { StateDigester } from "../../../src/txn/digest.js";
import type { MessageState } from "../../../src/txn/message-state.js";
import { memorySide } from "./memory-side.js";

const digester = new StateDigester(await openHash());
const signal = new AbortController().signal;

const message = (uid: number, flags = 0): MessageState => ({
  ...{ uid: parseUid(uid), base: parseBaseName(`m${uid}`), flags, keywords: [], odd: "", tail: "" },
  ...{ size: 9, mtimeS: 1, fields: "" },
});

/** A side whose INBOX is, look by look, as the list says; the last of it stays. */
function changing(...looks: readonly (readonly MessageState[])[]): SummedSide {
  let look = -1;
  const now = () => memorySide(digester, [{ path: ROOT_PATH, guid: 1, states: looks[look] ?? [], uidNext: 500 }]);
  return {
    store: (it) => {
      look = Math.min(look + 1, looks.length - 1);
      return now().store(it);
    },
    mailboxes: (after, it) => now().mailboxes(after, it),
    ranges: (of, it) => now().ranges(of, it),
    marks: (of, it) => now().marks(of, it),
    states: (of, it) => now().states(of, it),
    hashes: (of, it) => now().hashes(of, it),
  };
}

async function verify(
  a: SummedSide,
  b: SummedSide,
  deep?: Partial<DeepOptions>,
  underWay?: NonNullable<VerifyPorts["underWay"]>,
) {
  let settled = 0;
  const settle = async () => {
    settled += 1;
  };
  const whole = { isChosen: () => true, onProgress: () => undefined, ...deep };
  const ports = { sides: { a, b }, settle, underWay, ...(deep === undefined ? {} : { deep: whole }) };
  const verdict = await verifyStores(ports, signal);
  const uids = verdict.differences.flatMap(({ findings }) => findings.map((it) => ("uid" in it ? it.uid : it.kind)));
  return { ...verdict, uids, settled };
}

describe("verifyStores", () => {
  test("looks once at stores that are equal", async () => {
    const { uids, settled, looks } = await verify(changing([message(1)]), changing([message(1)]));
    expect({ uids, settled, looks }).toStrictEqual({ uids: [], settled: 0, looks: 1 });
  });

  test("calls equal what the replica had a moment later", async () => {
    const { uids, settled } = await verify(
      changing([message(1), message(2)]),
      changing([message(1)], [message(1), message(2)]),
    );
    expect({ uids, settled }).toStrictEqual({ uids: [], settled: 1 });
  });

  test("calls different what differs twice in the same way", async () => {
    const { uids, changing: unsteady } = await verify(changing([message(1), message(2)]), changing([message(1)]));
    expect({ uids, unsteady }).toStrictEqual({ uids: [2], unsteady: [] });
  });

  test("looks on while something else differs each time, and says in the end that it does", async () => {
    const looks = Array.from({ length: 9 }, (_, n) => [message(1, n + 1)]);
    const { uids, changing: unsteady, settled } = await verify(changing([message(1)]), changing(...looks));
    expect({ uids, unsteady: unsteady.length, settled }).toStrictEqual({ uids: [1], unsteady: 1, settled: 5 });
  });

  test("tells a difference that stays from one that came at the last look", async () => {
    const b = [[message(1, 8)], [message(1, 8), message(2)], [message(1, 8), message(2)]];
    const { differences } = await verify(changing([message(1)]), changing(...b));
    expect(differences[0]?.findings.map((it) => it.kind === "message" && it.uid)).toStrictEqual([1, 2]);
  });
});

describe("verifyStores, where somebody knows what is on its way", () => {
  const [old, now] = [
    [message(1), message(2)],
    [message(1), message(2, 4)],
  ];
  const all: NonNullable<VerifyPorts["underWay"]> = async (found) => found;

  test("waits longer each time for what is, though it differs in the same way, and calls equal what arrives", async () => {
    const b = changing(old, old, old, now);
    expect(await verify(changing(now), b, undefined, all)).toMatchObject({
      ...{ uids: [], looks: 4, settled: 1 + 2 + 4, changing: [] },
    });
  });

  test("calls different in the end what never arrives, and says that it is not at rest", async () => {
    const verdict = await verify(changing(now), changing(old), undefined, all);
    expect(verdict).toMatchObject({ uids: [2], looks: 6, settled: 1 + 2 + 4 + 8 + 16 });
    expect(verdict.changing).toHaveLength(1);
  });

  test("does not wait for what was seen to be equal before, and does not call that different", async () => {
    const later = [message(1, 8), message(2, 4)];
    const b = changing([message(1, 8), message(2, 4)], [message(1), message(2, 4)], [message(1), message(2, 4)]);
    const only: NonNullable<VerifyPorts["underWay"]> = async (found) => (found[0]?.findings.length === 1 ? found : []);
    const a = changing([message(1, 8), message(2)], later, later);
    expect(await verify(a, b, undefined, only)).toMatchObject({ uids: [], looks: 3, settled: 2 });
  });

  test("waits for nothing else: what differs twice in the same way is a difference", async () => {
    const b = changing([message(1, 8), message(2)], [message(1, 8), message(2)], [message(1, 8), message(2, 4)]);
    const arriving: NonNullable<VerifyPorts["underWay"]> = async (found) =>
      found.map((it) => ({ ...it, findings: it.findings.filter((each) => "uid" in each && each.uid === 2) }));
    expect(await verify(changing(now), b, undefined, arriving)).toMatchObject({ uids: [1], looks: 3, changing: [] });
  });
});

describe("verifyStores, deep", () => {
  const states = [1, 127, 128, 300].map((uid) => message(uid));
  /** A side whose messages have these hashes, if no other. */
  const hashed = (others: Readonly<Record<number, string | undefined>>): SummedSide => ({
    ...memorySide(digester, [{ path: ROOT_PATH, guid: 1, states, uidNext: 500 }]),
    hashes: async ({ uids }: { readonly uids: readonly Uid[] }) =>
      uids.map((uid) => (uid in others ? others[uid] : "00")),
  });

  test("compares the bytes of all messages", async () => {
    const { uids, read, looks } = await verify(hashed({}), hashed({ 128: "01" }), {});
    expect({ uids, read, looks }).toStrictEqual({ uids: [128], read: 4, looks: 1 });
  });

  test("does not call equal what neither side can read", async () => {
    const { uids } = await verify(hashed({ 300: undefined }), hashed({ 300: undefined }), {});
    expect(uids).toStrictEqual([300]);
  });

  test("reads of a sample the chosen chunks alone, and says how far it is", async () => {
    const seen: (readonly [number, number])[] = [];
    const deep = {
      isChosen: (_: unknown, chunk: number) => chunk === 1,
      onProgress: (done: number, total: number) => void seen.push([done, total]),
    };
    const { uids, read } = await verify(hashed({}), hashed({ 1: "01", 128: "01" }), deep);
    expect({ uids, read, last: seen.at(-1) }).toStrictEqual({ uids: [128], read: 1, last: [4, 4] });
  });
});
