/** Every delivery is measured, changed since, or missing: none drops out. */
import { mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { deliveryLags } from "../../../bench/delivery-lags.js";
import type { LiveAction, LiveChange } from "../../../bench/live-changes.js";
import { tempDir } from "./temp-dir.js";

let root: string;
let source: string;
let target: string;

beforeEach(() => {
  root = tempDir();
  source = join(root, "source");
  target = join(root, "target");
});

function arrive(path: string): number {
  const file = join(target, path);
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(file, "");
  return statSync(file).ctimeMs;
}

function change(action: LiveAction, mailbox: string, more: Partial<LiveChange> = {}): LiveChange {
  return { action, mailbox: join(source, mailbox), base: undefined, atMs: 0, atUnixMs: 0, ...more };
}

function lags(...changes: readonly LiveChange[]) {
  return deliveryLags(changes, { source, target });
}

test("what arrived is measured by the replica's ctime, in new/ and in cur/, never below 0", () => {
  const newMs = arrive("u/new/a");
  const curMs = arrive("u/.F/cur/b:2,S");
  expect(
    lags(
      change("deliver", "u", { base: "a", atUnixMs: newMs - 30 }),
      change("deliver", "u/.F", { base: "b", atUnixMs: curMs + 2 }),
      change("open", "u"),
    ),
  ).toEqual({ lagsMs: [30, 0], changedSince: 0, missing: [] });
});

test("a delivery that is not on the replica is missing, also when the whole mailbox is", () => {
  arrive("u/cur/other");
  expect(lags(change("deliver", "u", { base: "a" }), change("deliver", "v", { base: "b" }))).toEqual({
    lagsMs: [],
    changedSince: 0,
    missing: ["a was delivered to u and is not on the replica", "b was delivered to v and is not on the replica"],
  });
});

test("what was changed afterwards is counted, not measured", () => {
  for (const base of ["flagged", "copied"]) arrive(`u/cur/${base}:2,`);
  const from = (base: string) => ({ mailbox: join(source, "u"), base });
  expect(
    lags(
      ...["flagged", "copied", "moved", "expunged"].map((base) => change("deliver", "u", { base })),
      change("deliver", "u/.Gone", { base: "deleted" }),
      change("store-flags", "u", { base: "flagged" }),
      change("copy", "u", { base: "another name", from: from("copied") }),
      change("move", "v", { base: "moved", from: from("moved") }),
      change("expunge", "u", { base: "expunged" }),
      change("delete-folder", "u/.Gone"),
    ),
  ).toEqual({ lagsMs: [], changedSince: 5, missing: [] });
});

test("a folder that was renamed is looked for under its last name", () => {
  const deliver = (base: string, atUnixMs: number) => change("deliver", "u/.A", { base, atUnixMs });
  const rename = (before: string, after: string) =>
    change("rename-folder", after, { from: { mailbox: join(source, before), base: undefined } });
  const changes = [deliver("a", arrive("u/.C/cur/a:2,") - 7), rename("u/.A", "u/.B"), rename("u/.B", "u/.C")];
  expect(lags(...changes)).toEqual({ lagsMs: [7], changedSince: 0, missing: [] });
  rmSync(join(target, "u/.C"), { recursive: true });
  expect(lags(...changes).missing).toEqual(["a was delivered to u/.C and is not on the replica"]);
});
