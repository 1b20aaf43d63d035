/** Files that were changed under their names: whoever asks for a look at them has the log say what they are now, and nobody else. */
import { appendFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import type { FileLook } from "../../../src/capture/capture-types.js";
import { parseUid } from "../../../src/maildir/ids.js";
import { CaptureBench, rawPath } from "./capture-bench.js";
import type { FakeMailbox } from "./fake-dovecot.js";
import { expectEqualToDisk } from "./log-model.js";

let bench: CaptureBench;
let inbox: FakeMailbox;

beforeEach(async () => {
  bench = await CaptureBench.open();
  inbox = bench.store.create("alice");
  for (let i = 0; i < 3; i++) inbox.deliver({ info: ":2,S", body: "0123456789" });
  bench.settle(inbox);
});

function fileOf(uid: number): string {
  const base = inbox.records().find((record) => record.uid === uid)?.base;
  const file = inbox.files().find((it) => it.base === base);
  if (file === undefined) throw new Error(`UID ${uid} has no file`);
  return join(inbox.dir, file.dir, file.name);
}

function lookAt(...files: readonly (readonly [uid: number, notes: FileLook["notes"]])[]) {
  const looks = files.map(([uid, notes]): FileLook => ({ uid: parseUid(uid), notes }));
  const [path, hints] = [rawPath("alice"), { names: [], uidlist: false }];
  const outcome = bench.source.examine({ path, hints, full: false, nowMs: bench.nowMs, files: looks });
  if ("commit" in outcome) bench.model.commit(outcome.commit);
  return outcome;
}

const loggedOf = (uid: number) =>
  bench.model.mailboxes.get(inbox.guid)?.states.find((state) => (state.uid as number) === uid);

describe("a file that has grown under its name", () => {
  beforeEach(() => appendFileSync(fileOf(2), "more"));

  test("is not seen by a listing, and is what it is now in the log where somebody has it looked at", () => {
    bench.settle(inbox);
    expect(loggedOf(2)?.size).toBe(10);
    expect(lookAt([1, "all"], [2, "all"], [3, "all"])).toMatchObject({ kind: "sealed", saves: 0, changes: 1 });
    expect(bench.model.log.at(-1)?.changes).toMatchObject([
      { kind: "rebind", fromUid: 2, message: { uid: 2, size: 14 } },
    ]);
    expectEqualToDisk(bench.model, bench.store);
    expect(lookAt([1, "all"], [2, "all"], [3, "all"]).kind).toBe("unchanged");
  });

  test("keeps its word where only dates may be noted", () => {
    expect(lookAt([2, "date"]).kind).toBe("unchanged");
    expect(loggedOf(2)?.size).toBe(10);
  });

  test("and whose flags changed as well is noted with both, wherever those were seen", () => {
    const base = inbox.records()[1]?.base ?? "";
    inbox.setInfo(base, ":2,FS");
    expect(lookAt([2, "all"])).toMatchObject({ kind: "unchanged", needListing: true }); // it is at no likely name.
    bench.settle(inbox);
    expect(loggedOf(2)).toMatchObject({ size: 10, flags: 18 });
    lookAt([2, "all"]);
    expectEqualToDisk(bench.model, bench.store);
  });

  test("keeps what was noted after a restart", async () => {
    lookAt([2, "all"]);
    await bench.restart();
    expect(bench.settle(inbox)).toBe(0);
    expectEqualToDisk(bench.model, bench.store);
  });
});

test("another date alone is noted by either look", () => {
  for (const [uid, notes] of [
    [1, "date"],
    [3, "all"],
  ] as const) {
    utimesSync(fileOf(uid), 1_234_567, 1_234_567);
    lookAt([uid, notes]);
    expect(loggedOf(uid)).toMatchObject({ mtimeS: 1_234_567, size: 10 });
  }
  expectEqualToDisk(bench.model, bench.store);
});

test("of what the log does not know, and of what is gone, nothing is said", () => {
  const file = fileOf(3);
  rmSync(file);
  const base = inbox.freshBase();
  writeFileSync(join(inbox.dir, "cur", `${base}:2,`), "unnumbered");
  const before = bench.model.log.length;
  expect(lookAt([3, "all"], [77, "all"])).toMatchObject({ kind: "unchanged", needListing: true });
  expect(bench.model.log.length).toBe(before);
  expect(loggedOf(3)).toMatchObject({ size: 10 });
});

test("a record that came to another message under its UID is none of it", () => {
  const [first, second, third] = inbox.records();
  if (first === undefined || second === undefined || third === undefined) throw new Error("there are three");
  appendFileSync(fileOf(2), "more");
  inbox.writeUidlist([first, { ...third, uid: 2 }, { ...second, uid: 3 }], 4);
  lookAt([2, "all"], [3, "all"]);
  expect([loggedOf(2)?.base, loggedOf(2)?.size]).toEqual([second.base, 10]);
});
