import { beforeEach, expect, test } from "vitest";
import type { BodyItem } from "../../../src/capture/body-types.js";
import type { FreshBody } from "../../../src/capture/capture-types.js";
import { FreshBodies } from "../../../src/capture/fresh-bodies.js";
import { parseBaseName, parseUid } from "../../../src/maildir/ids.js";
import { FakeClock } from "../../fake-clock.js";

let clock: FakeClock;
let fresh: FreshBodies;

beforeEach(() => {
  clock = new FakeClock();
  fresh = new FreshBodies(clock);
});

function body(uid: number, size = 3): FreshBody {
  return {
    uid: parseUid(uid),
    base: parseBaseName(`b${uid}`),
    bytes: new Uint8Array(size).fill(uid),
    sha256: `h${uid}`,
  };
}

function item(uid: number, base = `b${uid}`): BodyItem {
  return { index: uid * 10, uid: parseUid(uid), base: parseBaseName(base), sizeBytes: 3 };
}

const only = (lsn: number) => ({ firstLsn: lsn, lsn });

test("all that is asked for comes, again for another replica, or nothing does", () => {
  fresh.put(7, [body(1), body(2)]);
  const reads = [1, 2].map((uid) => ({ index: uid * 10, kind: "body", bytes: body(uid).bytes, sha256: `h${uid}` }));
  for (const _replica of ["x", "y"]) expect(fresh.get(only(7), [item(1), item(2)])).toStrictEqual(reads);
  expect(fresh.get(only(7), [item(1), item(3)])).toBeUndefined();
  expect(fresh.get(only(7), [item(1, "other")])).toBeUndefined();
});

test("a body serves the transaction with which it was recorded, and none else of the same names", () => {
  fresh.put(7, [body(1)]);
  expect([only(6), only(8), { firstLsn: 8, lsn: 20 }].map((range) => fresh.get(range, [item(1)]))).toStrictEqual([
    undefined,
    undefined,
    undefined,
  ]);
});

test("transactions that are joined have those of all", () => {
  fresh.put(7, [body(1)]);
  fresh.put(8, [body(2)]);
  expect(fresh.get({ firstLsn: 7, lsn: 8 }, [item(1), item(2)])?.map(({ index }) => index)).toStrictEqual([10, 20]);
});

test("what is two seconds old is read anew", async () => {
  fresh.put(7, [body(1)]);
  await clock.advance(1_900);
  expect(fresh.get(only(7), [item(1)])).toBeDefined();
  await clock.advance(100);
  expect(fresh.get(only(7), [item(1)])).toBeUndefined();
});

test("the oldest give way, be they large, in large buffers, or empty and many", () => {
  const has = (lsn: number) => fresh.get(only(lsn), [item(1)]) !== undefined;
  for (const lsn of [1, 2]) fresh.put(lsn, [body(1, 400_000)]);
  expect([has(1), has(2)]).toStrictEqual([true, true]);
  const short = { ...body(1), bytes: new Uint8Array(400_000).subarray(0, 3) };
  fresh.put(3, [short]);
  expect([has(1), has(2), has(3)]).toStrictEqual([false, true, true]);
  for (let lsn = 4; lsn < 3_000; lsn++) fresh.put(lsn, [body(1, 0)]);
  expect([has(3), has(900), has(2_999)]).toStrictEqual([false, false, true]);
});

test("bodies are wanted while somebody asks for them", () => {
  expect(fresh.isWanted).toBe(false);
  fresh.get(only(1), [item(1)]);
  expect(fresh.isWanted).toBe(true);
  for (let lsn = 1; lsn < 8; lsn++) fresh.put(lsn, [body(lsn)]);
  expect(fresh.isWanted).toBe(true);
  fresh.put(8, [body(8)]);
  expect(fresh.isWanted).toBe(false);
  fresh.get(only(8), [item(8)]);
  expect(fresh.isWanted).toBe(true);
});
