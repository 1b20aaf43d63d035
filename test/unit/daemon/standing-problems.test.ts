/** What a live run says about mailboxes that need a person, and when. */
import { expect, test } from "vitest";
import type { CaptureProblem } from "../../../src/capture/capture-types.js";
import { StandingProblems } from "../../../src/daemon/standing-problems.js";
import { rawPath } from "../capture/capture-bench.js";

type Entry = readonly [path: string, code: string];

function problems(entries: readonly Entry[]) {
  const all = entries.map(([path, code]): CaptureProblem => {
    return { path: rawPath(path), code, message: `${code} at ${path}`, hint: "Look at it." };
  });
  return new Map(all.map((problem) => [problem.path, problem]));
}

function dueOf(standing: StandingProblems, ...entries: readonly Entry[]) {
  return standing.due(problems(entries)).map(({ path, code }) => `${path} ${code}`);
}

test("a problem is told at the second look that finds it, and then not again", () => {
  const standing = new StandingProblems();
  expect(dueOf(standing, ["a", "lock-held"])).toEqual([]);
  expect(dueOf(standing, ["a", "lock-held"], ["b", "uidlist-damaged"])).toEqual(["a lock-held"]);
  expect(dueOf(standing, ["a", "lock-held"], ["b", "uidlist-damaged"])).toEqual(["b uidlist-damaged"]);
  expect(dueOf(standing, ["a", "lock-held"], ["b", "uidlist-damaged"])).toEqual([]);
});

test("one that passes is not told; one that comes back, or becomes another, is", () => {
  const standing = new StandingProblems();
  const look = (...entries: readonly Entry[]) => dueOf(standing, ...entries);
  expect([look(["a", "lock-held"]), look(), look(["a", "lock-held"]), look(["a", "EACCES"])].flat()).toEqual([]);
  expect(look(["a", "EACCES"])).toEqual(["a EACCES"]);
  expect([look(), look(["a", "EACCES"])].flat()).toEqual([]);
  expect(look(["a", "EACCES"])).toEqual(["a EACCES"]);
});
