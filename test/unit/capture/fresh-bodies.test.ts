import { expect, test } from "vitest";
import type { BodyItem } from "../../../src/capture/body-types.js";
import type { FreshBody } from "../../../src/capture/capture-types.js";
import { FreshBodies } from "../../../src/capture/fresh-bodies.js";
import { parseBaseName, parseUid } from "../../../src/maildir/ids.js";
import { guid } from "../log/state-fixtures.js";

const [A, B] = [guid(1), guid(2)];

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

test("all that is asked for comes, again for another replica, or nothing does", () => {
  const fresh = new FreshBodies();
  fresh.put(A, [body(1), body(2)]);
  const reads = [1, 2].map((uid) => ({ index: uid * 10, kind: "body", bytes: body(uid).bytes, sha256: `h${uid}` }));
  for (const _replica of ["x", "y"]) expect(fresh.get(A, [item(1), item(2)])).toStrictEqual(reads);
  expect(fresh.get(A, [item(1), item(3)])).toBeUndefined();
  expect(fresh.get(A, [item(1, "other")])).toBeUndefined();
  expect(fresh.get(B, [item(1)])).toBeUndefined();
});

test("the oldest give way, and one that comes again counts once", () => {
  const fresh = new FreshBodies();
  const third = 400_000;
  for (let i = 0; i < 10; i++) fresh.put(A, [body(1, third)]);
  fresh.put(A, [body(2, third)]);
  expect([1, 2].map((uid) => fresh.get(A, [item(uid)]) !== undefined)).toStrictEqual([true, true]);
  fresh.put(A, [body(3, third)]);
  expect([1, 2, 3].map((uid) => fresh.get(A, [item(uid)]) !== undefined)).toStrictEqual([false, true, true]);
});

test("bodies are wanted while somebody asks for them", () => {
  const fresh = new FreshBodies();
  expect(fresh.isWanted).toBe(false);
  fresh.get(A, [item(1)]);
  expect(fresh.isWanted).toBe(true);
  for (let uid = 1; uid < 8; uid++) fresh.put(A, [body(uid)]);
  expect(fresh.isWanted).toBe(true);
  fresh.put(A, [body(8)]);
  expect(fresh.isWanted).toBe(false);
  fresh.get(A, [item(8)]);
  expect(fresh.isWanted).toBe(true);
});
