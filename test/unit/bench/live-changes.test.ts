/** A run of live changes shows every kind of change and leaves a sound store. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { readMailbox } from "../../../bench/equal/read-mailbox.js";
import { walkStore } from "../../../bench/equal/walk-store.js";
import { makeLiveChanges } from "../../../bench/live-changes.js";
import { makeSampleStore } from "../../../bench/sample-store.js";
import { rawFromText } from "../../../src/base/raw-name.js";
import { tempDir } from "./temp-dir.js";

test("every kind of change happens, each message keeps its record, nothing is left lying about", async () => {
  const root = join(tempDir(), "store");
  const sample = makeSampleStore(root, { bigMailBytes: 50_000 });
  const maildirs = sample.maildirs.map((maildir) => join(root, maildir));
  const changes = await makeLiveChanges({ maildirs, perSecond: 10_000, seconds: 0.04, seed: 3 });
  const madeFolders = changes.filter(({ action }) => action === "create-folder");
  expect(changes).toHaveLength(400 + madeFolders.length);
  expect([...new Set(changes.map(({ action }) => action))].sort()).toEqual([
    "compact",
    "copy",
    "create-folder",
    "delete-folder",
    "deliver",
    "expunge",
    "move",
    "open",
    "rename-folder",
    "store-flags",
  ]);
  const atMs = changes.map((change) => change.atMs);
  expect(atMs).toEqual([...atMs].sort((a, b) => a - b));
  for (const mailbox of walkStore(rawFromText(root)).mailboxes) {
    const { uidlist, messageByBase, problems, duplicates, leftovers } = readMailbox(`${rawFromText(root)}/${mailbox}`);
    expect({ mailbox, problems, duplicates, leftovers }).toEqual({
      mailbox,
      problems: [],
      duplicates: [],
      leftovers: [],
    });
    for (const base of messageByBase.keys()) expect(uidlist?.recordByBase.has(base), base).toBe(true);
  }
});

test("an abort ends the run", async () => {
  const root = join(tempDir(), "store");
  const sample = makeSampleStore(root, { bigMailBytes: 50_000 });
  const maildirs = sample.maildirs.map((maildir) => join(root, maildir));
  const changes = await makeLiveChanges({
    maildirs,
    perSecond: 1000,
    seconds: 60,
    seed: 3,
    signal: AbortSignal.abort(),
  });
  expect(changes).toEqual([]);
});
