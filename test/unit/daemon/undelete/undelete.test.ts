/** `undelete list` and `restore` on small stores: what they name, what they put where, and what they refuse. */
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
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { MailtwinError } from "../../../../src/base/errors.js";
import { oneAtATime } from "../../../../src/daemon/reject/one-at-a-time.js";
import { listRemoved } from "../../../../src/daemon/undelete/list-command.js";
import { restoreAlone, restoreRemoved } from "../../../../src/daemon/undelete/restore-command.js";
import type { RestoreFlags } from "../../../../src/daemon/undelete/restoring.js";
import { openStateReader } from "../../../../src/log/state-reader.js";
import { type LimboRow, NO_EFFECT } from "../../../../src/log/state-types.js";
import { openStateWriter } from "../../../../src/log/state-writer.js";
import { type Bench, filledBench } from "../../../live/twin/small-store.js";

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

const cur = (user = "u1/Maildir") => join(bench.source, user, "cur");
const fresh = (user = "u1/Maildir") => readdirSync(join(bench.source, user, "new"));

/** Two messages of u1's INBOX, and her folder, are removed. Made once, and copied for each test. */
beforeAll(async () => {
  bench = filledBench();
  await bench.sync();
  const names = readdirSync(cur()).sort().slice(0, 2);
  bodies = new Map(names.map((name) => [name.replace(/:.*/, ""), readFileSync(join(cur(), name))]));
  for (const name of names) unlinkSync(join(cur(), name));
  renameSync(join(bench.source, "u1/Maildir/.Work"), join(bench.dir, "gone"));
  const run = await bench.sync();
  expect(run.code, JSON.stringify(run)).toBe(0);
  renameSync(bench.dir, `${bench.dir}.made`);
}, 60_000);
beforeEach(() => {
  [out, err] = ["", ""];
  cpSync(`${bench.dir}.made`, bench.dir, { recursive: true, preserveTimestamps: true });
});
afterEach(() => bench[Symbol.dispose]());
afterAll(() => rmSync(`${bench.dir}.made`, { recursive: true }));

const sizes = () => rows().flatMap(({ uid, size }) => (uid > 0 ? [size] : []));
const here = () => ({ state: bench.state });
function list(flags: Parameters<typeof listRemoved>[2] = {}): Record<string, unknown>[] {
  out = "";
  expect(listRemoved(bench.source, bench.replica, { ...here(), json: true, ...flags }, output)).toBe(0);
  return linesOf();
}
function restore(flags: RestoreFlags): { code: number; reports: Record<string, unknown>[] } {
  out = "";
  const code = restoreRemoved(bench.source, bench.replica, { ...here(), json: true, ...flags }, output);
  return { code, reports: linesOf() };
}
function linesOf(): Record<string, unknown>[] {
  return out
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}
function rows(): readonly LimboRow[] {
  using reader = openStateReader(join(bench.state, "replica.db"));
  return reader.limbo();
}
const message = (): LimboRow => rows().find(({ uid }) => uid > 0) as LimboRow;
const folder = (): LimboRow => rows().find(({ uid }) => uid === 0) as LimboRow;
const limbo = (name: string) => join(bench.dir, ".replica.mailtwin/limbo", name);
const refused = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    return `${(error as MailtwinError).code}: ${(error as MailtwinError).message}`;
  }
  return "nothing was refused";
};

describe("list", () => {
  test("whose it was, where, when, why, and whether it is there", () => {
    expect(list({ user: "u1", mailbox: "INBOX" })).toMatchObject([
      {
        kind: "message",
        user: "u1",
        folder: "INBOX",
        path: "u1/Maildir",
        cause: "expunge",
        isThere: true,
        size: sizes()[0],
      },
      {
        kind: "message",
        user: "u1",
        folder: "INBOX",
        path: "u1/Maildir",
        cause: "expunge",
        isThere: true,
        size: sizes()[1],
      },
    ]);
    expect(list({ user: "u1", mailbox: "Work" })).toMatchObject([{ kind: "mailbox", folder: ".Work", uid: 0 }]);
    expect([list({ user: "u2" }), list({ since: "2100-01-01" })]).toEqual([[], []]);
    expect([list({ since: "1h" }).length, list({ since: "2020-01-01T12:00Z" }).length]).toEqual([3, 3]);
    unlinkSync(limbo(message().name));
    expect(list().map(({ isThere }) => isThere)).toContain(false);
  });

  test("for people, in columns, with nothing that steers a terminal", async () => {
    const evil = { ...message(), path: "u1/Maildir/.\u001b[31mred" as never };
    await using writer = await openStateWriter(join(bench.state, "replica.db"), { create: false });
    await writer.recordEffect({ ...NO_EFFECT, limbo: [evil] });
    out = "";
    listRemoved(bench.source, bench.replica, here(), output);
    expect(out).toMatch(/^REMOVED +USER +MAILBOX +UID +SIZE +CAUSE +FILE +NAME\n/);
    expect(out).toMatch(/u1 +\.Work +all +- +delete +there +20/);
    expect(out).not.toContain("\u001b");
    expect(out).not.toMatch(/Subject/);
  });

  test.each([
    [[undefined, undefined, { state: "/nowhere" }], /^usage: .*--state and --scratch go together/],
    [
      [undefined, undefined, { state: "/nowhere", scratch: "/no" }],
      /^limbo-missing: .*there is no \/nowhere\/replica\.db/,
    ],
    [["/src", undefined, {}], /^usage: .*SRC stands without DST/],
    [["/src", "/dst", { store: "mail" }], /^usage: .*for stores of the daemon/],
  ] as const)("refuses %j", ([source, destination, flags], words) => {
    expect(refused(() => listRemoved(source, destination, flags, output))).toMatch(words);
  });

  test("what is no time", () => {
    expect(refused(() => list({ since: "yesterday" }))).toMatch(/^usage: .*--since "yesterday": that is no time/);
  });

  test("of the replicas of the daemon, by its configuration; its source is elsewhere", () => {
    const [stateDir, config] = [join(bench.dir, "daemon"), join(bench.dir, "mailtwin.toml")];
    const tables = [
      '[peer.a]\nmay_write = ["mail"]',
      `[store.mail]\npath = "${bench.replica}"`,
      '[store.mail.source]\npeer = "a"',
    ];
    const top = `state_dir = "${stateDir}"\n[listen]\nunix = ["${join(bench.dir, "s")}"]`;
    writeFileSync(config, [top, ...tables].join("\n"), { mode: 0o600 });
    expect(refused(() => listRemoved(undefined, undefined, { config }, output))).toMatch(
      /^limbo-missing: .*limbo of mail/,
    );
    cpSync(bench.state, join(stateDir, "stores/mail"), { recursive: true });
    listRemoved(undefined, undefined, { config, json: true }, output);
    expect(linesOf()).toMatchObject([{ store: "mail", isThere: true }, { isThere: true }, { isThere: true }]);
    const other = { config, store: "other" };
    expect(refused(() => listRemoved(undefined, undefined, other, output))).toMatch(/^limbo-missing: .*no store other/);
    const wish = { config, user: "u1", all: true };
    expect(refused(() => restoreRemoved(undefined, undefined, wish, output))).toMatch(
      /^usage: .*on another host: --to/,
    );
  });

  test("a state directory and its limbo alone", () => {
    out = "";
    listRemoved(undefined, undefined, { ...here(), scratch: join(bench.dir, ".replica.mailtwin"), json: true }, output);
    expect(linesOf()).toHaveLength(3);
  });
});

describe("restore", () => {
  test("a message, as a new file of its mailbox, with its bytes, date, owner and mode", () => {
    const { base, name, uid } = message();
    const before = statSync(limbo(name));
    const { code, reports } = restore({ user: "u1", mailbox: "INBOX", uid: [String(uid)] });
    expect([code, reports]).toMatchObject([0, [{ event: "restored", to: "u1/Maildir", uid, from: name }]]);
    const [file = ""] = fresh();
    expect(fresh()).toHaveLength(1);
    expect(file).not.toContain(base.replace(/,.*/, ""));
    expect(file.replace(/^.*?(,|$)/, "$1")).toBe(base.replace(/^.*?(,|$)/, "$1")); // what Dovecot noted of its size.
    const path = join(bench.source, "u1/Maildir/new", file);
    expect(readFileSync(path)).toEqual(bodies.get(base));
    const [stat, box] = [statSync(path), statSync(join(bench.source, "u1/Maildir"))];
    expect(Math.floor(stat.mtimeMs / 1000)).toBe(Math.floor(before.mtimeMs / 1000));
    expect([stat.uid, stat.gid, stat.mode & 0o777]).toEqual([box.uid, box.gid, box.mode & 0o666]);
    expect(readdirSync(join(bench.source, "u1/Maildir/tmp"))).toEqual([]);
    expect([existsSync(limbo(name)), rows().length]).toEqual([true, 3]);
  });

  test("not twice while it is there, and again when it is gone, under another name", () => {
    const wish = { name: [message().name] };
    restore(wish);
    const [first = ""] = fresh();
    expect(restore(wish)).toMatchObject({ code: 0, reports: [{ event: "already-restored", file: first }] });
    renameSync(join(bench.source, "u1/Maildir/new", first), join(cur(), `${first}:2,S`)); // a client has seen it.
    expect(restore(wish).reports).toMatchObject([{ event: "already-restored" }]);
    unlinkSync(join(cur(), `${first}:2,S`));
    expect(restore(wish).reports).toMatchObject([{ event: "restored" }]);
    expect(fresh()).not.toEqual([first]);
  });

  test("it is replicated as new mail, and the old UID does not come back", async () => {
    restore({ user: "u1", mailbox: "INBOX", all: true });
    expect((await bench.sync()).code).toBe(0);
    const uidlist = readFileSync(join(bench.replica, "u1/Maildir/dovecot-uidlist"), "latin1");
    const uids = [...uidlist.matchAll(/^(\d+) :/gm)].map(([, uid]) => Number(uid));
    expect(uids).toEqual(expect.arrayContaining([5, 6]));
    expect(uids).toHaveLength(4);
    for (const { uid } of rows()) if (uid > 0) expect(uids).not.toContain(uid);
  });

  test("a dry run says the same, and writes nothing", () => {
    const { code, reports } = restore({ user: "u1", mailbox: "INBOX", all: true, dryRun: true });
    expect([code, reports.map(({ event }) => event), fresh()]).toEqual([0, ["would-restore", "would-restore"], []]);
    restore({ user: "u1", all: true, to: join(bench.dir, "made"), dryRun: true });
    expect(existsSync(join(bench.dir, "made"))).toBe(false);
  });

  test("of a mailbox that is gone: into the INBOX, and it says so; with no INBOX it stays", () => {
    const all = { user: "u1", mailbox: "Work", all: true };
    const { code, reports } = restore(all);
    expect(code).toBe(0);
    expect(reports).toHaveLength(3);
    for (const it of reports)
      expect(it).toMatchObject({ event: "restored", to: "u1/Maildir", words: "its mailbox is gone at the source" });
    expect(fresh()).toHaveLength(3);
    rmSync(join(bench.source, "u1"), { recursive: true });
    expect(restore(all)).toMatchObject({ code: 1, reports: [{ event: "not-restored", words: /neither its mailbox/ }] });
  });

  test("of a mailbox that has another name now: under that one, and never with another user", () => {
    renameSync(join(bench.dir, "gone"), join(bench.source, "u1/Maildir/.Later"));
    return bench.sync().then(() => {
      restore({ user: "u1", mailbox: "Work", all: true });
      expect(readdirSync(join(bench.source, "u1/Maildir/.Later/new"))).toHaveLength(3);
    });
  });

  test("never through a link, and one that fails keeps no other one", () => {
    rmSync(join(bench.source, "u1/Maildir/new"), { recursive: true });
    mkdirSync(join(bench.dir, "elsewhere"));
    symlinkSync(join(bench.dir, "elsewhere"), join(bench.source, "u1/Maildir/new"));
    const { code, reports } = restore({ user: "u1", mailbox: "INBOX", all: true });
    expect([code, reports.map(({ event }) => event)]).toEqual([1, ["not-restored", "not-restored"]]);
    expect([readdirSync(join(bench.dir, "elsewhere")), readdirSync(join(bench.source, "u1/Maildir/tmp"))]).toEqual([
      [],
      [],
    ]);
    rmSync(join(bench.source, "u1/Maildir/new"));
    unlinkSync(limbo(message().name));
    const some = restore({ user: "u1", mailbox: "INBOX", all: true });
    expect(some.code).toBe(1);
    expect(some.reports.map(({ event }) => event).sort()).toEqual(["not-restored", "restored"]);
  });

  test("into a Maildir that is named: it is made for us alone", () => {
    const to = join(bench.dir, "carry");
    expect(restore({ user: "u1", all: true, to })).toMatchObject({ code: 0 });
    expect(readdirSync(join(to, "new"))).toHaveLength(5);
    expect(statSync(to).mode & 0o777).toBe(0o700);
    expect(fresh()).toEqual([]);
    writeFileSync(join(bench.dir, "file"), "");
    expect(refused(() => restore({ user: "u1", all: true, to: join(bench.dir, "file") }))).toMatch(
      /^destination-unusable: making the Maildir .*ENOTDIR|EEXIST/,
    );
  });

  test("other bytes than the source has noted stay where they are, unless they are to come elsewhere", () => {
    const files = [
      limbo(message().name),
      ...readdirSync(limbo(`${folder().name}/cur`)).map((name) => limbo(`${folder().name}/cur/${name}`)),
    ];
    for (const file of files) writeFileSync(file, readFileSync(file).reverse());
    const { code, reports } = restore({ user: "u1", all: true });
    expect([code, fresh(), readdirSync(join(bench.source, "u1/Maildir/tmp"))]).toEqual([1, [expect.anything()], []]);
    const refusals = reports.filter(({ event }) => event === "not-restored");
    expect(refusals).toHaveLength(4);
    for (const it of refusals)
      expect(it).toMatchObject({ words: expect.stringMatching(/not those that the source had/) });
    expect(restore({ user: "u1", all: true, to: join(bench.dir, "as-they-are") })).toMatchObject({ code: 0 });
    expect(readdirSync(join(bench.dir, "as-they-are/new"))).toHaveLength(5);
  });

  test("two at once put each message back once", async () => {
    const flags = { ...here(), json: true, user: "u1", all: true };
    const both = await Promise.all([1, 2].map(() => restoreAlone(bench.source, bench.replica, flags, output)));
    expect([both, fresh().length]).toEqual([[0, 0], 5]);
    const held = await oneAtATime(bench.state);
    let isDone = false;
    const third = restoreAlone(bench.source, bench.replica, flags, output).then(() => {
      isDone = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(isDone).toBe(false);
    held[Symbol.dispose]();
    await third;
  });

  test("what was a copy is meant by its name alone", async () => {
    const copy = { ...message(), cause: "copy" };
    await using writer = await openStateWriter(join(bench.state, "replica.db"), { create: false });
    await writer.recordEffect({ ...NO_EFFECT, limbo: [copy] });
    expect(restore({ user: "u1", mailbox: "INBOX", all: true, dryRun: true }).reports).toHaveLength(1);
    expect(restore({ name: [copy.name], dryRun: true }).reports).toHaveLength(1);
  });

  test("the words for people", () => {
    const { uid, name } = message();
    out = "";
    restoreRemoved(bench.source, bench.replica, { ...here(), name: [name] }, output);
    expect(out).toBe(
      `restored: UID ${uid} of u1/Maildir (${name}) into u1/Maildir\n` +
        "restored 1 message as new mail; what is in the limbo stays there until its time is up\n",
    );
    rmSync(limbo(folder().name), { recursive: true });
    expect(restoreRemoved(bench.source, bench.replica, { ...here(), name: [folder().name] }, output)).toBe(1);
    expect(err).toMatch(/^not restored: mail of u1\/Maildir\/\.Work .*: its file is gone from the limbo\n$/);
  });

  test.each<[RestoreFlags, RegExp]>([
    [{}, /^usage: .*one of --uid, --name and --all/],
    [{ all: true, uid: ["1"], mailbox: "INBOX" }, /^usage: .*one of --uid, --name and --all/],
    [{ all: true }, /^usage: .*--all needs --mailbox, or -u USER/],
    [{ uid: ["1"] }, /^usage: .*--uid needs --mailbox/],
    [{ uid: ["x"], mailbox: "INBOX" }, /^usage: .*--uid "x" is no UID/],
    [{ uid: ["4000"], mailbox: "INBOX", user: "u1" }, /^not-in-limbo: .*nothing in the limbo had such a UID/],
    [{ name: ["2026-01-01/x"] }, /^not-in-limbo: .*2026-01-01\/x is not in the limbo/],
  ])("refuses %j", (flags, words) => {
    expect(refused(() => restore(flags))).toMatch(words);
    const twins = { ...flags, ...here(), scratch: join(bench.dir, ".replica.mailtwin") };
    if (flags.name === undefined) return;
    expect(refused(() => restoreRemoved(undefined, undefined, twins, output))).toMatch(
      /^usage: .*on another host: --to/,
    );
  });
});
