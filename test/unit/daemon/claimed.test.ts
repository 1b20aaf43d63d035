/** Mallory, who knows the GUID of Zed's mailbox and writes it into his own uidlist: on neither side he gets Zed's mail. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { giveAll } from "../../live/twin/alice.js";
import { rawDifferences, treeState } from "../../live/twin/raw-compare.js";
import { type Bench, eventsOf, makeMailbox, openBench, summaryOf } from "../../live/twin/small-store.js";

const isRoot = process.getuid?.() === 0;
const [MALLORY, ZED] = [71_002, 71_003].map((id) => ({ uid: id, gid: id }));
const TREES = [
  { tree: "by user", top: "", separate: isRoot },
  { tree: "by domain", top: "example.org/", separate: isRoot },
  { tree: "by domain, one uid for all", top: "example.org/", separate: false },
] as const;

interface Users {
  readonly top: string;
  /** Each has a uid of his own. */
  readonly separate: boolean;
}

function give(store: string, { top, separate }: Users): void {
  if (!separate) return;
  for (const [user, owner] of [["mallory", MALLORY] as const, ["zed", ZED] as const])
    if (owner !== undefined && existsSync(join(store, top, user))) giveAll(join(store, top, user), owner);
}

async function twinned(users: Users): Promise<Bench> {
  const bench = openBench();
  for (const [i, path] of ["mallory/Maildir", "zed/Maildir", "zed/Maildir/.F"].entries())
    makeMailbox(bench.source, users.top + path, { messages: 2, seed: 10 * (i + 1) });
  give(bench.source, users);
  expect((await bench.sync()).code).toBe(0);
  return bench;
}

const textIn = (dir: string): string => readFileSync(join(dir, "dovecot-uidlist"), "latin1");
const headerIn = (dir: string): string => textIn(dir).split("\n")[0] ?? "";
const mailIn = (dir: string): readonly string[] => (existsSync(join(dir, "cur")) ? readdirSync(join(dir, "cur")) : []);

/** A mailbox of Mallory's with one message of his own, under the header of Zed's. */
function plant(store: string, path: string, header: string, { top }: Users): string {
  const dir = makeMailbox(store, `${top}mallory/Maildir/${path}`, { messages: 1, seed: 500 });
  const [, ...records] = textIn(dir).split("\n");
  writeFileSync(join(dir, "dovecot-uidlist"), [header, ...records].join("\n"));
  return dir;
}

describe.each(TREES)("in a tree $tree", (users) => {
  const { top } = users;

  test("a folder that Zed deletes in SRC is not the one that Mallory plants", async () => {
    using bench = await twinned(users);
    const zeds = join(bench.source, `${top}zed/Maildir/.F`);
    const files = mailIn(zeds);
    plant(bench.source, ".y", headerIn(zeds), users);
    rmSync(zeds, { recursive: true });
    makeMailbox(bench.source, `${top}zed/Maildir/.F`, { messages: 1, seed: 700 });
    give(bench.source, users);
    for (const _run of [1, 2]) await bench.sync();
    const theirs = mailIn(join(bench.replica, `${top}mallory/Maildir/.y`));
    expect(theirs.filter((name) => files.includes(name))).toEqual([]);
    expect(rawDifferences(bench.source, bench.replica)).toStrictEqual([]);
    const all = readdirSync(bench.dir, { recursive: true }).map(String);
    for (const name of files) expect(all.some((at) => at.includes("/limbo/") && at.endsWith(name))).toBe(true);
  });

  test("a folder that is removed in DST is made anew, and Mallory's stays what it is", async () => {
    using bench = await twinned(users);
    const zeds = join(bench.replica, `${top}zed/Maildir/.F`);
    const planted = plant(bench.replica, ".y", headerIn(zeds), users);
    give(bench.replica, users);
    rmSync(zeds, { recursive: true });
    const before = treeState(planted);
    const run = await bench.sync("--foreign", "keep");
    expect(run.code, JSON.stringify(run)).toBe(0);
    expect(JSON.stringify(eventsOf(run, "conflict"))).not.toContain("renamed");
    expect(mailIn(zeds)).toHaveLength(2);
    expect(treeState(planted)).toStrictEqual(before);
    rmSync(planted, { recursive: true });
    expect(rawDifferences(bench.source, bench.replica)).toStrictEqual([]);
  });

  test("with a filled DST and no state, Mallory's copy of the identity moves none of Zed's mail", async () => {
    using bench = await twinned(users);
    const zeds = join(bench.replica, `${top}zed/Maildir`);
    const files = mailIn(zeds);
    rmSync(bench.state, { recursive: true });
    plant(bench.source, ".x", headerIn(join(bench.source, `${top}zed/Maildir`)), users);
    rmSync(join(bench.source, `${top}zed`), { recursive: true });
    give(bench.source, users);
    const run = await bench.sync("--foreign", "keep");
    expect(run.code, JSON.stringify(run)).toBe(0);
    expect(mailIn(zeds)).toEqual(files);
    expect(mailIn(join(bench.replica, `${top}mallory/Maildir/.x`))).toHaveLength(1);
  });

  test("two that come new with one GUID are named, and neither is twinned", async () => {
    using bench = openBench();
    const zeds = makeMailbox(bench.source, `${top}zed/Maildir`, { messages: 2, seed: 3 });
    makeMailbox(bench.source, `${top}mallory/Maildir`, { messages: 1, seed: 4 });
    const planted = plant(bench.source, ".x", headerIn(zeds), users);
    give(bench.source, users);
    const run = await bench.sync();
    expect(run.code).toBe(1);
    const codes = eventsOf(run, "problem").map(({ path, code }) => [path, code]);
    expect(codes).toEqual([`mallory/Maildir/.x`, "zed/Maildir"].map((path) => [top + path, "mailbox-guid-twice"]));
    expect(summaryOf(run)).toMatchObject({ mailboxes: 1 });
    rmSync(planted, { recursive: true });
    expect((await bench.sync()).code).toBe(0);
    expect(rawDifferences(bench.source, bench.replica)).toStrictEqual([]);
  });
});

test("a folder of Zed's own that he renames in DST gets its name back, also from a directory that was made anew", async () => {
  const users = { top: "", separate: isRoot };
  using bench = await twinned(users);
  const [zeds, other] = [".F", ".G"].map((name) => join(bench.replica, "zed/Maildir", name));
  if (zeds === undefined || other === undefined) throw new Error("unreachable");
  mkdirSync(other);
  for (const name of readdirSync(zeds)) renameSync(join(zeds, name), join(other, name));
  rmSync(zeds, { recursive: true });
  give(bench.replica, users);
  const run = await bench.sync();
  expect(run.code, JSON.stringify(run)).toBe(0);
  expect(eventsOf(run, "conflict")).toMatchObject([{ words: expect.stringContaining("gets its name back") }]);
  expect(rawDifferences(bench.source, bench.replica)).toStrictEqual([]);
});

test.skipIf(!isRoot)(
  "a mailbox that is given to another user is deleted and made anew [needs root to give it]",
  async () => {
    using bench = await twinned({ top: "", separate: true });
    renameSync(join(bench.source, "zed/Maildir/.F"), join(bench.source, "mallory/Maildir/.F"));
    giveAll(join(bench.source, "mallory/Maildir/.F"), { uid: 71_002, gid: 71_002 });
    const run = await bench.sync();
    expect(run.code, JSON.stringify(run)).toBe(0);
    expect(summaryOf(run)).toMatchObject({ mailboxesDeleted: 1, mailboxesMade: 1, mailboxesRenamed: 0 });
    expect(rawDifferences(bench.source, bench.replica)).toStrictEqual([]);
  },
);
