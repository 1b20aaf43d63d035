/** One STORE renames all under one lock, and what it says is what is there. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { listMessages } from "../../../../bench/dovecot/list-messages.js";
import { toggleFlagged, withFlagToggled } from "../../../../bench/dovecot/store-many.js";
import { tempDir } from "../temp-dir.js";

test("the flag is turned on and off, and other letters stay in order", () => {
  expect(["2,", "2,S", "2,FS", "2,DSab", ""].map(withFlagToggled)).toEqual(["2,F", "2,FS", "2,S", "2,DFSab", "2,F"]);
});

test("all files get their new names, and the lock is free again", () => {
  const mailbox = tempDir();
  for (const place of ["cur", "new", "tmp"]) mkdirSync(join(mailbox, place));
  for (const name of ["a:2,", "b:2,FS", "c:2,S"]) writeFileSync(join(mailbox, "cur", name), "");
  const [a, b] = listMessages(mailbox).sort((x, y) => (x.base < y.base ? -1 : 1));
  if (a === undefined || b === undefined) throw new Error("nothing was listed");
  const changed = toggleFlagged(mailbox, [a, b]);
  expect(changed.map(({ path }) => path)).toEqual(["cur/a:2,F", "cur/b:2,S"]);
  expect(readdirSync(join(mailbox, "cur")).toSorted()).toEqual(["a:2,F", "b:2,S", "c:2,S"]);
  expect(existsSync(join(mailbox, "dovecot-uidlist.lock"))).toBe(false);
  toggleFlagged(mailbox, changed);
  expect(readdirSync(join(mailbox, "cur")).toSorted()).toEqual(["a:2,", "b:2,FS", "c:2,S"]);
});
