/** `mailtwin deletions`, as a shell sees it: the plan in words, and what lets it go. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../../../src/base/clock.js";
import { type ControlBench, HELD, openControlBench } from "../../../contract/control-bench.js";
import { mailtwin } from "../mailtwin.js";

let bench: ControlBench;

beforeEach(() => {
  bench = openControlBench(systemClock);
});

afterEach(() => bench[Symbol.asyncDispose]());

const run = (...args: readonly string[]) =>
  mailtwin(["deletions", ...args, "--control", bench.place.path], { cwd: bench.dir });

test("the plan is shown to people and machines, with exit code 1", async () => {
  await bench.open();
  const { code, out, err } = await run("list", "--store", "mail");
  expect([code, err]).toEqual([1, ""]);
  expect(out).toBe(
    "mail: since 2025-11-24T16:00:00Z, as 1,200 messages went within a short while, more than 1,000\n" +
      "  held back: 1,201 messages in 52 mailboxes\n" +
      "  alice/.Work: the mailbox is gone, with 700 messages\n" +
      "  bob: 2 messages (UID 7, 9)\n" +
      "  and 50 more\n",
  );
  const json = await run("list", "--json");
  expect([json.code, JSON.parse(json.out)]).toEqual([1, { stores: HELD }]);
  expect(bench.asked).toEqual([
    ["deletions", { store: "mail" }],
    ["deletions", {}],
  ]);
});

test("what is let go is said; nothing held back is no failure", async () => {
  const closing = await bench.open();
  const { code, out } = await run("approve");
  expect([code, out]).toEqual([
    0,
    "mail: 1,201 messages in 52 mailboxes may go, and go now; what goes later is judged anew\n",
  ]);
  expect(bench.asked).toEqual([["approveDeletions", {}]]);
  await closing[Symbol.asyncDispose]();
  await bench.open({ deletions: () => [], approveDeletions: async () => [] });
  for (const name of ["list", "approve"])
    expect(await run(name)).toMatchObject({ code: 0, out: "no deletion is held back\n" });
});

test("a store that nobody has is refused, and nothing is asked", async () => {
  await bench.open();
  const { code, err } = await run("approve", "--store", "mial");
  expect(code).not.toBe(0);
  expect(err).toMatch(/did you mean mail\?/);
  expect(bench.asked).toEqual([]);
});
