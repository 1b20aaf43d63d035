/** A message is called absent only after listings that can be believed. */
import { renameSync, utimesSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { findFiles, listPlaces } from "../../../src/apply/find-files.js";
import { MailboxDirs } from "../../../src/apply/mailbox-place.js";
import { FLAG_BITS } from "../../../src/maildir/message-name.js";
import { openBusyDisk } from "../capture/busy-disk.js";
import { eachReplica } from "./each-replica.js";
import { untilNextTick } from "./next-tick.js";
import { CREATE, expunge, marks, type Replica, refuseBody, save, transaction } from "./replica-fixture.js";

let replica: Replica;
const busy = openBusyDisk();
eachReplica((opened) => {
  replica = opened;
  replica.apply(transaction([save(1, "one")], { structure: CREATE }));
  renameSync(replica.path("box/cur/one:2,"), replica.path("box/cur/one:2,D"));
  replica.open({ disk: busy.disk });
});

/** During each of the next listings of cur/ the message gets other flags, and is in none of them. */
function hideFrom(...names: readonly string[]): void {
  const [from, to, ...more] = names;
  if (from === undefined || to === undefined) return;
  busy.interrupt(
    () => {
      renameSync(replica.path("box/cur", from), replica.path("box/cur", to));
      hideFrom(to, ...more);
    },
    () => false,
  );
}

function withDirs<T>(use: (dirs: MailboxDirs) => T): T {
  const dir = busy.disk.openRoot(replica.path("box"));
  if (dir === undefined) throw new Error("no mailbox");
  try {
    using dirs = new MailboxDirs(dir);
    return use(dirs);
  } finally {
    dir.close();
  }
}

test("flags of a message that is renamed while the directory is listed are set", () => {
  const key = replica.nextKey();
  replica.stage(key, transaction([marks(1, "one", {}, { flags: FLAG_BITS.S })], { uidNext: 2 }));
  renameSync(replica.path("box/cur/one:2,D"), replica.path("box/cur/one:2,DF"));
  hideFrom("one:2,DF", "one:2,DPT", "one:2,DFPT");
  expect(replica.execute(key)).toMatchObject({ kind: "applied", notes: [] });
  expect(replica.names("box")).toEqual(["cur/one:2,DFPST"]);
});

test("and an expunge of it is carried out", () => {
  const key = replica.nextKey();
  replica.stage(key, transaction([expunge(1, "one")], { uidNext: 2 }), refuseBody);
  hideFrom("one:2,D", "one:2,DPT", "one:2,DFPT");
  expect(replica.execute(key)).toMatchObject({ effect: { limbo: [{ cause: "expunge" }] } });
  expect(replica.names("box")).toEqual([]);
});

test("one unstable listing is not believed, nor one that is as young as the last change", () => {
  const sought = [{ base: "one", infos: [] }];
  const find = (nowMs: number) =>
    withDirs((dirs) => findFiles(dirs, sought, { before: undefined, nowMs }).fileByBase.get("one")?.name);
  hideFrom("one:2,D", "one:2,DP");
  expect(find(Date.now() + 60_000)).toBe("one:2,DP");
  // Not seen, and the directory's time does not tell: it is that of a change in the same tick.
  const at = 1_500_000_000.25;
  utimesSync(replica.path("box/cur"), at, at);
  busy.interrupt(
    () => {
      renameSync(replica.path("box/cur/one:2,DP"), replica.path("box/cur/one:2,DT"));
      utimesSync(replica.path("box/cur"), at, at);
    },
    () => false,
  );
  expect(find(at * 1000 + 3)).toBe("one:2,DT");
});

test("a message at its likely name is found even if no listing has it", () => {
  const find = () =>
    withDirs((dirs) => {
      const sought = [{ base: "one", infos: [":2,DP"] }];
      return findFiles(dirs, sought, { before: undefined, nowMs: Date.now() }).fileByBase.get("one")?.name;
    });
  hideFrom("one:2,D", "one:2,DT", "one:2,DP");
  expect(find()).toBe("one:2,DP");
});

test("a survey, too, lists again what changed meanwhile", () => {
  hideFrom("one:2,D", "one:2,DP");
  expect(withDirs((dirs) => [...listPlaces(dirs, () => true).keys()])).toEqual(["one"]);
});

test("what came after a listing is found although the directory's mtime was put back", () => {
  const at = 1_500_000_000;
  const cur = replica.path("box/cur");
  const sought = [{ base: "two", infos: [] }];
  utimesSync(cur, at, at);
  const nowMs = Date.now() + 60_000;
  const { fileByBase, sighting } = withDirs((dirs) => findFiles(dirs, sought, { before: undefined, nowMs }));
  expect([...fileByBase.keys()]).toEqual([]);
  untilNextTick(cur);
  writeFileSync(replica.path("box/cur/two:2,DT"), "two");
  utimesSync(cur, at, at);
  const again = withDirs((dirs) => findFiles(dirs, sought, { before: sighting, nowMs }));
  expect(again.fileByBase.get("two")?.name).toBe("two:2,DT");
});
