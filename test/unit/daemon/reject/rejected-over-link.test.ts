/** What the brake holds back of a `sync` to HOST:DST is brought back at the source over ssh, from what replication has written there. */
import {
  chownSync,
  cpSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import type { MailtwinError } from "../../../../src/base/errors.js";
import { FETCHED } from "../../../../src/daemon/reject/fetched-copies.js";
import type { RejectFlags } from "../../../../src/daemon/reject/reject-command.js";
import { rawDifferences, treeState } from "../../../live/twin/raw-compare.js";
import { type Bench, summaryOf } from "../../../live/twin/small-store.js";
import { brakedBench, filesIn, INBOX, MANY, mailIn, type Rejected, rejectTo, rejectWith, WORK } from "./bench.js";
import { openBenchOverSsh, overSsh } from "./over-ssh.js";

let bench: Bench;

/** Made once, and copied for each test. Its folder takes more than one turn to be fetched. */
beforeAll(async () => {
  bench = await brakedBench({ bytes: 20_000, open: openBenchOverSsh });
  renameSync(bench.dir, `${bench.dir}.made`);
}, 180_000);
beforeEach(async () => {
  cpSync(`${bench.dir}.made`, bench.dir, { recursive: true, preserveTimestamps: true });
  expect((await bench.sync()).code).toBe(1); // it is to be the directory that the last run saw.
}, 60_000);
afterEach(() => bench[Symbol.dispose]());
afterAll(() => rmSync(`${bench.dir}.made`, { recursive: true }));

const source = (path: string) => join(bench.source, path);

function reject(flags: RejectFlags = {}, there?: string): Promise<Rejected> {
  const { destination, rsh, remoteMailtwin } = overSsh(bench, there);
  return rejectTo(bench, destination, { rsh, remoteMailtwin, ...flags });
}

const refused = async (flags: RejectFlags): Promise<string> => {
  try {
    await reject(flags);
  } catch (error) {
    return `${(error as MailtwinError).code}: ${(error as MailtwinError).message}`;
  }
  return "nothing was refused";
};

test("all of it comes back from the other host, once, and then both are equal", async () => {
  const [kept, inbox] = [mailIn(bench.replica, WORK), mailIn(bench.replica, INBOX)];
  const replica = treeState(bench.replica);
  const first = await reject();
  expect([first.code, first.err]).toEqual([0, ""]);
  expect(first.out).toMatch(
    new RegExp(
      `^u1/Maildir: restored 2 messages\nu1/Maildir/.Work: restored ${MANY} messages \\(the mailbox is made anew\\)\nrestored ${MANY + 2} messages in 2 mailboxes as new mail;`,
    ),
  );
  expect(mailIn(bench.source, WORK)).toEqual(kept);
  expect(mailIn(bench.source, INBOX).sort()).toEqual(inbox.sort());
  expect(treeState(bench.replica)).toStrictEqual(replica);
  expect(existsSync(join(bench.state, FETCHED))).toBe(false);
  expect((await reject()).out).toMatch(
    /^u1\/Maildir: 2 messages came back before\n.*: 255 messages came back before\n/,
  );
  const run = await bench.sync();
  expect(run.code, JSON.stringify(run)).toBe(0);
  expect(summaryOf(run)).toMatchObject({ saves: MANY + 2, expunges: MANY + 2, mailboxesDeleted: 0 });
  expect(rawDifferences(bench.source, bench.replica)).toEqual([]);
}, 120_000);

test("a dry run says so, and writes nothing on either side", async () => {
  const trees = () => [treeState(bench.source), treeState(bench.replica), existsSync(join(bench.state, FETCHED))];
  const before = trees();
  const { code, reports } = await reject({ dryRun: true, json: true });
  expect(trees()).toStrictEqual(before);
  expect([code, reports.length, new Set(reports.map(({ event }) => event))]).toEqual([
    0,
    MANY + 2,
    new Set(["would-restore"]),
  ]);
}, 60_000);

test("what the replica has not, or has otherwise, is named and stays held back; all else comes back", async () => {
  const [one = "", two = "", three = ""] = filesIn(bench.replica, WORK);
  const at = (name: string) => join(bench.replica, WORK, "cur", name);
  unlinkSync(at(one));
  truncateSync(at(two), 10);
  writeFileSync(at(three), readFileSync(at(three)).reverse());
  const { code, out, err } = await reject({ mailbox: WORK });
  expect([code, err.split("\n").slice(0, -1)]).toEqual([
    1,
    [
      `not restored: UID 1 of ${WORK}: it is not on the replica, or was not written there by replication`,
      expect.stringMatching(/^not restored: UID 2 of .*: its file on the replica is not one of \d+ bytes$/),
      `not restored: UID 3 of ${WORK}: its bytes on the replica are not those that the source had`,
    ],
  ]);
  expect(out).toMatch(/\nrestored 252 messages in 1 mailbox as new mail; 3 messages could not be, and stay held back;/);
}, 60_000);

test("of a host that has no record of that source nothing comes, and nothing is made", async () => {
  const before = treeState(bench.source);
  const { code, out, err } = await reject({}, "elsewhere");
  expect([code, out]).toEqual([1, "restored nothing; 257 messages could not be, and stay held back\n"]);
  expect(err).toMatch(/it has no record of what this source has sent/);
  expect(treeState(bench.source)).toStrictEqual(before);
}, 60_000);

test.runIf(process.getuid?.() === 0)(
  "a user whose own directory is gone, where users have owners of their own, waits for it to be made",
  async () => {
    chownSync(source("u2"), 4242, 4242); // it alone stands, and is not the store's owner's.
    rmSync(source("u1"), { recursive: true });
    const first = await reject({ mailbox: WORK });
    expect(first).toMatchObject({ code: 1, out: expect.stringMatching(/^restored nothing/) });
    expect(first.err).toMatch(/the directory of its user is gone, and whose it was is not known here/);
    expect(existsSync(source("u1"))).toBe(false);
    chownSync(source("u2"), 0, 0);
    expect((await reject({ mailbox: WORK })).code).toBe(0);
    expect(mailIn(bench.source, WORK)).toEqual(mailIn(bench.replica, WORK));
  },
  60_000,
);

test("a host that cannot be reached, and flags that do not fit, are refused before anything is done", async () => {
  const before = treeState(bench.source);
  expect(await refused({ rsh: "false" })).toMatch(/^(remote-ended|ssh-failed): /);
  expect(await refused({ replica: "b" })).toMatch(/^usage: .*--replica are for stores of the daemon/);
  expect(await refused({ control: "/x" })).toMatch(/^usage: .*--control/);
  expect(await refused({ rsh: "" })).toMatch(/^usage: .*rsh is empty/);
  await expect(rejectTo(bench, bench.replica, { rsh: "ssh" })).rejects.toThrow(/for a DST on another host/);
  expect(treeState(bench.source)).toStrictEqual(before);
}, 60_000);

test("of a store of the daemon the mail comes from its only replica, or the one that is named, and the daemon has to run", async () => {
  const [stateDir, config] = [join(bench.dir, "daemon"), join(bench.dir, "mailtwin.toml")];
  cpSync(bench.state, join(stateDir, "stores/mail"), { recursive: true });
  const configure = (...replicas: readonly string[]) => {
    const tables = replicas.map(
      (name) => `[store.mail.replica.${name}]\npeer = "${name}"\n[peer.${name}]\nmay_read = ["mail"]`,
    );
    const top = `state_dir = "${stateDir}"\ncontrol = "${join(bench.dir, "run/control")}"\n[listen]\nunix = ["${join(bench.dir, "s")}"]`;
    writeFileSync(config, [top, `[store.mail]\npath = "${bench.source}"`, ...tables].join("\n"), { mode: 0o600 });
  };
  const refusedOf = async (flags: RejectFlags) => {
    const failed = await rejectWith([], { config, ...flags }).catch((error: unknown) => error as MailtwinError);
    return "message" in failed ? `${failed.code}: ${failed.message}` : "nothing was refused";
  };
  configure("b", "c");
  expect(await refusedOf({})).toMatch(/^usage: .*name one with --replica \(b, c\); or --from DIR names/);
  expect(await refusedOf({ replica: "x" })).toMatch(/^usage: .*mail has no replica x: .*--from DIR names/);
  expect(await refusedOf({ replica: "b", from: bench.replica })).toMatch(/^usage: .*--from or --replica/);
  for (const replica of ["b", "mail/c"])
    expect(await refusedOf({ replica })).toMatch(/^daemon-not-running: .*without it --from DIR names a copy/);
  configure("b");
  expect(await refusedOf({})).toMatch(/^daemon-not-running: /);
  const copied = await rejectWith([], { config, from: bench.replica, dryRun: true });
  expect(copied).toMatchObject({ code: 0, out: expect.stringContaining("would restore 257 messages in 2 mailboxes") });
  const written = readFileSync(config, "utf8");
  writeFileSync(config, written.replace("[store.mail]", '[store.mail]\nsentinel = "store.here"'));
  const from = bench.replica;
  expect(await refusedOf({ from })).toMatch(/^store-missing: .*its sentinel store\.here is not there$/);
  writeFileSync(source("store.here"), "");
  expect(await rejectWith([], { config, from, dryRun: true })).toMatchObject({ code: 0, out: copied.out });
}, 60_000);
