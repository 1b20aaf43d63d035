/** A hundred changes are a hundred messages, all over the store, and leave it sound. */
import { cpSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { compareStores, DEFAULT_COMPARE } from "../../../../bench/equal/compare-stores.js";
import { DEFAULT_TREE } from "../../../../bench/generate/shape.js";
import { generateTree } from "../../../../bench/generate/tree.js";
import { scatterChanges } from "../../../../bench/workloads/scattered-changes.js";
import { tempDir } from "../temp-dir.js";

test("40 come, 20 go, 10 move, 30 have other flags; another seed changes others", () => {
  const root = tempDir();
  const [before, after] = [join(root, "before"), join(root, "after")];
  generateTree(before, { ...DEFAULT_TREE, mails: 300, mailboxes: 5, meanBytes: 1000 });
  cpSync(before, after, { recursive: true, preserveTimestamps: true });
  const bodies = scatterChanges(after, 1);
  expect(new Set(bodies.map(String)).size).toBe(40);
  const { countByKind, messages } = compareStores(before, after, { ...DEFAULT_COMPARE, keptMax: 1000 });
  // A message that moved is missing in one mailbox and more in another.
  expect(countByKind).toMatchObject({ "message-missing": 30, "message-extra": 50, flags: 30 });
  expect(messages).toBe(300 - 30);
  const again = join(root, "again");
  cpSync(before, again, { recursive: true, preserveTimestamps: true });
  expect(scatterChanges(again, 2).map(String)).not.toEqual(bodies.map(String));
  expect(compareStores(after, again).equal).toBe(false);
});
