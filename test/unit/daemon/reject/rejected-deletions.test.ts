/** What the brake holds back by mistake is brought back at the source of a `sync`: from DST, or from a copy, once, and never through a link. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { errnoOf, type MailtwinError } from "../../../../src/base/errors.js";
import { BRAKE_KEY, isBraked } from "../../../../src/capture/deletion-brake.js";
import type { RejectFlags } from "../../../../src/daemon/reject/reject-command.js";
import { openStateReader } from "../../../../src/log/state-reader.js";
import { startTwin } from "../../../live/lab/mailtwin.js";
import { until } from "../../../live/lab/until.js";
import { rawDifferences, treeState } from "../../../live/twin/raw-compare.js";
import { type Bench, makeMailbox, summaryOf } from "../../../live/twin/small-store.js";
import { brakedBench, filesIn, INBOX, MANY, mailIn, OTHER, reject, WORK } from "./bench.js";

let bench: Bench;

/** Made once, and copied for each test. */
beforeAll(async () => {
  bench = await brakedBench();
  renameSync(bench.dir, `${bench.dir}.made`);
}, 120_000);
beforeEach(() => cpSync(`${bench.dir}.made`, bench.dir, { recursive: true, preserveTimestamps: true }));
afterEach(() => bench[Symbol.dispose]());
afterAll(() => rmSync(`${bench.dir}.made`, { recursive: true }));

const source = (path: string) => join(bench.source, path);
/** The source as it is after the copying of this bench: it is to be the directory that the last run saw. */
async function seen(): Promise<void> {
  expect((await bench.sync()).code).toBe(1);
}
const refused = async (flags: RejectFlags): Promise<string> => {
  try {
    await reject(bench, flags);
  } catch (error) {
    return `${(error as MailtwinError).code}: ${(error as MailtwinError).message}`;
  }
  return "nothing was refused";
};
const marksIn = (path: string) => filesIn(bench.source, path).map((name) => name.replace(/^.*:2,/, ""));

test("all of it comes back from DST as new mail, once; the old goes from DST when it has the new, and the brake is off", async () => {
  await seen();
  const [kept, dates] = [mailIn(bench.replica, WORK), datesIn(bench.replica, WORK)];
  const inbox = mailIn(bench.replica, INBOX);
  const first = await reject(bench);
  expect([first.code, first.err]).toEqual([0, ""]);
  expect(first.out).toBe(
    `u1/Maildir: restored 2 messages\nu1/Maildir/.Work: restored ${MANY} messages (the mailbox is made anew)\n` +
      `restored ${MANY + 2} messages in 2 mailboxes as new mail; the old ones go from the replicas when those have the new ones, by the running daemon or --watch, or the next sync\n`,
  );
  expect(mailIn(bench.source, WORK)).toEqual(kept);
  expect(datesIn(bench.source, WORK)).toEqual(dates);
  expect(mailIn(bench.source, INBOX).sort()).toEqual(inbox.sort());
  expect(marksIn(WORK).filter((marks) => marks === "FSa")).toHaveLength(2); // its letters are given out anew.
  expect(readFileSync(join(source(WORK), "dovecot-keywords"), "latin1")).toBe("0 todo\n");
  expect(marksIn(INBOX).filter((marks) => marks === "FSc")).toHaveLength(2); // those of the mailbox.
  const uidlist = readFileSync(join(source(WORK), "dovecot-uidlist"), "latin1");
  const old = readFileSync(join(bench.replica, WORK, "dovecot-uidlist"), "latin1");
  expect(uidlist).toMatch(/^3 V\d+ N100256 G[0-9a-f]{32}\n$/);
  expect(uidlist.replace(/N\d+/, "")).toBe(`${old.split("\n")[0]}\n`.replace(/N\d+/, ""));
  const owners = (path: string) => [".", "cur", "new", "tmp", "maildirfolder"].map((part) => ownerOf(join(path, part)));
  expect(owners(source(WORK))).toEqual(owners(join(bench.replica, WORK)));
  const again = await reject(bench);
  expect(again.out).toMatch(
    /^u1\/Maildir: 2 messages came back before\nu1\/Maildir\/.Work: 255 messages came back before\n/,
  );
  const before = treeState(bench.source);
  const run = await bench.sync();
  expect(run.code, JSON.stringify(run)).toBe(0);
  expect(summaryOf(run)).toMatchObject({ saves: MANY + 2, expunges: MANY + 2, mailboxesDeleted: 0, toLimbo: 0 });
  expect(treeState(bench.source).length).toBe(before.length);
  expect(rawDifferences(bench.source, bench.replica)).toEqual([]);
  expect((await reject(bench)).out).toBe("no deletion is held back\n");
}, 120_000);

test("a dry run says so, and writes nothing", async () => {
  await seen();
  const before = [treeState(bench.source), treeState(bench.replica)];
  const { code, reports } = await reject(bench, { dryRun: true, json: true });
  expect([treeState(bench.source), treeState(bench.replica)]).toStrictEqual(before);
  expect([code, reports.length]).toEqual([0, MANY + 2]);
  expect(reports[0]).toMatchObject({ event: "would-restore", store: bench.source, path: INBOX, uid: 1 });
  expect(reports.at(-1)).toMatchObject({
    event: "would-restore",
    path: WORK,
    uid: MANY,
    words: "the mailbox is made anew",
  });
}, 60_000);

test("a mailbox in whose place another one stands: its mail comes into that one, and only then it goes", async () => {
  rmSync(source(OTHER), { recursive: true });
  makeMailbox(bench.source, OTHER, { messages: 1, seed: 900 });
  await seen();
  expect(filesIn(bench.replica, OTHER)).toHaveLength(3);
  unlinkSync(join(bench.replica, OTHER, "cur", filesIn(bench.replica, OTHER)[1] ?? "")); // one is lost there.
  const some = await reject(bench, { user: "u2", json: true });
  expect([some.code, some.reports.map(({ event }) => event)]).toEqual([1, ["not-restored", "restored", "restored"]]);
  expect(some.reports[1]).toMatchObject({ words: "another mailbox stands in its place" });
  await seen();
  expect(filesIn(bench.replica, OTHER), "as one of its messages is nowhere").toHaveLength(2);
  cpSync(join(`${bench.dir}.made`, "replica"), join(bench.dir, "copy"), { recursive: true, preserveTimestamps: true });
  const rest = await reject(bench, { from: join(bench.dir, "copy") });
  expect([rest.code, rest.err]).toEqual([0, ""]);
  expect(rest.out).toMatch(
    /^.*\n.*\nu2\/Maildir: restored 1 message, 2 messages came back before \(another mailbox stands in its place\)\n/,
  );
  const run = await bench.sync();
  expect(run.code, JSON.stringify(run)).toBe(0);
  expect(filesIn(bench.source, OTHER)).toHaveLength(4);
  expect(rawDifferences(bench.source, bench.replica)).toEqual([]);
}, 120_000);

test("what the copy has not, or has otherwise, is named and stays held back; all else comes back", async () => {
  await seen();
  const copy = join(bench.dir, "copy");
  cpSync(bench.replica, copy, { recursive: true, preserveTimestamps: true });
  const [one = "", two = "", three = ""] = filesIn(copy, WORK);
  const at = (name: string) => join(copy, WORK, "cur", name);
  unlinkSync(at(one));
  truncateSync(at(two), 10);
  renameSync(at(three), join(bench.dir, "secret"));
  symlinkSync(join(bench.dir, "secret"), at(three));
  symlinkSync("/", join(copy, "u1/Maildir/.Link"));
  const { code, out, err } = await reject(bench, { from: copy, mailbox: WORK });
  expect([code, err.split("\n").slice(0, -1)]).toEqual([
    1,
    [
      `not restored: UID 1 of ${WORK}: it is not in the copy`,
      expect.stringMatching(/^not restored: UID 2 of .*: its file in the copy is not one of \d+ bytes$/),
      expect.stringMatching(/^not restored: UID 3 of .*: its file in the copy is not one of \d+ bytes$/),
    ],
  ]);
  expect(out).toMatch(
    /\nrestored 252 messages in 1 mailbox as new mail; 3 messages could not be, and stay held back; the old ones go/,
  );
  await seen();
  const left = filesIn(bench.replica, WORK).filter((name) => !name.includes(`P${process.pid}B`));
  expect(left).toEqual([one, two, three]);
  const approved = await bench.sync("--approve-deletions");
  expect(approved.code, JSON.stringify(approved)).toBe(0);
  expect(rawDifferences(bench.source, bench.replica)).toEqual([]);
}, 120_000);

test("never through a link that a user has put at the source", async () => {
  await seen();
  const elsewhere = join(bench.dir, "elsewhere");
  mkdirSync(elsewhere);
  symlinkSync(elsewhere, source(WORK));
  rmSync(join(source(INBOX), "tmp"), { recursive: true });
  symlinkSync(elsewhere, join(source(INBOX), "tmp"));
  const { code, out, err } = await reject(bench);
  expect([code, out]).toEqual([1, "restored nothing\n"]);
  expect(err).toMatch(/^not looked at: u1\/Maildir\/\.Work: .*\n(?:not looked at: u1\/Maildir.*\n)*$/);
  expect(readdirSync(elsewhere)).toEqual([]);
  for (const name of ["dovecot-uidlist", "cur"]) expect(existsSync(join(source(INBOX), name))).toBe(true);
}, 60_000);

test("a source that is another directory, or has none of its mailboxes, gets nothing", async () => {
  renameSync(bench.source, join(bench.dir, "away"));
  mkdirSync(bench.source);
  expect(await refused({})).toMatch(/^source-missing: writing to the source .*another directory stands there/);
  expect(readdirSync(bench.source)).toEqual([]);
  rmSync(bench.source, { recursive: true });
  renameSync(join(bench.dir, "away"), bench.source);
  await seen();
  for (const user of ["u1", "u2"]) rmSync(source(user), { recursive: true });
  expect(await refused({})).toMatch(/^source-emptied: /);
  expect(readdirSync(bench.source)).toEqual([]);
}, 60_000);

test("what is no copy, or of another kind of store, is refused", async () => {
  await seen();
  const all: readonly (readonly [RejectFlags, RegExp])[] = [
    [{ from: "" }, /^usage: .*from is empty/],
    [{ from: "/nowhere" }, /^usage: .*--from \/nowhere: ENOENT/],
    [{ from: bench.source }, /^usage: .* is the source, or one lies in the other/],
    [{ store: "mail" }, /^usage: .*for stores of the daemon/],
  ];
  for (const [flags, words] of all) expect(await refused(flags)).toMatch(words);
}, 60_000);

test("while a --watch goes on, which lets it go by itself", async () => {
  await seen();
  const { source: from, replica, state } = bench;
  await using twin = await startTwin({ source: from, replica, state });
  expect((await reject(bench)).code).toBe(0);
  const isOver = (): boolean => {
    try {
      return rawDifferences(bench.source, bench.replica).length === 0 && !isBrakeOn();
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return false; // a file went while they were read.
      throw error;
    }
  };
  await until("both to be equal, and the brake to be off", isOver, { deadlineMs: 90_000 });
  expect(await twin.stop()).toMatchObject({ code: 0 });
  expect(filesIn(bench.source, WORK)).toHaveLength(MANY);
  expect((await reject(bench)).out).toBe("no deletion is held back\n");
}, 150_000);

function datesIn(store: string, path: string): number[] {
  return filesIn(store, path).map((name) => Math.floor(statSync(join(store, path, "cur", name)).mtimeMs / 1000));
}

/** It goes off after the last of the old mail is gone from the replica. */
function isBrakeOn(): boolean {
  using reader = openStateReader(join(bench.state, "source.db"));
  return isBraked(reader.meta(BRAKE_KEY));
}

function ownerOf(path: string): string {
  const { uid, gid, mode } = statSync(path);
  return `${uid}:${gid} ${(mode & 0o777).toString(8)}`;
}
