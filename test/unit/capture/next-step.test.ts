/** What the capture loop does next. */
import { beforeEach, describe, expect, test } from "vitest";
import { DirtySet } from "../../../src/capture/dirty-set.js";
import { HINTED_IN_ROW_MAX, nextStep, type StepInput } from "../../../src/capture/next-step.js";
import { rawPath } from "../log/state-fixtures.js";

const [A, B, C] = [rawPath("a"), rawPath("b"), rawPath("c")];

let dirty: DirtySet;

beforeEach(() => {
  dirty = new DirtySet();
});

function step(more: Partial<StepInput> = {}) {
  const idle = { nowMs: 100, structureDueMs: Number.POSITIVE_INFINITY, hintedInRow: 0 };
  return nextStep({ ...idle, dirty, listingDueMs: () => 0, hintsDueMs: () => 0, ...more });
}

describe("nextStep", () => {
  test("with nothing to do it waits for the list of mailboxes", () => {
    expect(step()).toStrictEqual({ kind: "wait", untilMs: Number.POSITIVE_INFINITY });
    expect(step({ structureDueMs: 150 })).toStrictEqual({ kind: "wait", untilMs: 150 });
    dirty.markUidlist(A, 1);
    expect(step({ structureDueMs: 100 })).toStrictEqual({ kind: "structure" });
  });

  test("hinted mailboxes go before listings, in their order", () => {
    dirty.markFull(A, "first", 1);
    dirty.markUidlist(C, 1);
    dirty.markUidlist(B, 2);
    expect(step()).toStrictEqual({ kind: "examine", path: C, full: false });
    dirty.drop(C);
    dirty.drop(B);
    expect(step()).toStrictEqual({ kind: "examine", path: A, full: true });
  });

  test("a hinted mailbox whose listing is due is listed", () => {
    dirty.markUidlist(A, 1);
    dirty.markFull(A, "sweep", 1);
    expect(step()).toStrictEqual({ kind: "examine", path: A, full: true });
    expect(step({ listingDueMs: () => 101 })).toStrictEqual({ kind: "examine", path: A, full: false });
  });

  test("after many hinted ones a listing that is due has its turn", () => {
    dirty.markUidlist(A, 1);
    dirty.markFull(B, "sweep", 1);
    expect(step({ hintedInRow: HINTED_IN_ROW_MAX - 1 })).toMatchObject({ path: A });
    expect(step({ hintedInRow: HINTED_IN_ROW_MAX })).toStrictEqual({ kind: "examine", path: B, full: true });
    expect(step({ hintedInRow: HINTED_IN_ROW_MAX, listingDueMs: () => 101 })).toMatchObject({ path: A, full: false });
  });

  test("what belongs together is gathered, and holds up nobody else", () => {
    dirty.markUidlist(A, 90);
    dirty.markUidlist(B, 95);
    const hintsDueMs: StepInput["hintsDueMs"] = (path, hintedMs) => hintedMs + (path === A ? 30 : 20);
    expect(step({ hintsDueMs })).toStrictEqual({ kind: "wait", untilMs: 115 });
    expect(step({ hintsDueMs, nowMs: 116 })).toStrictEqual({ kind: "examine", path: B, full: false });
    dirty.drop(B);
    dirty.markUidlist(A, 118); // what comes later does not put it off.
    expect(step({ hintsDueMs, nowMs: 120 })).toStrictEqual({ kind: "examine", path: A, full: false });
    dirty.markFull(C, "first", 100);
    expect(step({ hintsDueMs, nowMs: 119 })).toStrictEqual({ kind: "examine", path: C, full: true });
  });

  test("it waits for what comes first: a delay, a ration, the list of mailboxes", () => {
    dirty.restore(A, { names: [], uidlist: true, full: undefined, sinceMs: 1, notBeforeMs: 0 }, 140);
    dirty.markFull(B, "sweep", 1);
    dirty.markFull(C, "quiet", 1);
    const listingDueMs: StepInput["listingDueMs"] = (path, reason) => (path === B && reason === "sweep" ? 130 : 200);
    expect(step({ listingDueMs, structureDueMs: 500 })).toStrictEqual({ kind: "wait", untilMs: 130 });
    expect(step({ listingDueMs, structureDueMs: 120 })).toStrictEqual({ kind: "wait", untilMs: 120 });
    expect(step({ listingDueMs: () => 200 })).toStrictEqual({ kind: "wait", untilMs: 140 });
    expect(step({ nowMs: 140, listingDueMs: () => 200 })).toStrictEqual({ kind: "examine", path: A, full: false });
  });
});
