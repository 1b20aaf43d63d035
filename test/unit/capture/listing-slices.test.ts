/** A listing that is made in slices, and what happens between them. */
import { expect, test } from "vitest";
import { openBusyDisk } from "./busy-disk.js";
import { CaptureBench } from "./capture-bench.js";
import { expectEqualToDisk, savedUids } from "./log-model.js";

/** Each call of `examine` lists one step. */
const SLICED = { listingSliceMs: 0 };

async function benchWith(messages: number) {
  const bench = await CaptureBench.open(SLICED);
  const inbox = bench.store.create("alice");
  const bases = Array.from({ length: messages }, () => inbox.deliver({ info: ":2," }));
  bench.settle(inbox);
  inbox.takeHints();
  return { bench, inbox, bases };
}

test("a new mailbox is not logged before its listing has ended", async () => {
  const bench = await CaptureBench.open(SLICED);
  const inbox = bench.store.create("alice");
  for (let i = 0; i < 600; i++) inbox.deliver({ info: ":2,S" });
  expect(bench.look(inbox, { full: true })).toMatchObject({ kind: "unchanged", more: true });
  expect(bench.model.log).toHaveLength(0);
  bench.settle(inbox);
  expectEqualToDisk(bench.model, bench.store);
});

test("deliveries and flags are sealed between the slices", async () => {
  const { bench, inbox, bases } = await benchWith(600);
  expect(bench.look(inbox, { full: true })).toMatchObject({ kind: "unchanged", more: true });
  inbox.deliver();
  inbox.setInfo(bases[7] ?? "", ":2,S");
  const between = bench.look(inbox, { full: true, names: inbox.takeHints() });
  expect(between).toMatchObject({ kind: "sealed", saves: 1, changes: 2, more: true });
  expect(between.listed).toBeUndefined();
  expect(bench.settle(inbox)).toBe(0);
  expectEqualToDisk(bench.model, bench.store);
});

test("messages that go after the listing has seen them are missed by the next one", async () => {
  const { bench, inbox, bases } = await benchWith(300);
  bench.look(inbox, { full: true }); // new/ is done.
  bench.look(inbox, { full: true }); // most of cur/ was read.
  for (const base of bases.slice(0, 60)) inbox.expunge(base);
  const between = bench.look(inbox, { full: true, names: inbox.takeHints() });
  expect(between).toMatchObject({ kind: "unchanged", needListing: false, more: true });
  let last = bench.look(inbox, { full: true });
  while (last.more) last = bench.look(inbox, { full: true });
  expect(last.needListing).toBe(true);
  bench.settle(inbox);
  expectEqualToDisk(bench.model, bench.store);
});

test("a file without a record that comes after new/ was listed still waits for its number", async () => {
  const { bench, inbox } = await benchWith(10);
  bench.look(inbox, { full: true });
  inbox.deliver({ recorded: false });
  bench.look(inbox, { full: true, names: inbox.takeHints() });
  let last = bench.look(inbox, { full: true });
  while (last.more) last = bench.look(inbox, { full: true });
  expect(last.unnumbered.count).toBe(1);
  inbox.numberAll();
  bench.settle(inbox);
  expectEqualToDisk(bench.model, bench.store);
});

test("when the uidlist is rewritten meanwhile, it is listed anew, and in the end in one go", async () => {
  const { bench, inbox } = await benchWith(600);
  let looks = 0;
  for (; looks < 50; looks++) {
    inbox.rewrite(); // before each slice: no listing in slices ever ends.
    if (bench.look(inbox, { full: true }).listed !== undefined) break;
  }
  expect(looks).toBeGreaterThan(1);
  expect(looks).toBeLessThan(50);
  expect(bench.settle(inbox)).toBe(0);
});

test("records that are appended while a listing is compared are not passed by the next UID", async () => {
  const busy = openBusyDisk();
  const bench = await CaptureBench.open({}, { disk: busy.disk });
  const inbox = bench.store.create("alice");
  for (let i = 0; i < 3; i++) inbox.deliver({ info: ":2," });
  busy.afterStat(() => inbox.deliver({ info: ":2," }));
  expect(bench.look(inbox, { full: true })).toMatchObject({ kind: "sealed", saves: 3, grown: true, late: [] });
  expect(bench.look(inbox)).toMatchObject({ kind: "sealed", saves: 1, grown: false });
  expect(savedUids(bench.model, inbox.guid)).toEqual([1, 2, 3, 4]);
  expectEqualToDisk(bench.model, bench.store);
});
