/** A small store under the brake with its usual limits: most of its mail is not let go, in however many runs that is tried. */
import { expect, test } from "vitest";
import { BRAKE_LIMITS } from "../../../src/capture/brake.js";
import { CaptureBench } from "./capture-bench.js";
import type { FakeMailbox } from "./fake-dovecot.js";
import { expectEqualToDisk } from "./log-model.js";

function fill(mailbox: FakeMailbox, count: number): string[] {
  return Array.from({ length: count }, () => mailbox.deliver({ info: ":2," }));
}

const left = (bench: CaptureBench, mailbox: FakeMailbox) => bench.model.mailboxes.get(mailbox.guid)?.states.length;

async function openFilled(count: number) {
  const bench = await CaptureBench.open({}, {}, undefined, BRAKE_LIMITS);
  const [inbox, work] = [bench.store.create(""), bench.store.create(".Work")];
  const bases = fill(inbox, count);
  bench.sweep();
  return { bench, inbox, work, bases };
}

test("all of it at once is held, and goes when it is let go", async () => {
  const { bench, inbox, bases } = await openFilled(240);
  for (const base of bases) inbox.expunge(base);
  bench.settle(inbox);
  expect(left(bench, inbox)).toBe(240);
  expect(bench.source.discover().brake).toMatchObject({ why: "messages", messages: 240, limit: 120, held: 240 });
  bench.approve();
  bench.sweep();
  expect(left(bench, inbox)).toBe(0);
  expectEqualToDisk(bench.model, bench.store);
});

test("in parts it is, too, a run of the program for each; what went is counted once, and for as long as the window is", async () => {
  const { bench, inbox, bases } = await openFilled(240);
  const expunge = async (from: number, to: number) => {
    for (const base of bases.slice(from, to)) inbox.expunge(base);
    await bench.restart();
    bench.settle(inbox);
    return left(bench, inbox);
  };
  expect(await expunge(0, 50)).toBe(190);
  bench.nowMs += 60_000;
  expect(await expunge(50, 100)).toBe(140);
  bench.nowMs += 60_000;
  expect(await expunge(100, 120), "half of what there was").toBe(120);
  expect(await expunge(120, 121)).toBe(120);
  expect(bench.source.discover().brake).toMatchObject({ messages: 121, limit: 120, held: 1 });
  inbox.deliver({ info: ":2," });
  bench.settle(inbox);
  expect(left(bench, inbox), "mail goes on coming").toBe(121);
});

test("who files his mail away, thirty at a time, has deleted nothing", async () => {
  const { bench, inbox, work, bases } = await openFilled(240);
  for (let at = 0; at < 210; at += 30) {
    for (const base of bases.slice(at, at + 30)) inbox.copyTo(base, work);
    for (const base of bases.slice(at, at + 30)) inbox.expunge(base);
    bench.settle(inbox);
    bench.settle(work);
  }
  expect([left(bench, inbox), left(bench, work)]).toEqual([30, 210]);
  expect(bench.source.discover().brake).toBeUndefined();
  for (const base of bases.slice(210)) inbox.expunge(base);
  bench.settle(inbox);
  expect(bench.source.discover().brake, "thirty that did go are not most of it").toBeUndefined();
});
