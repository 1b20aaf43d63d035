/** Mailboxes that are not captured: told once as they come, once as they are over, and known since their first moment. */
import { beforeEach, expect, test } from "vitest";
import { type RawPath, rawFromText } from "../../../../src/base/raw-name.js";
import type { CaptureProblem } from "../../../../src/capture/capture-types.js";
import { openEventLog } from "../../../../src/daemon/run/event-log.js";
import { MailboxProblems } from "../../../../src/daemon/run/mailbox-problems.js";

type Line = Readonly<Record<string, unknown>>;

let lines: Line[];
let problems: MailboxProblems;
let nowMs: number;

beforeEach(() => {
  lines = [];
  nowMs = 0;
  problems = new MailboxProblems(openEventLog("debug", (line) => lines.push(JSON.parse(line) as Line)));
});

const problemOf = (path: string, code = "uidlist-damaged"): CaptureProblem => {
  return { path: rawFromText(path) as RawPath, code, message: `${path}: line 3`, hint: "h" } as CaptureProblem;
};

/** Returns what was told. */
function look(found: readonly CaptureProblem[], isWhole = true): readonly unknown[] {
  lines = [];
  nowMs += 100;
  problems.look(new Map(found.map((problem) => [problem.path, problem])), { isWhole, nowMs });
  return lines.map(({ msg, mailbox, code }) => [msg, mailbox, code]);
}

test("one that stays is told once, since its first moment, and once when it is over", () => {
  const damaged = problemOf("alice/.Work");
  expect(problems.sinceMs(damaged)).toBeUndefined();
  expect(look([damaged])).toStrictEqual([]);
  expect(look([damaged])).toStrictEqual([["mailbox-needs-you", "alice/.Work", "uidlist-damaged"]]);
  expect(lines[0]).toMatchObject({ level: 50, message: "alice/.Work: line 3", hint: "h" });
  expect(look([{ ...damaged, message: "alice/.Work: line 4" }])).toStrictEqual([]);
  expect(problems.sinceMs(damaged)).toBe(100);
  expect(look([])).toStrictEqual([["mailbox-well", "alice/.Work", "uidlist-damaged"]]);
  expect(problems.sinceMs(damaged)).toBeUndefined();
});

test("one that passes between two looks is not told, nor that it is over", () => {
  look([problemOf("alice/.Work")]);
  expect(look([])).toStrictEqual([]);
});

test("one that becomes another is told anew, since then", () => {
  const [first, then] = [problemOf("alice/.Work"), problemOf("alice/.Work", "EACCES")];
  look([first]);
  look([first]);
  expect(look([then])).toStrictEqual([]);
  expect(look([then])).toStrictEqual([["mailbox-needs-you", "alice/.Work", "EACCES"]]);
  expect([problems.sinceMs(first), problems.sinceMs(then)]).toStrictEqual([undefined, 300]);
});

test("while a store is not looked at as a whole yet, none is over", () => {
  const damaged = problemOf("alice/.Work");
  look([damaged]);
  look([damaged]);
  expect(look([], false)).toStrictEqual([]);
  expect(look([damaged])).toStrictEqual([]);
  expect(problems.sinceMs(damaged)).toBe(100);
});

test("of very many some are told at a time, and all in the end", () => {
  const all = Array.from({ length: 250 }, (_, i) => problemOf(`u${i}`));
  const told = [look(all), look(all), look(all), look(all), look(all)];
  expect(told.map(({ length }) => length)).toStrictEqual([0, 100, 100, 50, 0]);
  expect(new Set(told.flat().map(String)).size).toBe(250);
});
