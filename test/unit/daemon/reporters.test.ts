/** What people and machines are shown. */
import type { SingleBar } from "cli-progress";
import { beforeEach, describe, expect, test } from "vitest";
import { daemonError } from "../../../src/daemon/errors.js";
import { openJsonReporter } from "../../../src/daemon/json-reporter.js";
import type { Progress, ShippedReport, Summary } from "../../../src/daemon/reporter.js";
import { openTextReporter } from "../../../src/daemon/text-reporter.js";
import { FakeClock } from "../../fake-clock.js";

const PROGRESS: Progress = {
  messagesTotal: 20_000,
  counting: false,
  messagesDone: 5_000,
  bytesDone: 1_500_000,
  elapsedMs: 10_000,
};
const SHIPPED: ShippedReport = {
  ...{ lsn: 3, mailbox: "0123", path: "bob", saves: 2, marks: 0, expunges: 1, rebinds: 0, lagMs: 12.4 },
  notes: [{ words: "keywords are full", count: 1 }],
};
const SUMMARY: Summary = {
  ...{ mailboxes: 3, messages: 1234, transactions: 5, saves: 4, marks: 1, expunges: 2 },
  ...{ bodiesBytes: 5_000_000, problems: 0, elapsedMs: 2_500 },
  ...{ mailboxesMade: 0, mailboxesRenamed: 0, mailboxesDeleted: 0, messagesOfDeleted: 0, caughtBySweep: 0 },
  ...{ numberedInSource: 0, renumberedInSource: 0, identifiedInSource: 0, raisedInSource: 0 },
  ...{ adopted: 0, mailboxesFound: 0, remarked: 0, reused: 0, kept: 0, toLimbo: 0 },
};

let lines: string[];
let bars: [name: string, count: number, shown: { readonly line: string }][];
let clock: FakeClock;

beforeEach(() => {
  lines = [];
  bars = [];
  clock = new FakeClock();
});

function text(more: { readonly bar?: boolean; readonly quiet?: boolean; readonly verbose?: boolean } = {}) {
  const note = (name: string) => (count: number, shown: { readonly line: string }) =>
    void bars.push([name, count, shown]);
  const bar = { start: note("start"), update: note("update"), setTotal: note("setTotal"), stop: note("stop") };
  return openTextReporter({
    out: (line) => void lines.push(line),
    err: (line) => void lines.push(`! ${line}`),
    bar: more.bar === true ? (bar as unknown as SingleBar) : undefined,
    quiet: more.quiet ?? false,
    verbose: more.verbose ?? false,
    clock,
  });
}

describe("text", () => {
  test("a long name in a problem is without its middle", () => {
    const path = `alice/${".deep".repeat(800)}.Work`;
    text().problem({ path, code: "x", message: `reading ${path}: no`, hint: "Mend it." });
    expect(lines[0]).toMatch(/^! problem: reading alice\/[.dep]+\[…\][.dep]+\.Work: no\. Mend it\.$/);
    expect(lines[0]?.length).toBeLessThan(300);
  });

  test("without a terminal progress is a line every five seconds", () => {
    const reporter = text();
    for (let elapsedMs = 1_000; elapsedMs <= 16_000; elapsedMs += 200) reporter.progress({ ...PROGRESS, elapsedMs });
    expect(lines).toHaveLength(3);
    expect(lines[1]).toBe("5,000 of 20,000 messages, 1.50 MB sent, 30.0 s left");
  });

  test("while the source is read no time is promised", () => {
    text().progress({ ...PROGRESS, counting: true });
    text().progress({ ...PROGRESS, messagesDone: 0 });
    expect(lines).toStrictEqual([
      "5,000 of 20,000 messages, 1.50 MB sent, still reading the source",
      "0 of 20,000 messages, 1.50 MB sent, still reading the source",
    ]);
  });

  test("a total that is overtaken is no negative time", () => {
    text().progress({ ...PROGRESS, messagesDone: 30_000 });
    expect(lines[0]).toContain("0 ms left");
  });

  test("on a terminal it is a bar, which gives way to lines", () => {
    const reporter = text({ bar: true });
    reporter.progress(PROGRESS);
    reporter.progress(PROGRESS);
    reporter.live({ mailboxes: 2, messages: 7 });
    reporter.close();
    expect(bars.map(([name]) => name)).toStrictEqual(["start", "update", "setTotal", "update", "stop"]);
    expect(lines).toStrictEqual(["live: 7 messages in 2 mailboxes are equal; watching (Ctrl-C ends)"]);
  });

  test("the share that a bar shows never goes back, whatever is found meanwhile", () => {
    const reporter = text({ bar: true });
    for (const [messagesDone, messagesTotal, counting] of [
      [500, 1_000, true],
      [900, 1_000, false],
      [1_000, 20_000, true],
      [1_000, 20_000, false],
      [19_000, 20_000, false],
    ] as const)
      reporter.progress({ ...PROGRESS, messagesDone, messagesTotal, counting });
    const drawn = bars.filter(([name]) => name === "update").map(([, , { line }]) => line);
    expect(drawn.map((line) => /\d+%/.exec(line)?.[0])).toStrictEqual([undefined, "90%", undefined, "90%", "95%"]);
  });

  test("shipped transactions are shown when asked for, notes always", () => {
    text().shipped(SHIPPED);
    expect(lines).toStrictEqual(["note: bob: keywords are full"]);
    lines.length = 0;
    const reporter = text({ verbose: true });
    reporter.shipped({ ...SHIPPED, notes: [] });
    reporter.shipped({
      ...SHIPPED,
      notes: [],
      path: "",
      structure: "create",
      saves: 0,
      expunges: 0,
      marks: 1,
      rebinds: 3,
    });
    reporter.shipped({ ...SHIPPED, notes: [], saves: 0, expunges: 0 });
    expect(lines).toStrictEqual([
      "bob: 2 new, 1 expunged (12 ms)",
      "INBOX: mailbox create, 1 flag change, 3 renumbered (12 ms)",
      "bob: next UID (12 ms)",
    ]);
  });

  test("the end tells what was done", () => {
    text().summary(SUMMARY);
    text().summary({ ...SUMMARY, transactions: 0, problems: 1 });
    text().summary({ ...SUMMARY, problems: 2 });
    text().summary({ ...SUMMARY, transactions: 0 });
    text().summary({ ...SUMMARY, transactions: 0, mailboxes: 0, messages: 0 });
    expect(lines).toStrictEqual([
      "done: 1,234 messages in 3 mailboxes; shipped 4 new, 1 flag change, 2 expunged, 5.00 MB of bodies in 2.50 s",
      'done, except for 1 problem: 1,234 messages in 3 mailboxes; nothing shipped (2.50 s); changes may wait behind it: see "problem: ..." on standard error',
      'done, except for 2 problems: 1,234 messages in 3 mailboxes; shipped 4 new, 1 flag change, 2 expunged, 5.00 MB of bodies in 2.50 s; changes may wait behind them: see "problem: ..." on standard error',
      "nothing to do: no change in SRC since the last run, 1,234 messages in 3 mailboxes (2.50 s)",
      "nothing to do: SRC has no mailbox (2.50 s)",
    ]);
  });

  test("the end tells what became of mailboxes as a whole", () => {
    text().summary({ ...SUMMARY, mailboxesMade: 1, mailboxesRenamed: 2, mailboxesDeleted: 3, messagesOfDeleted: 60 });
    text().summary({ ...SUMMARY, mailboxesDeleted: 1, messagesOfDeleted: 1, problems: 1 });
    expect(lines.map((line) => line.split(" in 2.50 s")[1])).toStrictEqual([
      "; 1 mailbox made, 2 mailboxes renamed, 3 mailboxes deleted (60 messages to the limbo)",
      '; 1 mailbox deleted (1 message to the limbo); changes may wait behind it: see "problem: ..." on standard error',
    ]);
  });

  test("the end tells what a first contact found, and what it moved away", () => {
    text().summary({ ...SUMMARY, adopted: 1200, mailboxesFound: 2, remarked: 5, reused: 17, mailboxesMade: 1 });
    text().summary({ ...SUMMARY, adopted: 1, mailboxesFound: 1, kept: 2, toLimbo: 1 });
    text().summary({ ...SUMMARY, transactions: 0, toLimbo: 3, problems: 1 });
    expect(lines.map((line) => line.split("2.50 s")[1])).toStrictEqual([
      "; 1 mailbox made; 1,200 messages in 2 mailboxes were there already, of which 5 took SRC's flags; 17 bodies were found in DST and used again",
      "; 1 message in 1 mailbox was there already; 2 messages that only DST has kept; 1 message moved to the limbo",
      '); 3 messages moved to the limbo; changes may wait behind it: see "problem: ..." on standard error',
    ]);
  });

  test("the end tells of changes that no event had announced", () => {
    text().summary({ ...SUMMARY, caughtBySweep: 1, mailboxesMade: 1 });
    text().summary({ ...SUMMARY, transactions: 0, caughtBySweep: 1200, problems: 1 });
    expect(lines.map((line) => line.split("2.50 s")[1])).toStrictEqual([
      "; 1 mailbox made; 1 change found by sweeps, of which no event had told",
      '); 1,200 changes found by sweeps, of which no event had told; changes may wait behind it: see "problem: ..." on standard error',
    ]);
  });

  test("a next UID that was raised is said as it happens", () => {
    text().nextUidRaised({ path: "u1/Maildir", from: 4, to: 7 });
    text().nextUidRaised({ path: "", from: 1, to: 2 });
    expect(lines).toStrictEqual([
      "next UID: u1/Maildir goes on with UID 7 in SRC, not 4: DST has given out those between",
      "next UID: INBOX goes on with UID 2 in SRC, not 1: DST has given out those between",
    ]);
  });

  test("the end tells what was written to the source", () => {
    text().summary({ ...SUMMARY, numberedInSource: 1200, identifiedInSource: 1, raisedInSource: 2 });
    text().summary({ ...SUMMARY, transactions: 0, renumberedInSource: 1, problems: 1 });
    expect(lines.map((line) => line.split("2.50 s")[1])).toStrictEqual([
      "; numbered 1,200 messages, gave 1 mailbox an identity, raised the next UID of 2 mailboxes in SRC",
      '); renumbered 1 message in SRC; changes may wait behind it: see "problem: ..." on standard error',
    ]);
  });

  test("one is one", () => {
    text().live({ mailboxes: 1, messages: 1 });
    text().summary({ ...SUMMARY, transactions: 0, mailboxes: 1, messages: 1 });
    expect(lines).toStrictEqual([
      "live: 1 message in 1 mailbox is equal; watching (Ctrl-C ends)",
      "nothing to do: no change in SRC since the last run, 1 message in 1 mailbox (2.50 s)",
    ]);
  });

  test("what to do about problems of one kind is said once, unless something else stands between them", () => {
    const reporter = text();
    const tell = (path: string, hint: string) =>
      reporter.problem({ path, code: "x", message: `reading ${path}: no`, hint });
    tell("a", "Do it.");
    tell("b", "Do it.");
    tell("c", "Undo it.");
    reporter.conflict({ path: "a", words: "UIDs clash" });
    tell("d", "Undo it.");
    expect(lines.filter((line) => line.startsWith("!"))).toStrictEqual([
      "! problem: reading a: no. Do it.",
      "! problem: reading b: no. What to do: as above.",
      "! problem: reading c: no. Undo it.",
      "! problem: reading d: no. Undo it.",
    ]);
  });

  test("quiet leaves problems, errors and what a dry run is for", () => {
    const reporter = text({ quiet: true, verbose: true, bar: true });
    reporter.progress(PROGRESS);
    reporter.live({ mailboxes: 1, messages: 1 });
    reporter.shipped(SHIPPED);
    reporter.conflict({ path: "a", words: "UIDs clash" });
    reporter.summary(SUMMARY);
    expect([lines, bars]).toStrictEqual([[], []]);
    reporter.plan("save 3");
    reporter.warning("no mailbox");
    reporter.problem({ path: "a", code: "x", message: "reading a: no", hint: "Do it" });
    reporter.error(daemonError("usage", "reading the command line: no"));
    expect(lines).toStrictEqual([
      "save 3",
      "! warning: no mailbox",
      "! problem: reading a: no. Do it",
      "! mailtwin: reading the command line: no.\nSee `mailtwin --help`, or `mailtwin COMMAND --help`.",
    ]);
  });
});

describe("notes", () => {
  const left = (uid: number) => `UID ${uid} is left out: its message is expunged further on`;
  const noted = (mailbox: string, words: string, count = 1): ShippedReport => {
    return { ...SHIPPED, mailbox, path: mailbox, notes: [{ words, count }] };
  };

  test("a seed that meets thousands of expunges shows a line every five seconds", async () => {
    const reporter = text();
    for (let i = 1; i <= 4_000; i++) {
      reporter.shipped(noted(i % 2 === 0 ? "bob" : "eve", left(i), 3));
      if (i % 400 === 0) await clock.advance(1_000);
    }
    reporter.summary(SUMMARY);
    expect(lines.slice(0, -1)).toStrictEqual([
      `note: eve: ${left(1)} (and 2 more like it)`,
      `note: bob: ${left(2)} (and 5,996 more like it in 2 mailboxes)`,
      `note: eve: ${left(2001)} (and 5,999 more like it in 2 mailboxes)`,
    ]);
    expect(clock.timerCount).toBe(0);
  });

  test("a note that comes alone is shown at once, and again when five seconds are over", async () => {
    const reporter = text();
    reporter.shipped(noted("", left(7)));
    expect(lines).toStrictEqual([`note: INBOX: ${left(7)}`]);
    reporter.shipped(noted("bob", left(8)));
    expect(lines).toHaveLength(1);
    await clock.advance(5_000);
    expect(lines[1]).toBe(`note: bob: ${left(8)}`);
    await clock.advance(60_000);
    reporter.shipped(noted("bob", left(9)));
    expect(lines[2]).toBe(`note: bob: ${left(9)}`);
  });

  test("different kinds are told in one line, and what still waits at the end is told before it", () => {
    const reporter = text();
    reporter.shipped(noted("bob", "one"));
    reporter.shipped(noted("bob", "keyword Blue is left out: all 26 letters are taken"));
    reporter.shipped(noted("eve", left(5)));
    reporter.live({ mailboxes: 1, messages: 1 });
    expect(lines[1]).toBe(`note: bob: keyword Blue is left out: all 26 letters are taken; eve: ${left(5)}`);
    expect(lines[2]).toContain("live: ");
    reporter.shipped(noted("eve", left(6)));
    reporter.close();
    expect(lines[3]).toBe(`note: eve: ${left(6)}`);
    expect(clock.timerCount).toBe(0);
  });
});

describe("json", () => {
  test("progress comes once a second, and durations are whole milliseconds", () => {
    const written: string[] = [];
    const reporter = openJsonReporter((line) => void written.push(line));
    for (let elapsedMs = 1_200.25; elapsedMs < 3_300; elapsedMs += 200) reporter.progress({ ...PROGRESS, elapsedMs });
    reporter.summary({ ...SUMMARY, elapsedMs: 3_300.75 });
    const elapsed = written.map((line) => (JSON.parse(line) as { readonly elapsedMs: number }).elapsedMs);
    expect(elapsed).toStrictEqual([1_200, 2_200, 3_200, 3_301]);
  });

  test("each event is an object on a line of its own, with all its fields", () => {
    const written: string[] = [];
    const reporter = openJsonReporter((line) => void written.push(line));
    reporter.plan("a\nb");
    reporter.warning("w");
    reporter.progress(PROGRESS);
    reporter.live({ mailboxes: 1, messages: 2 });
    reporter.shipped(SHIPPED);
    reporter.conflict({ path: "a", words: "w" });
    reporter.problem({ path: "a", code: "x", message: "m", hint: "h" });
    reporter.summary(SUMMARY);
    reporter.error(daemonError("stores-overlap", "twinning: no"));
    reporter.close();
    expect(written.every((line) => line.endsWith("\n") && line.indexOf("\n") === line.length - 1)).toBe(true);
    expect(written.map((line) => JSON.parse(line) as unknown)).toStrictEqual([
      { event: "plan", words: "a\nb" },
      { event: "warning", words: "w" },
      { event: "progress", ...PROGRESS },
      { event: "live", mailboxes: 1, messages: 2 },
      { event: "shipped", ...SHIPPED },
      { event: "conflict", path: "a", words: "w" },
      { event: "problem", path: "a", code: "x", message: "m", hint: "h" },
      { event: "summary", ...SUMMARY },
      {
        event: "error",
        code: "stores-overlap",
        message: "twinning: no",
        hint: "Name two directories of which neither holds the other.",
        exitCode: 64,
      },
    ]);
  });
});
