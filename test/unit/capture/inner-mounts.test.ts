/** File systems inside of a store: what is mounted is played by a table, and by directories that are exchanged. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Mount } from "../../../src/base/mount-table.js";
import { BRAKE_LIMITS } from "../../../src/capture/brake.js";
import { CaptureBench, rawPath } from "./capture-bench.js";
import { type FakeMailbox, openFakeStore } from "./fake-dovecot.js";
import { expectEqualToDisk } from "./log-model.js";

interface MountBench {
  readonly bench: CaptureBench;
  /** In the store itself, and in two volumes. */
  readonly own: FakeMailbox;
  readonly a: FakeMailbox;
  readonly b: FakeMailbox;
  mount(path: string, fsType?: string): void;
  unmount(path: string): void;
  /** The volume is not mounted any more: an empty directory is there, or what lay below it. */
  lose(path: string): void;
  /** It is mounted again. */
  regain(path: string): void;
}

/** All is in the log. */
async function openMounts(): Promise<MountBench> {
  const store = openFakeStore();
  const table = new Map<string, string>();
  const mounts = (): Mount[] =>
    [...table].map(([path, fsType]) => {
      return { id: "1", dev: "8:1", root: "/", mountPoint: join(store.root, path), fsType };
    });
  const bench = await CaptureBench.open({}, { mounts }, store, BRAKE_LIMITS);
  const at = (path: string) => join(store.root, path);
  const hidden = (path: string) => `${store.root}-volume-${path}`;
  const all = { own: store.create("c/u"), a: store.create("a/u"), b: store.create("b/u") };
  for (const mailbox of Object.values(all)) for (let i = 0; i < 3; i++) mailbox.deliver({ info: ":2," });
  const mount = (path: string, fsType = "ext4") => void table.set(path, fsType);
  const unmount = (path: string) => void table.delete(path);
  mount("a");
  mount("b");
  bench.sweep();
  return {
    ...{ bench, ...all, mount, unmount },
    lose(path) {
      unmount(path);
      renameSync(at(path), hidden(path));
      mkdirSync(at(path));
    },
    regain(path) {
      renameSync(at(path), `${hidden(path)}-below`);
      renameSync(hidden(path), at(path));
      mount(path);
    },
  };
}

/** A look at the store, as the worker makes it. */
function look(bench: CaptureBench) {
  const looked = bench.source.discover();
  const notes = bench.source.takeNotes();
  if (notes !== undefined) bench.model.commit(notes);
  return looked;
}

const codesIn = (bench: CaptureBench) => look(bench).problems.map(({ path, code }) => [path, code]);
const known = (bench: CaptureBench): unknown =>
  (JSON.parse(bench.model.meta.get("inner-mounts") ?? "[]") as { readonly path: string }[]).map(({ path }) => path);

test("mailboxes of one that is gone are held, however few, and all others go on, over a restart; when it is back all is as it was", async () => {
  const { bench, own, b, lose, regain } = await openMounts();
  expect(known(bench)).toEqual(["a", "b"]);
  lose("b");
  await bench.restart();
  const { mailboxes, problems, brake } = bench.source.discover();
  expect(mailboxes.map(({ path }) => path)).toEqual(["a/u", "c/u"]);
  expect(problems).toEqual([
    {
      ...{ path: "b", code: "mount-missing" },
      message: "looking for mailboxes at b: the file system that was mounted there is not mounted",
      hint: expect.stringMatching(/^Mount it/),
    },
  ]);
  expect(brake).toMatchObject({
    ...{ why: "mount-missing", held: 3, mailboxes: 1, mounts: ["b"] },
    named: [{ path: "b/u", messages: 3, isWhole: true }],
  });
  own.deliver({ info: ":2," });
  own.expunge(own.files()[0]?.base ?? "");
  bench.settle(own);
  expect(bench.model.mailboxes.get(own.guid)?.states.map(({ uid }) => uid)).toEqual([2, 3, 4]);
  expect(bench.vanish(b.guid as never).kind, "it is not called gone").toBe("present");
  regain("b");
  expect(bench.source.discover()).toMatchObject({ problems: [] });
  expect(bench.source.discover().brake).toBeUndefined();
  bench.sweep();
  expectEqualToDisk(bench.model, bench.store);
});

test("what lies below its mount point is not captured: neither a new mailbox nor an old copy of the same", async () => {
  const { bench, b, lose, regain } = await openMounts();
  const logged = () => bench.model.mailboxes.get(b.guid)?.states.length;
  lose("b");
  const copy = bench.store.create("b/u");
  copy.guid = b.guid;
  copy.validity = b.validity;
  copy.writeUidlist([], 1);
  expect(bench.examine(copy, { full: true }).kind, "not looked at yet").toBe("absent");
  bench.source.discover();
  const before = bench.model.mailboxes.size;
  const astray = bench.store.create("b/v");
  astray.deliver({ info: ":2," });
  for (const mailbox of [copy, astray]) expect(bench.examine(mailbox, { full: true }).kind).toBe("unchanged");
  const [uidlist, path] = [readFileSync(join(copy.dir, "dovecot-uidlist"), "latin1"), rawPath(copy.path)];
  const wish = { path, guid: b.guid as never, uidValidity: b.validity as never, to: 99 };
  expect(bench.source.raiseNextUid(wish), "nothing is written there").toEqual({ kind: "absent" });
  expect(bench.source.number({ path: rawPath(astray.path) })).toEqual({ kind: "absent" });
  expect(readFileSync(join(copy.dir, "dovecot-uidlist"), "latin1")).toBe(uidlist);
  expect([logged(), bench.model.mailboxes.size]).toEqual([3, before]);
  bench.store.mailboxes.splice(bench.store.mailboxes.indexOf(copy), 2);
  regain("b");
  expect(codesIn(bench)).toEqual([]);
  bench.sweep();
  expectEqualToDisk(bench.model, bench.store);
});

test("a person says that it does not come back: what is there then counts, also for the next run", async () => {
  const { bench, a, b, lose } = await openMounts();
  lose("a");
  lose("b");
  bench.store.mailboxes.splice(bench.store.mailboxes.indexOf(a), 2);
  expect(codesIn(bench)).toEqual([
    ["a", "mount-missing"],
    ["b", "mount-missing"],
  ]);
  bench.approve();
  expect(known(bench)).toEqual([]);
  await bench.restart();
  expect(codesIn(bench)).toEqual([]);
  bench.sweep();
  expect([bench.model.mailboxes.has(a.guid), bench.model.mailboxes.has(b.guid)]).toEqual([false, false]);
  expect(bench.source.discover().brake).toBeUndefined();
  expectEqualToDisk(bench.model, bench.store);
});

test("another one in its place, or one over mail that was in the store itself, is as one that is gone, until that is said to be right", async () => {
  const { bench, b, own, lose, mount } = await openMounts();
  lose("b");
  mount("b");
  renameSync(join(bench.store.root, "c"), `${bench.store.root}-volume-c`);
  mkdirSync(join(bench.store.root, "c"));
  mount("c");
  await bench.restart();
  expect(codesIn(bench)).toEqual([
    ["b", "mount-missing"],
    ["c", "mount-missing"],
  ]);
  expect(bench.source.discover().brake).toMatchObject({ held: 6, mounts: ["b", "c"] });
  for (const each of [b, own]) bench.store.mailboxes.splice(bench.store.mailboxes.indexOf(each), 1);
  bench.approve();
  expect(known(bench)).toEqual(["a", "b", "c"]);
  expect(codesIn(bench)).toEqual([]);
  bench.sweep();
  expect(bench.model.mailboxes.size).toBe(1);
  look(bench);
  expect(known(bench), "nothing lies there any more").toEqual(["a"]);
});

test("one that is mounted over mail between two looks: a mailbox of its own in that mail's place is not its successor", async () => {
  const { bench, own, mount } = await openMounts();
  renameSync(join(bench.store.root, "c"), `${bench.store.root}-volume-c`);
  mkdirSync(join(bench.store.root, "c"));
  mount("c");
  const stranger = bench.store.create("c/u");
  stranger.deliver({ info: ":2," });
  expect(bench.examine(stranger, { full: true }).kind).toBe("absent");
  expect(bench.model.mailboxes.get(own.guid)?.states.map(({ uid }) => uid)).toEqual([1, 2, 3]);
  expect(bench.model.mailboxes.has(stranger.guid)).toBe(false);
  expect(codesIn(bench)).toEqual([["c", "mount-missing"]]);
});

test("what another user's mailbox claims to be has not moved there: it stays lost with its volume", async () => {
  const { bench, b, lose } = await openMounts();
  lose("b");
  const claim = bench.store.create("d/u");
  claim.guid = b.guid;
  claim.validity = b.validity;
  claim.writeUidlist([], 1);
  for (const _run of [1, 2]) {
    expect(codesIn(bench)).toEqual([["b", "mount-missing"]]);
    expect(bench.vanish(b.guid as never).kind).toBe("present");
    await bench.restart();
  }
});

test("why what is gone stays in the log is known: of a volume, and of nothing else", async () => {
  const { bench, a, b, own, lose } = await openMounts();
  const why = ({ guid }: FakeMailbox) => bench.source.whyHeld({ guid: guid as never, uids: [1 as never] });
  lose("b");
  expect(why(b), "nobody has looked").toBeUndefined();
  look(bench);
  expect([a, b, own].map(why)).toEqual([undefined, "mount-missing", undefined]);
  expect(bench.source.whyHeld({ guid: "f".repeat(32) as never, uids: [] })).toBeUndefined();
});

test("one that holds the same mail as the directory that it is mounted over is right", async () => {
  const { bench, mount } = await openMounts();
  mount("c");
  await bench.restart();
  expect(codesIn(bench)).toEqual([]);
  expect(known(bench)).toEqual(["a", "b", "c"]);
  mount("c/u/.Work");
  expect(look(bench).brake).toBeUndefined();
});

test("what was moved out of it is not lost with it; a mount that waits for somebody to come by is none", async () => {
  const { bench, a, b, lose, mount, unmount } = await openMounts();
  mkdirSync(join(bench.store.root, "d"));
  b.rename("d/u");
  lose("b");
  expect(codesIn(bench)).toEqual([]);
  bench.sweep();
  expect(bench.model.mailboxes.get(b.guid)?.path).toBe("d/u");
  unmount("a");
  mount("a", "autofs");
  expect(codesIn(bench)).toEqual([["a", "mount-missing"]]);
  expect(existsSync(a.dir)).toBe(true);
  mount("a");
  expect(codesIn(bench)).toEqual([]);
  rmdirSync(join(bench.store.root, "b"));
  expectEqualToDisk(bench.model, bench.store);
});

test("a volume in a volume is told of by both, and its mailboxes are counted once", async () => {
  const { bench, mount, unmount, lose } = await openMounts();
  const inner = bench.store.create("b/inner/u");
  inner.deliver({ info: ":2," });
  mount("b/inner");
  bench.sweep();
  look(bench);
  expect(known(bench)).toEqual(["a", "b", "b/inner"]);
  unmount("b/inner");
  lose("b");
  expect(look(bench).brake).toMatchObject({ held: 4, mailboxes: 2, mounts: ["b", "b/inner"] });
});

test("without a brake nothing is held back, nor noted", async () => {
  const store = openFakeStore();
  const mounts = (): Mount[] => [{ id: "1", dev: "8:1", root: "/", mountPoint: join(store.root, "a"), fsType: "xfs" }];
  const bench = await CaptureBench.open({}, { mounts }, store);
  store.create("a/u").deliver({ info: ":2," });
  bench.sweep();
  expect(bench.model.meta.size).toBe(0);
  expect(bench.source.takeNotes()).toBeUndefined();
});
