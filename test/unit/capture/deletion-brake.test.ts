/** Much mail that goes within a while is held back, as the capture has it: nothing else waits, and a restart changes nothing. */
import { statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { systemClock, unixMs } from "../../../src/base/clock.js";
import { BRAKE_LIMITS, type BrakeLimits } from "../../../src/capture/brake.js";
import { DeletionBrake } from "../../../src/capture/deletion-brake.js";
import { parseUid, type Uid } from "../../../src/maildir/ids.js";
import { mailboxRow, record } from "../log/state-fixtures.js";
import { CaptureBench, rawPath } from "./capture-bench.js";
import { type FakeMailbox, openFakeStore } from "./fake-dovecot.js";
import { expectEqualToDisk } from "./log-model.js";

const FEW: BrakeLimits = { ...BRAKE_LIMITS, messages: 10, share: 0.2, inDeletedMailboxes: 5 };

async function openBench(brake: BrakeLimits | undefined = FEW): Promise<CaptureBench> {
  return CaptureBench.open({}, {}, undefined, brake);
}

function fill(mailbox: FakeMailbox, count: number): string[] {
  return Array.from({ length: count }, () => mailbox.deliver({ info: ":2," }));
}

/** Of a mailbox, as the log has it. */
function uidsIn(bench: CaptureBench, mailbox: FakeMailbox): number[] | undefined {
  return bench.model.mailboxes.get(mailbox.guid)?.states.map(({ uid }) => uid);
}

function heldIn(bench: CaptureBench, mailbox: FakeMailbox): number | undefined {
  const { brake } = bench.look(mailbox);
  return brake?.named.find(({ path }) => path === mailbox.path)?.messages;
}

test("too many expunges are held, with saves, flags and moves going on, over a restart too, until they are let go", async () => {
  const bench = await openBench();
  const [inbox, other] = [bench.store.create(""), bench.store.create(".Work")];
  const bases = fill(inbox, 30);
  fill(other, 5);
  bench.sweep();
  for (const base of bases.slice(0, 12)) inbox.expunge(base);
  inbox.rewrite();
  const late = inbox.deliver({ info: ":2,S" });
  inbox.setInfo(bases[20] ?? "", ":2,F");
  bench.settle(inbox);
  expect(uidsIn(bench, inbox)).toHaveLength(31);
  expect(bench.model.mailboxes.get(inbox.guid)?.states.find(({ base }) => base === bases[20])?.flags).not.toBe(0);
  expect(bench.model.mailboxes.get(inbox.guid)?.states.some(({ base }) => base === late)).toBe(true);
  expect(heldIn(bench, inbox)).toBe(12);
  await bench.restart();
  bench.sweep();
  expect(bench.source.discover().brake).toMatchObject({
    why: "messages",
    messages: 12,
    limit: 10,
    held: 12,
    mailboxes: 1,
  });
  for (const base of bases.slice(25, 27)) inbox.expunge(base);
  inbox.copyTo(bases[28] ?? "", other);
  inbox.expunge(bases[28] ?? "");
  bench.sweep();
  expect(uidsIn(bench, other), "the message that moved").toHaveLength(6);
  expect(uidsIn(bench, inbox), "is gone here, and no other one").toHaveLength(30);
  expect(heldIn(bench, inbox)).toBe(14);
  expect(bench.approve()).toStrictEqual([""]);
  inbox.expunge(bases[27] ?? ""); // later than that: judged anew, and one is not many.
  bench.sweep();
  expect(uidsIn(bench, inbox)).toHaveLength(15);
  expect(bench.source.discover().brake).toBeUndefined();
  expectEqualToDisk(bench.model, bench.store);
});

test("what is let go is what was held then: as much again is held again", async () => {
  const bench = await openBench();
  const inbox = bench.store.create("");
  const bases = fill(inbox, 60);
  bench.sweep();
  for (const base of bases.slice(0, 15)) inbox.expunge(base);
  bench.settle(inbox);
  bench.approve();
  for (const base of bases.slice(15, 35)) inbox.expunge(base);
  await bench.restart();
  bench.settle(inbox);
  expect(uidsIn(bench, inbox)).toHaveLength(45);
  expect(heldIn(bench, inbox)).toBe(20);
});

test("within the limits all goes; what went before counts, as long as the window is", async () => {
  const bench = await openBench();
  const inbox = bench.store.create("");
  const bases = fill(inbox, 100);
  bench.sweep();
  const expunge = (from: number, to: number) => {
    for (const base of bases.slice(from, to)) inbox.expunge(base);
    bench.settle(inbox);
    return uidsIn(bench, inbox)?.length;
  };
  expect(expunge(0, 9)).toBe(91);
  expect(expunge(9, 18), "less than a fifth of the store").toBe(82);
  bench.nowMs += FEW.windowMs + 1;
  expect(expunge(18, 27), "what went is long ago").toBe(73);
  expect(expunge(27, 35), "nine and eight of 82 are more than a fifth").toBe(73);
});

test("a mailbox that is gone stays, and nothing takes its place, until that is let go", async () => {
  const bench = await openBench();
  const [inbox, work] = [bench.store.create(""), bench.store.create(".Work")];
  fill(inbox, 3);
  fill(work, 6);
  bench.sweep();
  bench.store.remove(work);
  const { guid } = bench.model.reader.mailboxes().find(({ path }) => path === ".Work") ?? {};
  expect(bench.vanish(guid)).toMatchObject({ kind: "held", brake: { why: "deleted-mailboxes", held: 6 } });
  await bench.restart();
  expect(bench.vanish(guid), "after a restart too").toMatchObject({ kind: "held" });
  expect(bench.source.discover()).toMatchObject({
    held: [guid ?? ""],
    brake: { named: [{ path: ".Work", isWhole: true }] },
  });
  const again = bench.store.create(".Work");
  fill(again, 1);
  expect(bench.examine(again, { full: true })).toMatchObject({ kind: "problem", problem: { code: "deletions-held" } });
  fill(inbox, 2);
  bench.settle(inbox);
  expect(uidsIn(bench, inbox)).toHaveLength(5);
  bench.approve();
  bench.settle(again);
  expect(bench.model.mailboxes.has(guid ?? "")).toBe(false);
  expectEqualToDisk(bench.model, bench.store);
});

test("one that takes the place of a mailbox which is gone is where the brake is met first", async () => {
  const bench = await openBench();
  const work = bench.store.create(".Work");
  fill(bench.store.create(""), 1);
  fill(work, 6);
  bench.sweep();
  bench.store.remove(work);
  const again = bench.store.create(".Work");
  expect(bench.examine(again, { full: true })).toMatchObject({ kind: "problem", problem: { code: "deletions-held" } });
  await bench.restart();
  expect(bench.source.discover().brake, "durable, though nothing was captured").toMatchObject({ messages: 6 });
});

test("mailboxes that went together are judged together, and a backup that brings one back can be deleted anew", async () => {
  const bench = await openBench();
  fill(bench.store.create(""), 1);
  const [one, two] = [bench.store.create(".One"), bench.store.create(".Two")];
  fill(one, 3);
  fill(two, 3);
  bench.sweep();
  for (const mailbox of [one, two]) bench.store.remove(mailbox);
  const guids = bench.model.reader.mailboxes().flatMap(({ path, guid }) => (path === "" ? [] : [guid]));
  expect(guids.map((guid, i) => bench.vanish(guid, 3 - 3 * i).kind)).toEqual(["held", "held"]);
  bench.store.bringBack(one);
  expect(bench.source.discover()).toMatchObject({ held: [guids[1]], brake: { mailboxes: 1, held: 3 } });
  bench.approve();
  bench.sweep();
  expect([...bench.model.mailboxes.keys()]).toContain(one.guid);
  expect([...bench.model.mailboxes.keys()]).not.toContain(two.guid);
  bench.store.bringBack(two);
  fill(two, 4);
  bench.sweep();
  bench.store.remove(two);
  expect(bench.vanish(guids[1]), "its approval was for the first time").toMatchObject({ kind: "held" });
});

test("what came back was not deleted", async () => {
  const bench = await openBench();
  const inbox = bench.store.create("");
  const bases = fill(inbox, 20);
  bench.sweep();
  const back = bases.slice(0, 11).map((base) => inbox.hide(base));
  bench.settle(inbox);
  expect(heldIn(bench, inbox)).toBe(11);
  for (const show of back) show();
  bench.settle(inbox);
  expect(bench.source.discover().brake).toMatchObject({ held: 0, mailboxes: 0 });
  expectEqualToDisk(bench.model, bench.store);
});

test("a message that is numbered anew, a reset and a rename go their way while others are held", async () => {
  const bench = await openBench();
  const [inbox, work] = [bench.store.create(""), bench.store.create(".Work")];
  const bases = fill(inbox, 30);
  const own = fill(work, 4);
  bench.sweep();
  for (const base of bases.slice(0, 12)) inbox.expunge(base);
  bench.sweep();
  inbox.renumber(bases[20] ?? "");
  work.renumber(own[0] ?? "");
  bench.sweep();
  expect(uidsIn(bench, inbox), "it has one UID").toHaveLength(30);
  work.rename(".Done");
  bench.sweep();
  expect(bench.model.mailboxes.get(work.guid)?.path).toBe(".Done");
  work.reset();
  bench.sweep();
  inbox.reset();
  bench.sweep();
  expect(bench.source.discover().brake).toMatchObject({ held: 0 });
  expectEqualToDisk(bench.model, bench.store);
});

test("many that move to another mailbox are no deletion, and what is thrown away does not count", async () => {
  const bench = await openBench();
  const [inbox, trash] = [bench.store.create(""), bench.store.create(".Trash")];
  const bases = fill(inbox, 40);
  bench.sweep();
  for (const base of bases) inbox.copyTo(base, trash);
  for (const base of bases) inbox.expunge(base);
  bench.settle(inbox);
  bench.settle(trash);
  expect(uidsIn(bench, inbox)).toEqual([]);
  for (const base of bases) trash.expunge(base);
  bench.settle(trash);
  expect(uidsIn(bench, trash)).toEqual([]);
  expect(bench.source.discover().brake).toBeUndefined();
});

test.each([
  ["believed", 0],
  ["not believed, for the directory changed in its tick, as the one before,", 2],
])("in a large mailbox the first part of a listing counts what lies beyond it, if it is %s", async (_, doubted) => {
  const store = openFakeStore();
  let sinceMs = 60_000;
  const nowMs = () => unixMs(Math.floor(statSync(join(store.root, "cur")).ctimeMs) + sinceMs);
  const clock = { ...systemClock, nowMs };
  const bench = await CaptureBench.open({ changesMax: 300 }, { clock }, store, { ...FEW, messages: 700 });
  const inbox = bench.store.create("");
  const bases = fill(inbox, 1000);
  bench.sweep();
  for (const base of bases.slice(0, 800)) inbox.expunge(base);
  sinceMs = 0;
  for (let listings = 0; listings < doubted; ) if (!bench.look(inbox, { full: true }).more) listings += 1;
  sinceMs = 60_000;
  bench.settle(inbox);
  expect(uidsIn(bench, inbox)).toHaveLength(1000);
  expect(heldIn(bench, inbox)).toBe(800);
  expect(bench.source.discover().brake?.named[0]).toMatchObject({ path: rawPath(""), uids: [1, 2, 3, 4, 5] });
});

test("what is let go in the middle of a listing goes, though that listing has passed it", async () => {
  const bench = await CaptureBench.open({ changesMax: 300 }, {}, undefined, { ...FEW, messages: 700 });
  const inbox = bench.store.create("");
  const bases = fill(inbox, 1000);
  bench.sweep();
  for (const base of bases.slice(0, 800)) inbox.expunge(base);
  bench.settle(inbox);
  const first = bench.look(inbox, { full: true });
  expect([first.more, first.brake?.held]).toEqual([true, expect.any(Number)]);
  for (let look = first; look.more; ) {
    if (look === first) bench.approve();
    look = bench.look(inbox, { full: true });
  }
  bench.settle(inbox);
  if (bench.source.discover().brake !== undefined) bench.approve(); // that listing had not come to the rest.
  bench.settle(inbox);
  expect(uidsIn(bench, inbox)).toHaveLength(200);
});

test("why what is gone stays in the log is known, of the messages and mailboxes that are held", async () => {
  const bench = await openBench();
  const [inbox, work] = [bench.store.create(""), bench.store.create(".Work")];
  const bases = fill(inbox, 30);
  fill(work, 6);
  bench.sweep();
  const why = ({ guid }: FakeMailbox, ...uids: number[]) =>
    bench.source.whyHeld({ guid: guid as never, uids: uids.map(parseUid) });
  expect([why(inbox, 1), why(work, 1)]).toEqual([undefined, undefined]);
  for (const base of bases.slice(0, 12)) inbox.expunge(base);
  bench.settle(inbox);
  bench.store.remove(work);
  expect(bench.vanish(work.guid as never)).toMatchObject({ kind: "held" });
  expect([why(inbox, 13, 12), why(inbox, 13), why(inbox)]).toEqual(["deletions-held", undefined, undefined]);
  expect([why(work, 1), why(work)]).toEqual(["deletions-held", "deletions-held"]);
  bench.approve();
  expect([why(inbox, 12), why(work)]).toEqual([undefined, undefined]);
});

test("without a brake all goes, and nothing is noted", async () => {
  const bench = await CaptureBench.open();
  const inbox = bench.store.create("");
  const bases = fill(inbox, 30);
  bench.sweep();
  for (const base of bases) inbox.expunge(base);
  bench.sweep();
  expect(uidsIn(bench, inbox)).toEqual([]);
  expect(bench.model.meta.size).toBe(0);
});

test("what an examination has counted that came to nothing is counted once, when it comes again", () => {
  const place = { disk: { openRoot: () => undefined }, storeRoot: "/nowhere" };
  const brake = new DeletionBrake(FEW, {
    ...{ meta: () => undefined, total: () => 40, standing: () => new Set<Uid>() },
    mounts: { place, table: () => [], genuine: (standing) => standing },
  });
  const row = mailboxRow(1, { messages: 40 });
  const findings = [1, 2, 3, 4].map((uid) => ({ uid: parseUid(uid), before: record(uid), now: undefined }));
  const expunge = () => brake.sift({ row, findings, isRenumbered: () => false, pass: undefined, nowMs: 7 });
  const counted = () => brake.takeMeta().map(({ key, value }) => [key, JSON.parse(value).counted]);
  for (let look = 0; look < 6; look++) {
    expect(expunge()).toHaveLength(4);
    brake.takeBack();
  }
  expect([brake.report, counted()]).toEqual([undefined, [["deletion-brake", []]]]);
  expunge();
  expect(counted()).toEqual([["deletion-brake", [{ atMs: 7, expunged: 4, inMailboxes: 0 }]]]);
  brake.takeBack(); // of what has an answer nothing is.
  expect(counted()).toEqual([]);
});
