/** What a live run says about mailboxes that need a person, and when. */
import { expect, test } from "vitest";
import type { CaptureProblem } from "../../../src/capture/capture-types.js";
import { problemOfRejection, StandingProblems } from "../../../src/daemon/standing-problems.js";
import { rawPath } from "../capture/capture-bench.js";
import { guid } from "../log/state-fixtures.js";

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

test("what a mailbox was given up for comes with what to do about it, where that is known", () => {
  const row = { replica: "r", lsn: 1, mailbox: guid(1), path: rawPath("a"), attempts: 1, firstMs: 0, lastMs: 0 };
  const problem = (code: string) => problemOfRejection({ ...row, code, message: "why" });
  expect(problem("mailbox-occupied").hint).toMatch(/^The other mailboxes go on/);
  expect(problem("uidlist-damaged").hint).toMatch(
    /restore dovecot-uidlist of that mailbox in DST, or remove that file/,
  );
  expect(problem("EACCES")).toMatchObject({
    message: "shipping to a: why",
    hint: expect.stringMatching(/^Run as a user who may read and write there .* The other mailboxes go on/),
  });
});
