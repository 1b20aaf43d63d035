/** The marks that watchers leave on mailboxes. */
import { beforeEach, describe, expect, test } from "vitest";
import { DirtySet, type FullReason } from "../../../src/capture/dirty-set.js";
import { rawPath } from "../log/state-fixtures.js";

const A = rawPath("a");
const B = rawPath("b");
const name = (text: string) => ({ dir: "cur" as const, name: text });

let dirty: DirtySet;

beforeEach(() => {
  dirty = new DirtySet();
});

describe("marks", () => {
  test("a clean mailbox has none", () => {
    expect([dirty.size, dirty.peek(A), dirty.urgency(A), dirty.take(A, true)]).toStrictEqual([
      0,
      undefined,
      undefined,
      undefined,
    ]);
  });

  test("names count once each, and the oldest mark gives the time", () => {
    dirty.markName(A, name("x"), 5);
    dirty.markName(A, name("x"), 6);
    dirty.markName(A, { dir: "new", name: "x" }, 7);
    dirty.markUidlist(A, 8);
    expect(dirty.take(A, false)).toStrictEqual({
      names: [name("x"), { dir: "new", name: "x" }],
      uidlist: true,
      full: undefined,
      sinceMs: 5,
      notBeforeMs: 0,
    });
    expect(dirty.size).toBe(0);
  });

  test("too many names become a listing, and none of the later ones is forgotten", () => {
    for (let i = 0; i < 8192; i++) dirty.markName(A, name(`x${i}`), 1);
    expect(dirty.urgency(A)).toMatchObject({ full: undefined });
    dirty.markName(A, name("last"), 1);
    expect(dirty.peek(A)).toMatchObject({ names: [name("last")], full: "overflow" });
  });

  test("mailboxes come in the order in which they became dirty; what is marked again after it was taken goes to the end", () => {
    dirty.markUidlist(A, 1);
    dirty.markUidlist(B, 2);
    dirty.markUidlist(A, 3);
    expect([...dirty.paths()]).toStrictEqual([A, B]);
    dirty.take(A, false);
    dirty.markUidlist(A, 4);
    expect([...dirty.paths()]).toStrictEqual([B, A]);
  });

  test("the most urgent reason for a listing counts, whatever the order", () => {
    const reasonOf = (...reasons: readonly FullReason[]) => {
      dirty.drop(A);
      for (const reason of reasons) dirty.markFull(A, reason, 1);
      return dirty.urgency(A)?.full;
    };
    expect(reasonOf("quiet", "confirm")).toBe("confirm");
    expect(reasonOf("confirm", "quiet")).toBe("confirm");
    expect(reasonOf("first", "confirm")).toBe("first");
    expect(reasonOf("quiet", "continue", "sweep")).toBe("continue");
  });
});

describe("taking", () => {
  test("without a listing leaves the listing marked, and no hints", () => {
    dirty.markFull(A, "sweep", 1);
    dirty.markName(A, name("x"), 2);
    expect(dirty.take(A, false)).toMatchObject({ names: [name("x")], full: undefined });
    expect(dirty.urgency(A)).toStrictEqual({ hintedMs: undefined, full: "sweep", notBeforeMs: 0 });
    expect(dirty.take(A, true)).toMatchObject({ names: [], full: "sweep", sinceMs: 1 });
  });
});

describe("restoring", () => {
  test("puts all of it back, delayed", () => {
    dirty.markName(A, name("x"), 1);
    dirty.markUidlist(A, 2);
    dirty.markFull(A, "first", 3);
    const dirt = dirty.take(A, true);
    if (dirt === undefined) throw new Error("it was marked");
    dirty.restore(A, dirt, 50);
    expect(dirty.peek(A)).toStrictEqual({ ...dirt, notBeforeMs: 50 });
  });

  test("is delayed also where a listing is marked meanwhile: that is no news", () => {
    dirty.markUidlist(A, 1);
    dirty.markFull(A, "quiet", 1);
    const dirt = dirty.take(A, false);
    if (dirt === undefined) throw new Error("it was marked");
    dirty.restore(A, dirt, 50);
    dirty.markFull(A, "confirm", 2);
    expect(dirty.urgency(A)).toStrictEqual({ hintedMs: 1, full: "confirm", notBeforeMs: 50 });
  });

  test("is not delayed where a hint came meanwhile, or comes", () => {
    dirty.markUidlist(A, 1);
    const dirt = dirty.take(A, false);
    if (dirt === undefined) throw new Error("it was marked");
    dirty.markName(A, name("y"), 2);
    dirty.restore(A, dirt, 50);
    expect(dirty.urgency(A)?.notBeforeMs).toBe(0);
    dirty.take(A, false);
    dirty.restore(A, dirt, 50);
    dirty.markUidlist(A, 3);
    expect(dirty.urgency(A)?.notBeforeMs).toBe(0);
  });

  test("keeps the oldest time, and at most so many names", () => {
    const names = Array.from({ length: 8192 }, (_, i) => name(`x${i}`));
    dirty.markName(A, name("y"), 9);
    dirty.restore(A, { names, uidlist: false, full: undefined, sinceMs: 4, notBeforeMs: 0 }, 50);
    const dirt = dirty.peek(A);
    expect([dirt?.sinceMs, dirt?.full]).toStrictEqual([4, "overflow"]);
    expect(dirt?.names.length).toBeLessThan(8192);
  });
});
