/** Problems of mailboxes: what they say, how long they stand, and that none of them is a loop. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { problemOfNames } from "../../../src/capture/errors.js";
import { rawPath } from "../log/state-fixtures.js";
import { Bench, found, IDLE, row, sealed, UNCHANGED } from "./fake-capture.js";

const A = row(1, { path: rawPath("a"), messages: 3 });

let bench: Bench;

beforeEach(() => {
  bench = new Bench();
});

afterEach(() => {
  bench.stop.abort(new Error("the test is over"));
});

test("what a listing found stands until the next listing", async () => {
  bench.capture.mailboxes = [found(A, { fingerprint: "x" })];
  const odd = { ...IDLE, kind: "unchanged" as const, notFiles: ["cur/x:2,"] };
  bench.capture.outcomes.set("a", [{ ...odd, grown: true }, UNCHANGED]);
  const capturer = bench.capturer([A]);
  await bench.settle(capturer);
  expect(bench.capture.asked).toStrictEqual(["a!", "a"]);
  expect([...capturer.problems.values()]).toMatchObject([{ code: "message-not-a-file", path: "a" }]);
  expect(capturer.problems.get(A.path)?.message).toContain("cur/x:2,");
  capturer.markFull(A.path, "sweep");
  await bench.settle(capturer);
  expect(capturer.problems.size).toBe(0);
});

test("listings that never agree end as a problem of the mailbox", async () => {
  bench.capture.mailboxes = [found(A, { fingerprint: "x" })];
  bench.capture.outcomes.set(
    "a",
    Array.from({ length: 1000 }, () => ({ ...IDLE, kind: "unchanged" as const, needListing: true })),
  );
  const capturer = bench.capturer([A]);
  await bench.settle(capturer, 10_000);
  expect(capturer.problems.get(A.path)).toMatchObject({ code: "mailbox-unsettled" });
  expect(bench.capture.asked.length).toBeLessThan(100);
});

test("those that have something to show for it go on", async () => {
  bench.capture.mailboxes = [found(A, { fingerprint: "x" })];
  bench.capture.outcomes.set(
    "a",
    Array.from({ length: 150 }, () => sealed(A, { needListing: true })),
  );
  const capturer = bench.capturer([A]);
  await bench.settle(capturer, 10_000);
  expect([bench.capture.asked.length, capturer.problems.size]).toStrictEqual([151, 0]);
});

test("names that can be no mail are told for what they are", () => {
  const words = (...names: readonly string[]) => problemOfNames(rawPath("a"), names);
  expect(words("x\ny")).toMatchObject({ code: "message-name-invalid" });
  expect(words("x\ny").message).toMatch(/has a line break/);
  expect(words("x\ny").message).not.toMatch(/nothing before/);
  expect(words(":2,S").message).toMatch(/nothing before its ":"/);
  expect(words(":2,S").message).not.toMatch(/line break/);
  const { message, hint } = words(":2,S", "x\ry");
  expect(message).toMatch(/line break.*nothing before its ":"/);
  expect(hint).not.toMatch(/other side/);
  expect(hint).toMatch(/source/);
});
