/** Which mailboxes `mailtwin log tail` takes for the one that is named, and how errors of `mailtwin log` are told to machines. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { parseMailboxGuid } from "../../../../src/maildir/ids.js";
import { mailboxRow, NOTHING_CAPTURED, rawPath } from "../../log/state-fixtures.js";
import { save, transaction } from "../../txn/txn-fixtures.js";
import { type LogBench, openLogBench } from "./log-bench.js";

let bench: LogBench;

beforeEach(() => {
  bench = openLogBench();
});

afterEach(() => bench[Symbol.asyncDispose]());

const lsnsIn = (out: string) => [...out.matchAll(/^ *(\d+) /gm)].map(([, lsn]) => Number(lsn));

test("of a mailbox takes the name that clients have for it, and the ones that it had", async () => {
  const at = (path: string, more = {}) => ({ path: rawPath(path), changes: [save(1)], ...more });
  await bench.append(at("alice/Maildir/.Work"), at("alice/Maildir/.Work.Projects"), at("bob/.Work"), at("bob"));
  const renamed = { structure: { kind: "rename", from: rawPath("bob/.Entw&APw-rfe") }, changes: [] } as const;
  await bench.append(at("bob/.Drafts", renamed), at("example.org/eve/mail/.Work"));
  const of = (...args: readonly string[]) => lsnsIn(bench.run("log", "tail", ...args).out);
  expect(of("--mailbox", "Work")).toStrictEqual([1, 3, 6]);
  expect(of("--mailbox", "Work/Projects")).toStrictEqual([2]);
  expect(of("-u", "alice", "--mailbox", "Work")).toStrictEqual([1]);
  expect(of("-u", "bob", "--mailbox", "INBOX")).toStrictEqual([4]);
  expect(of("-u", "bob", "--mailbox", "Entwürfe")).toStrictEqual([5]);
  expect(of("-u", "eve@example.org", "--mailbox", "Work")).toStrictEqual([6]);
  expect(of("-u", "eve@example.org")).toStrictEqual([6]);
  expect(of("--mailbox", transaction().mailbox.toUpperCase())).toStrictEqual([1, 2, 3, 4, 5, 6]);
});

test("of the one Maildir of a store takes names without a user", async () => {
  const guid = parseMailboxGuid("fedcba9876543210fedcba9876543210");
  await bench.append({ path: rawPath(""), changes: [save(1)] });
  await bench.append({ mailbox: guid, path: rawPath(".Work"), changes: [save(1)] });
  const of = (...args: readonly string[]) => lsnsIn(bench.run("log", "tail", ...args).out);
  expect(of("--mailbox", "INBOX")).toStrictEqual([1]);
  expect(of("--mailbox", "INBOX/Work")).toStrictEqual([2]);
});

test("of a mailbox of which it has nothing says that; of one that never was, that there is none: 64", async () => {
  await bench.writer.appendCaptured({
    ...NOTHING_CAPTURED,
    mailboxes: [mailboxRow(1, { path: rawPath("bob/.Work") }), mailboxRow(2, { path: rawPath("bob") })],
  });
  await bench.append({ path: rawPath("alice/.Sent"), changes: [save(1)] });
  const nothing = { code: 0, out: "", err: "mailtwin: no transaction of that is in the log (the log has 1 to 1)\n" };
  expect(bench.run("log", "tail", "--mailbox", "Work")).toStrictEqual(nothing);
  const none = bench.run("log", "tail", "--mailbox", "Wokr");
  expect(none).toMatchObject({ code: 64, out: "" });
  expect(none.err).toContain('mailtwin: looking for mailbox "Wokr": the log knows none of that name');
  expect(bench.run("log", "tail", "-u", "eve").err).toContain('looking for user "eve": the log knows none');
  expect(bench.run("log", "tail", "--mailbox", "INBOX").err).toContain("no -u USER says whose it is");
});

test("of --json an error is an object, too", () => {
  const error = (code: string, exitCode: number) => ({ event: "error", code, exitCode });
  for (const [args, wanted] of [
    [["show", "7"], error("not-in-log", 66)],
    [["tail", "-u", "eve"], error("target-unknown", 64)],
  ] as const) {
    const { code, out, err } = bench.run("log", ...args, "--json");
    expect([code, err]).toStrictEqual([wanted.exitCode, ""]);
    expect(JSON.parse(out)).toMatchObject({ ...wanted, message: expect.any(String), hint: expect.any(String) });
  }
});
