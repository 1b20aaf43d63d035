import { utimesSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { SaveChange } from "../../../src/txn/transaction.js";
import { CaptureBench } from "./capture-bench.js";
import { expectEqualToDisk } from "./log-model.js";

function lastSave(bench: CaptureBench): SaveChange {
  const saves = bench.model.log.flatMap(({ changes }) => changes.filter((change) => change.kind === "save"));
  const save = saves.at(-1);
  if (save === undefined) throw new Error("nothing was saved");
  return save;
}

test("a copy in another mailbox of the same user names its origin", async () => {
  const bench = await CaptureBench.open();
  const [a, b] = [bench.store.create("alice"), bench.store.create("alice/.Work")];
  const base = a.deliver({ info: ":2,S" });
  bench.sweep();
  a.copyTo(base, b);
  bench.look(b, { names: b.takeHints() });
  expect(lastSave(bench).origin).toEqual({ mailbox: a.guid, uid: 1, base });
});

test("so does a moved message, whether its source was looked at before or after", async () => {
  const bench = await CaptureBench.open();
  const [a, b] = [bench.store.create("alice"), bench.store.create("alice/.Work")];
  const [first, second] = [a.deliver({ info: ":2,S" }), a.deliver({ info: ":2,S" })];
  bench.sweep();
  for (const base of [first, second]) a.copyTo(base, b);
  a.expunge(first);
  bench.look(b, { names: b.takeHints() });
  expect(bench.model.log.at(-1)?.changes).toMatchObject([
    { kind: "save", origin: { mailbox: a.guid, uid: 1, base: first } },
    { kind: "save", origin: { mailbox: a.guid, uid: 2, base: second } },
  ]);
  const third = a.deliver({ info: ":2,S" });
  bench.sweep();
  a.copyTo(third, b);
  a.expunge(third);
  a.rewrite();
  bench.settle(a);
  bench.settle(b);
  expect(lastSave(bench).origin).toEqual({ mailbox: a.guid, uid: 3, base: third });
  expectEqualToDisk(bench.model, bench.store);
});

test("a copy within the mailbox names the message that it has its GUID from", async () => {
  const bench = await CaptureBench.open();
  const inbox = bench.store.create("alice");
  const base = inbox.deliver({ info: ":2,S" });
  bench.settle(inbox);
  inbox.copyWithin(base);
  bench.settle(inbox);
  expect(lastSave(bench)).toMatchObject({
    message: { uid: 2, fields: `G${base}` },
    origin: { mailbox: inbox.guid, uid: 1, base },
  });
});

test("the same base name on another inode is no origin, nor is another user's mailbox, nor what the log does not have", async () => {
  const bench = await CaptureBench.open();
  const [a, b, c] = [bench.store.create("alice"), bench.store.create("alice/.Work"), bench.store.create("bob")];
  const base = a.deliver({ info: ":2,S" });
  bench.sweep();
  a.copyTo(base, c);
  bench.look(c, { names: c.takeHints() });
  expect(lastSave(bench).origin).toBeUndefined();
  const fresh = a.deliver({ info: ":2,S" });
  a.copyTo(fresh, b);
  bench.look(b, { names: b.takeHints() });
  expect(lastSave(bench)).toMatchObject({ message: { base: fresh } });
  expect(lastSave(bench).origin).toBeUndefined();
  const own = b.deliver({ info: ":2,S" });
  utimesSync(join(b.dir, "cur", `${own}:2,S`), 1, 1);
  bench.look(b, { names: b.takeHints() });
  expect(lastSave(bench).origin).toBeUndefined();
});

test("the inode of a message that was expunged lately is no origin for another user, whatever its new file is called", async () => {
  const bench = await CaptureBench.open();
  const [alice, bob] = [bench.store.create("alice"), bench.store.create("bob")];
  const base = bob.deliver({ info: ":2,S" });
  bench.sweep();
  // As if the system had given the freed inode to alice: a link, so that number, size and dates are the same.
  bob.copyTo(base, alice);
  bob.expunge(base);
  bench.settle(bob);
  bench.look(alice, { names: alice.takeHints() });
  expect(lastSave(bench)).toMatchObject({ message: { base } });
  expect(lastSave(bench).origin).toBeUndefined();
});

test("nor for a file of other size or date", async () => {
  const bench = await CaptureBench.open();
  const [a, b] = [bench.store.create("alice"), bench.store.create("alice/.Work")];
  const base = a.deliver({ info: ":2,S" });
  bench.sweep();
  a.copyTo(base, b);
  a.expunge(base);
  bench.settle(a);
  utimesSync(join(b.dir, "cur", `${base}:2,`), 1, 1);
  bench.look(b, { names: b.takeHints() });
  expect(lastSave(bench).origin).toBeUndefined();
});
