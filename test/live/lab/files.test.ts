/** The check for leftovers in a store, tested on planted ones. */
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { storeLeaks } from "./files.js";

describe("storeLeaks", () => {
  test("finds doubles, leftovers, locks and half-made mailboxes", () => {
    const store = mkdtempSync(join(tmpdir(), "mtl-leaks-"));
    try {
      const root = join(store, "u1", "Maildir");
      for (const part of ["cur", "new", "tmp", ".Half"]) mkdirSync(join(root, part), { recursive: true });
      writeFileSync(join(root, "cur", "1.a:2,S"), "");
      writeFileSync(join(root, "dovecot-uidlist"), "3 V1 N3 G0\n1 :1.a\n");
      const before = storeLeaks(store);
      expect(before).toEqual(["half-made mailbox: u1/Maildir/.Half"]);
      writeFileSync(join(root, "new", "1.a"), "");
      writeFileSync(join(root, "tmp", "2.b"), "");
      writeFileSync(join(root, "dovecot-uidlist.lock"), "1:host");
      appendFileSync(join(root, "dovecot-uidlist"), "1 :1.a\n");
      expect(storeLeaks(store)).toEqual([
        "left lock: u1/Maildir/dovecot-uidlist.lock",
        "left in tmp: u1/Maildir/tmp/2.b",
        "twice in u1/Maildir: 1.a:2,S and 1.a",
        "uidlist of u1/Maildir: UID 1 after 1",
        "uidlist of u1/Maildir: two records for 1.a",
        "half-made mailbox: u1/Maildir/.Half",
      ]);
    } finally {
      rmSync(store, { recursive: true });
    }
  });
});
