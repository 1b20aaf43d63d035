/** `mailtwin rejects`, as a shell sees it. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { hintOfRejection } from "../../../../src/daemon/run/daemon-hints.js";
import { save } from "../../txn/txn-fixtures.js";
import { HOSTILE_PATH, type LogBench, openLogBench } from "./log-bench.js";

let bench: LogBench;

beforeEach(() => {
  bench = openLogBench();
});

afterEach(() => bench[Symbol.asyncDispose]());

const FIRST = "2025-11-23T15:50:00Z";
const LAST = "2025-11-23T16:50:00Z";

test("nothing is rejected: 0, and said", () => {
  expect(bench.run("rejects", "list")).toStrictEqual({ code: 0, out: "nothing is rejected\n", err: "" });
  for (const args of [["list", "--json"], ["export"]])
    expect(bench.run("rejects", ...args)).toStrictEqual({ code: 0, out: "", err: "" });
});

test("the list is a table, and what others wrote is shown as text", async () => {
  await bench.reject(17);
  await bench.reject(5, {
    replica: "near-by",
    path: HOSTILE_PATH,
    message: "Zürich said \x1b[2J\u202e no",
    attempts: 12,
  });
  const { code, out } = bench.run("rejects", "list");
  expect(code).toBe(0);
  const times = `${FIRST}  ${LAST}`;
  const blanks = (text: string) => text + " ".repeat(20 - text.length);
  const name = "bob/\\x1b[31mred\\x0aline\\xff";
  const mailbox = (text: string) => text + " ".repeat(name.length - text.length);
  expect(out.split("\n")).toStrictEqual([
    `REPLICA  NUMBER  CODE       ATTEMPTS  ${blanks("FIRST")}  ${blanks("LAST")}  ${mailbox("MAILBOX")}  REASON`,
    `far      17      uid-taken  3         ${times}  ${mailbox("alice/Maildir/.Sent")}  UID 17 is another message's there`,
    `near-by  5       uid-taken  12        ${times}  ${name}  Zürich said \\x1b[2J\\u{202e} no`,
    "",
  ]);
});

test("of one replica, of one that there is, and of one that there is not", async () => {
  await bench.reject(17);
  await bench.writer.addReplica("near", 5);
  expect(bench.run("rejects", "list", "--replica", "near").out).toBe("nothing is rejected\n");
  expect(bench.run("rejects", "list", "--replica", "far").out).toContain("uid-taken");
  const { code, err } = bench.run("rejects", "list", "--replica", "nera");
  expect([code, err.split("\n")[0]]).toStrictEqual([
    64,
    "mailtwin: reading the command line: the store has no replica nera (it has near).",
  ]);
});

test("one is shown with what it was to do, as long as the log has that", async () => {
  await bench.append({ changes: [save(17)] });
  await bench.reject(1);
  await bench.reject(1, { replica: "near" });
  const story = (replica: string, what: string) => [
    `replica      ${replica}`,
    "mailbox      alice/Maildir/.Sent (0123456789abcdef0123456789abcdef)",
    `transaction  1, ${what}`,
    "code         uid-taken",
    "reason       UID 17 is another message's there",
    `attempts     3, the first at ${FIRST}, the last at ${LAST}`,
    `what to do   ${hintOfRejection("uid-taken")}`,
    "",
  ];
  const captured = `captured at ${FIRST}: alice/Maildir/.Sent: deliver UID 17 (12 bytes)`;
  expect(bench.run("rejects", "show", "1")).toStrictEqual({
    ...{ code: 0, err: "" },
    out: [...story("far", captured), ...story("near", captured)].join("\n"),
  });
  await bench.writer.trimLog(1);
  expect(bench.run("rejects", "show", "1", "--replica", "near").out).toBe(
    story("near", "which is not in the log any more").join("\n"),
  );
  expect(bench.run("rejects", "show", "2")).toMatchObject({
    ...{ code: 66, out: "", err: expect.stringContaining("no replica refuses transaction 2") },
  });
});

test("what was refused of a comparison has a number that can be passed back", async () => {
  await bench.reject(-1, { code: "mailbox-occupied" });
  await bench.reject(-12, { replica: "near", code: "resync-asked" });
  const numbers = bench
    .run("rejects", "list")
    .out.split("\n")
    .slice(1, -1)
    .map((line) => line.split(/ +/)[1] ?? "");
  expect(numbers).toStrictEqual(["c1", "c12"]);
  for (const number of [...numbers, "-1", "-12"]) {
    const { code, out, err } = bench.run("rejects", "show", number);
    expect([code, err]).toStrictEqual([0, ""]);
    expect(out).toContain(`\ncomparison  c${number.replace(/\D/, "")}: what the two sides have is compared`);
  }
  expect(bench.run("rejects", "show", "c1").out).toMatch(/\nwhat to do +On the replica's host, move the mailbox/);
  expect(bench.run("rejects", "show", "c12").out).toMatch(/\nwhat to do +Nothing: it is compared as soon as/);
  expect(bench.run("rejects", "show", "c2")).toMatchObject({
    ...{ code: 66, err: expect.stringContaining("no replica refuses comparison c2") },
  });
  for (const number of ["0", "-0", "c", "1e3", "x", ""])
    expect(bench.run("rejects", "show", number)).toMatchObject({
      ...{ code: 64, err: expect.stringContaining("is no number of `mailtwin rejects list`: an LSN (17), or") },
    });
});

test("for machines all of it is an object a line", async () => {
  await bench.reject(17, { path: HOSTILE_PATH });
  const row = {
    ...{
      replica: "far",
      lsn: 17,
      number: "17",
      mailbox: "0123456789abcdef0123456789abcdef",
      code: "uid-taken",
      attempts: 3,
    },
    ...{ path: "bob/\\x1b[31mred\\x0aline\\xff", reason: "UID 17 is another message's there" },
    hint: hintOfRejection("uid-taken"),
    ...{ first: FIRST, firstMs: 1_763_913_000_000, last: LAST, lastMs: 1_763_916_600_000 },
  };
  for (const args of [["list", "--json"], ["show", "17", "--json"], ["export"]])
    expect(JSON.parse(bench.run("rejects", ...args).out)).toStrictEqual(row);
});

test("for machines an error is an object, too", () => {
  for (const [args, wanted] of [
    [["show", "7"], { code: "not-rejected", exitCode: 66 }],
    [["show", "x"], { code: "usage", exitCode: 64 }],
    [["list", "--replica", "near"], { code: "usage", exitCode: 64 }],
  ] as const) {
    const { code, out, err } = bench.run("rejects", ...args, "--json");
    expect([code, err]).toStrictEqual([wanted.exitCode, ""]);
    expect(JSON.parse(out)).toMatchObject({ event: "error", ...wanted });
  }
});
