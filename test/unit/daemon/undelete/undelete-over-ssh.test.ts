/** `undelete list` and `restore` of a `sync` to HOST:DST: over ssh, from the limbo over there, into the source as the local ones put it. */
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
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import type { MailtwinError } from "../../../../src/base/errors.js";
import { FETCHED } from "../../../../src/daemon/reject/fetched-copies.js";
import { listRemoved } from "../../../../src/daemon/undelete/list-command.js";
import { listFar } from "../../../../src/daemon/undelete/list-far.js";
import { restoreFar } from "../../../../src/daemon/undelete/restore-far.js";
import type { RestoreFlags } from "../../../../src/daemon/undelete/restoring.js";
import { openStateReader } from "../../../../src/log/state-reader.js";
import type { LimboRow } from "../../../../src/log/state-types.js";
import { rawDifferences, treeState } from "../../../live/twin/raw-compare.js";
import { type Bench, makeMailbox } from "../../../live/twin/small-store.js";
import { linesOf, start } from "../mailtwin.js";
import { openBenchOverSsh, overSsh } from "../reject/over-ssh.js";

const INBOX = "u1/Maildir";
const MANY = 40;
let bench: Bench;
let bodies: ReadonlyMap<string, Buffer>;
let out: string;
let err: string;
const output = {
  out: (text: string) => {
    out += text;
  },
  err: (text: string) => {
    err += text;
  },
} as never;

/** Two messages of u1's INBOX, and her folder, are removed. Made once, and copied for each test. */
beforeAll(async () => {
  bench = openBenchOverSsh();
  makeMailbox(bench.source, INBOX, { messages: 4 });
  makeMailbox(bench.source, `${INBOX}/.Work`, { messages: MANY, bytes: 200_000, seed: 10 });
  makeMailbox(bench.source, "u2/Maildir", { messages: 2, seed: 20 });
  expect((await bench.sync()).code).toBe(0);
  const cur = join(bench.source, INBOX, "cur");
  const names = readdirSync(cur).sort().slice(0, 2);
  bodies = new Map(names.map((name) => [name.replace(/:.*/, ""), readFileSync(join(cur, name))]));
  for (const name of names) unlinkSync(join(cur, name));
  renameSync(join(bench.source, `${INBOX}/.Work`), join(bench.dir, "gone"));
  const run = await bench.sync();
  expect(run.code, JSON.stringify(run)).toBe(0);
  renameSync(bench.dir, `${bench.dir}.made`);
}, 120_000);
beforeEach(async () => {
  [out, err] = ["", ""];
  cpSync(`${bench.dir}.made`, bench.dir, { recursive: true, preserveTimestamps: true });
  expect((await bench.sync()).code).toBe(0); // it is to be the directory that the last run saw.
}, 60_000);
afterEach(() => bench[Symbol.dispose]());
afterAll(() => rmSync(`${bench.dir}.made`, { recursive: true }));

const fresh = (path = INBOX) => readdirSync(join(bench.source, path, "new"));
const limbo = (name: string) => join(bench.dir, ".replica.mailtwin/limbo", name);

/** Where the other host keeps its state of that source. */
function thereState(): string {
  const all = join(bench.dir, "there/mailtwin");
  const [name = ""] = readdirSync(all).filter((each) => existsSync(join(all, each, "replica.db")));
  return join(all, name);
}

function rows(): readonly LimboRow[] {
  using reader = openStateReader(join(thereState(), "replica.db"));
  return reader.limbo();
}
const message = (): LimboRow => rows().find(({ uid }) => uid > 0) as LimboRow;
const folder = (): LimboRow => rows().find(({ uid }) => uid === 0) as LimboRow;

function linesOfOut(): Record<string, unknown>[] {
  return out
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

async function list(flags: Parameters<typeof listFar>[2] = {}, there?: string): Promise<Record<string, unknown>[]> {
  out = "";
  const { destination, ...how } = overSsh(bench, there);
  expect(await listFar(bench.source, destination, { state: bench.state, json: true, ...how, ...flags }, output)).toBe(
    0,
  );
  return flags.json === false ? [] : linesOfOut();
}

async function restore(flags: RestoreFlags): Promise<{ code: number; reports: Record<string, unknown>[] }> {
  out = "";
  const { destination, ...how } = overSsh(bench);
  const code = await restoreFar(
    bench.source,
    destination,
    { state: bench.state, json: true, ...how, ...flags },
    output,
  );
  return { code, reports: flags.json === false ? [] : linesOfOut() };
}

const refused = async (work: () => Promise<unknown>): Promise<string> => {
  try {
    await work();
  } catch (error) {
    return `${(error as MailtwinError).code}: ${(error as MailtwinError).message}`;
  }
  return "nothing was refused";
};

test("the list is what the other host itself tells", async () => {
  const told = await list();
  out = "";
  const scratch = join(bench.dir, ".replica.mailtwin");
  listRemoved(undefined, undefined, { state: thereState(), scratch, json: true }, output);
  const own = linesOfOut().map((row) => ({ ...row, store: `b.example.org:${bench.replica}` }));
  expect(told).toEqual(own);
  expect(told.map(({ kind, isThere }) => `${String(kind)} ${String(isThere)}`).sort()).toEqual([
    "mailbox true",
    "message true",
    "message true",
  ]);
  expect([await list({ user: "u2" }), await list({ since: "2100-01-01" })]).toEqual([[], []]);
  expect([(await list({ since: "1h" })).length, (await list({ user: "u1", mailbox: "INBOX" })).length]).toEqual([3, 2]);
  unlinkSync(limbo(message().name));
  expect((await list()).map(({ isThere }) => isThere)).toContain(false);
  await list({ json: false });
  expect(out).toMatch(/^REMOVED +USER +MAILBOX +UID +SIZE +CAUSE +FILE +NAME\n/);
}, 60_000);

test("a message comes back once, with its bytes, date, owner and mode, and is replicated under a new UID", async () => {
  const { base, name, uid } = message();
  const before = statSync(limbo(name));
  const replica = treeState(bench.replica);
  const wish = { user: "u1", mailbox: "INBOX", uid: [String(uid)] };
  expect(await restore(wish)).toMatchObject({ code: 0, reports: [{ event: "restored", to: INBOX, uid, from: name }] });
  const [file = ""] = fresh();
  expect(fresh()).toHaveLength(1);
  expect(file.replace(/^.*?(,|$)/, "$1")).toBe(base.replace(/^.*?(,|$)/, "$1")); // what Dovecot noted of its size.
  const path = join(bench.source, INBOX, "new", file);
  expect(readFileSync(path)).toEqual(bodies.get(base));
  const [stat, box] = [statSync(path), statSync(join(bench.source, INBOX))];
  expect(Math.floor(stat.mtimeMs / 1000)).toBe(Math.floor(before.mtimeMs / 1000));
  expect([stat.uid, stat.gid, stat.mode & 0o777]).toEqual([box.uid, box.gid, box.mode & 0o666]);
  expect([readdirSync(join(bench.source, INBOX, "tmp")), existsSync(join(bench.state, FETCHED))]).toEqual([[], false]);
  expect([existsSync(limbo(name)), treeState(bench.replica)]).toEqual([true, replica]);
  expect(await restore({ name: [name] })).toMatchObject({ code: 0, reports: [{ event: "already-restored", file }] });
  expect((await bench.sync()).code).toBe(0);
  expect(rawDifferences(bench.source, bench.replica)).toEqual([]);
  const uidlist = readFileSync(join(bench.replica, INBOX, "dovecot-uidlist"), "latin1");
  const uids = [...uidlist.matchAll(/^(\d+) :/gm)].map(([, each]) => Number(each));
  expect([uids, uids.includes(uid)]).toEqual([[3, 4, 5], false]);
}, 60_000);

test("a deleted mailbox comes back into one of its name, else into INBOX; a dry run says the same and writes nothing", async () => {
  const all = { user: "u1", mailbox: "Work", all: true };
  const trees = () => [treeState(bench.source), treeState(bench.replica), existsSync(join(bench.state, FETCHED))];
  const before = trees();
  const dry = await restore({ ...all, dryRun: true });
  expect(trees()).toStrictEqual(before);
  expect([dry.code, dry.reports.length]).toEqual([0, MANY]);
  for (const it of dry.reports)
    expect(it).toMatchObject({ event: "would-restore", to: INBOX, words: "its mailbox is gone at the source" });
  makeMailbox(bench.source, `${INBOX}/.Work`, { messages: 0 });
  mkdirSync(join(bench.source, INBOX, ".Work/new"), { recursive: true });
  const { code, reports } = await restore(all);
  expect([code, new Set(reports.map(({ event, to }) => `${String(event)} ${String(to)}`))]).toEqual([
    0,
    new Set([`restored ${INBOX}/.Work`]),
  ]);
  const mailOf = (dir: string) => readdirSync(dir).map((each) => readFileSync(join(dir, each), "latin1"));
  const gone = mailOf(join(limbo(folder().name), "cur"));
  expect(mailOf(join(bench.source, INBOX, ".Work/new")).sort()).toEqual(gone.sort());
}, 120_000);

test("killed again and again it goes on, and each message is back once", async () => {
  const { destination, rsh, remoteMailtwin } = overSsh(bench);
  const wish = ["-u", "u1", "--mailbox", "Work", "--all", "--state", bench.state];
  const args = [
    "undelete",
    "restore",
    bench.source,
    destination,
    "-e",
    rsh,
    "--remote-mailtwin",
    remoteMailtwin,
    ...wish,
  ];
  for (const told of [1, 6, 13]) {
    const child = start(args, { cwd: bench.dir });
    child.stderr.resume();
    const lines = linesOf(child);
    for (let line = 0; line < told; line++) await lines.next();
    child.kill("SIGKILL");
    await new Promise((resolve) => child.once("close", resolve));
  }
  const last = await restore({ user: "u1", mailbox: "Work", all: true });
  expect([last.code, last.reports.length]).toEqual([0, MANY]);
  expect(new Set(last.reports.map(({ event }) => event))).toEqual(new Set(["already-restored", "restored"]));
  expect(fresh()).toHaveLength(MANY);
  const read = (dir: string) => readdirSync(dir).map((each) => readFileSync(join(dir, each), "latin1"));
  expect(read(join(bench.source, INBOX, "new")).sort()).toEqual(read(join(limbo(folder().name), "cur")).sort());
}, 120_000);

test("what is gone, or has other bytes than the source had, is named, and keeps no other one", async () => {
  const [first, second] = rows().filter(({ uid }) => uid > 0);
  unlinkSync(limbo(first?.name ?? ""));
  const all = { user: "u1", mailbox: "INBOX", all: true };
  const some = await restore(all);
  expect(some).toMatchObject({
    code: 1,
    reports: [{ event: "not-restored", words: "its file is gone from the limbo" }, { event: "restored" }],
  });
  for (const name of fresh()) unlinkSync(join(bench.source, INBOX, "new", name));
  const file = limbo(second?.name ?? "");
  writeFileSync(file, readFileSync(file).reverse());
  expect((await restore(all)).reports[1]).toMatchObject({
    event: "not-restored",
    words: expect.stringMatching(/not those that the source had/),
  });
  expect(fresh()).toEqual([]);
}, 60_000);

test("never through a link at the source, and with no INBOX it stays; --to puts it elsewhere on this host", async () => {
  const [box, elsewhere, all] = [join(bench.source, INBOX), join(bench.dir, "elsewhere"), { user: "u1", all: true }];
  rmSync(join(box, "new"), { recursive: true });
  mkdirSync(elsewhere);
  symlinkSync(elsewhere, join(box, "new"));
  const { code, reports } = await restore({ ...all, mailbox: "INBOX" });
  expect([code, reports.map(({ event }) => event)]).toEqual([1, ["not-restored", "not-restored"]]);
  expect([readdirSync(elsewhere), readdirSync(join(box, "tmp"))]).toEqual([[], []]);
  rmSync(join(bench.source, "u1"), { recursive: true });
  expect((await restore({ ...all, mailbox: "INBOX" })).reports[0]).toMatchObject({
    words: expect.stringMatching(/neither its mailbox/),
  });
  const to = join(bench.dir, "carry");
  expect(await restore({ ...all, to })).toMatchObject({ code: 0 });
  expect(readdirSync(join(to, "new"))).toHaveLength(MANY + 2);
}, 60_000);

test("of a host that has no record of that source, that cannot be reached, or flags that do not fit: nothing is made", async () => {
  const before = treeState(bench.source);
  const { destination, ...how } = overSsh(bench);
  const all = { user: "u1", all: true, state: bench.state };
  expect(await refused(() => list({}, "elsewhere"))).toMatch(/^compared-unsupported: .*no record of what this source/);
  expect(await refused(() => restore({ ...all, rsh: "false" }))).toMatch(/^(remote-ended|ssh-failed): /);
  expect(await refused(() => restore({ ...all, replica: "b" }))).toMatch(/^usage: .*--replica are for stores/);
  expect(await refused(() => restore({ ...all, scratch: "/x" }))).toMatch(/^usage: .*limbo on this host/);
  expect(await refused(() => restore({ ...all, rsh: "" }))).toMatch(/^usage: .*rsh is empty/);
  expect(await refused(() => restore({ state: bench.state }))).toMatch(/^usage: .*one of --uid, --name and --all/);
  expect(await refused(() => restore({ ...all, user: "u2" }))).toMatch(/^not-in-limbo: /);
  const nowhere = { ...all, ...how, state: join(bench.dir, "nowhere") };
  expect(await refused(() => restoreFar(bench.source, destination, nowhere, output))).toMatch(/^log-missing: /);
  expect(() => listRemoved(bench.source, bench.replica, { state: bench.state, rsh: "x" }, output)).toThrow(
    /another host/,
  );
  expect([treeState(bench.source), err]).toStrictEqual([before, ""]);
}, 60_000);
