/** What is held back and is back as other messages: what of it is known as that, and what may go then. */
import { basename } from "node:path";
import { expect, test } from "vitest";
import { openNodeDisk } from "../../../src/base/disk-node.js";
import { BRAKE_LIMITS, type BrakeLimits } from "../../../src/capture/brake.js";
import { BackNames } from "../../../src/capture/brought-back.js";
import type { BackAgain } from "../../../src/capture/capture-types.js";
import { parseUids } from "../../../src/capture/uid-set.js";
import { type MailboxGuid, parseMailboxGuid } from "../../../src/maildir/ids.js";
import { FaultDisk } from "../../contract/fault-disk.js";
import { CaptureBench } from "./capture-bench.js";
import type { FakeMailbox } from "./fake-dovecot.js";
import { expectEqualToDisk } from "./log-model.js";

const FEW: BrakeLimits = { ...BRAKE_LIMITS, messages: 5, share: 0.2, inDeletedMailboxes: 5 };
const LOG_ID = "c".repeat(32);
const NAMES = new BackNames(LOG_ID);

/** An INBOX of twenty, a folder of ten. */
async function openBench(
  ports: Parameters<typeof CaptureBench.open>[1] = {},
): Promise<{ bench: CaptureBench; inbox: FakeMailbox; work: FakeMailbox; bases: string[] }> {
  const bench = await CaptureBench.open({}, ports, undefined, FEW);
  bench.model.commit({
    mailboxes: [],
    removedMailboxIds: [],
    chunks: [],
    transactions: [],
    meta: [{ key: "log-id", value: LOG_ID }],
  });
  const [inbox, work] = [bench.store.create(""), bench.store.create(".Work")];
  const bases = Array.from({ length: 20 }, () => inbox.deliver({ info: ":2," }));
  for (let i = 0; i < 10; i++) work.deliver({ info: ":2," });
  bench.sweep();
  return { bench, inbox, work, bases };
}

let micros = 0;
const nameOf = (guid: MailboxGuid, uid: number, names = NAMES): string =>
  names.name(guid, uid, { seconds: 1_700_000_000, micros: micros++, pid: 7, hostname: "h", noted: "" });
const bring = (into: FakeMailbox, guid: MailboxGuid, uids: readonly number[], names = NAMES): void => {
  for (const uid of uids) into.deliver({ info: ":2,", base: nameOf(guid, uid, names) });
};
const guidOf = ({ guid }: FakeMailbox): MailboxGuid => parseMailboxGuid(guid);
const release = (bench: CaptureBench, back: readonly BackAgain[]): readonly string[] => {
  const { paths, commit } = bench.source.approve(back);
  if (commit !== undefined) bench.model.commit(commit);
  return paths;
};
const uidsIn = (bench: CaptureBench, { guid }: FakeMailbox): number[] | undefined =>
  bench.model.mailboxes.get(guid)?.states.map(({ uid }) => uid);

test("messages that are back in the log, and of those only what is held; the rest stays held, over a restart too", async () => {
  const { bench, inbox, bases } = await openBench();
  for (const base of bases.slice(0, 8)) inbox.expunge(base);
  bench.settle(inbox);
  expect(bench.source.broughtBack()).toEqual([]);
  bring(inbox, guidOf(inbox), [1, 2, 3, 15]);
  bring(inbox, guidOf(inbox), [4], new BackNames("d".repeat(32)));
  expect(bench.source.broughtBack(), "not in the log yet").toEqual([]);
  bench.settle(inbox);
  expect(bench.source.broughtBack()).toEqual([{ guid: guidOf(inbox), uids: "1:3" }]);
  await bench.restart();
  bench.settle(inbox);
  const back = bench.source.broughtBack();
  expect(back).toEqual([{ guid: guidOf(inbox), uids: "1:3" }]);
  expect(release(bench, back)).toEqual([""]);
  bench.settle(inbox);
  expect(uidsIn(bench, inbox)?.slice(0, 6)).toEqual([4, 5, 6, 7, 8, 9]);
  expect(bench.source.discover().brake).toMatchObject({ held: 5, mailboxes: 1 });
  bring(inbox, guidOf(inbox), [4, 5, 6, 7, 8]);
  bench.settle(inbox);
  expect(bench.source.broughtBack()).toEqual([{ guid: guidOf(inbox), uids: "4:8" }]);
  release(bench, bench.source.broughtBack());
  bench.settle(inbox);
  expect(bench.source.discover().brake).toMatchObject({ held: 0, mailboxes: 0 });
  expectEqualToDisk(bench.model, bench.store);
});

test("what is in the log counts as back when its name is durable at the source, too, whoever was faster", async () => {
  const disk = new FaultDisk(openNodeDisk());
  const { bench, inbox, bases } = await openBench({ disk });
  for (const base of bases.slice(0, 8)) inbox.expunge(base);
  bring(inbox, guidOf(inbox), [1, 2]);
  bench.settle(inbox);
  const failed = disk.inject({ operation: "sync", error: "EIO" });
  expect(bench.source.broughtBack()).toEqual([]);
  expect(failed()).toBe(true);
  disk.calls.splice(0);
  expect(bench.source.broughtBack()).toEqual([{ guid: guidOf(inbox), uids: "1:2" }]);
  const synced = disk.calls.flatMap(({ operation, path }) => (operation === "sync" ? [basename(path)] : []));
  expect(synced).toEqual(["new", "cur"]);
});

test("what is let go is what is held at that moment: neither what is not held, nor a mailbox that stands", async () => {
  const { bench, inbox, work, bases } = await openBench();
  for (const base of bases.slice(0, 8)) inbox.expunge(base);
  bench.settle(inbox);
  expect(
    release(bench, [
      { guid: guidOf(inbox), uids: "*" },
      { guid: guidOf(work), uids: "1:5" },
    ]),
  ).toEqual([]);
  expect(release(bench, [{ guid: guidOf(inbox), uids: "2,9" }])).toEqual([""]);
  for (const base of bases.slice(8, 10)) inbox.expunge(base);
  bench.settle(inbox);
  expect(uidsIn(bench, inbox)).not.toContain(2);
  expect(uidsIn(bench, inbox), "it was not held then").toContain(9);
  expect(bench.source.discover().brake).toMatchObject({ held: 9 });
});

test("a mailbox in whose place another one stands: when all of its messages are there, and not one less", async () => {
  const { bench, inbox, work } = await openBench();
  const guid = guidOf(work);
  bench.store.remove(work);
  expect(bench.vanish(guid)).toMatchObject({ kind: "held" });
  const again = bench.store.create(".Work");
  again.deliver({ info: ":2,S" });
  bring(again, guid, [1, 2, 3, 4, 5, 6, 7, 8, 9, 9]);
  bring(inbox, guid, [10]);
  expect(bench.source.broughtBack()).toEqual([]);
  bring(again, guid, [10]);
  expect(bench.source.broughtBack()).toEqual([{ guid, uids: "*" }]);
  expect(bench.examine(again, { full: true })).toMatchObject({ kind: "problem", problem: { code: "deletions-held" } });
  expect(release(bench, bench.source.broughtBack())).toEqual([]);
  bench.settle(again);
  bench.settle(inbox);
  expect(bench.model.mailboxes.has(guid)).toBe(false);
  expectEqualToDisk(bench.model, bench.store);
});

test("the UIDs of a set", () => {
  expect([...parseUids("1:3,7,9:10").uids()]).toEqual([1, 2, 3, 7, 9, 10]);
});
