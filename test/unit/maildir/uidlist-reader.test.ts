import { appendFileSync, renameSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Dir } from "../../../src/base/disk.js";
import { UidlistReader } from "../../../src/maildir/uidlist-reader.js";
import { LONG_AGO_S, openTempMailbox, type TempMailbox } from "./temp-mailbox.js";
import { bytesOf, HEADER } from "./uidlist-bytes.js";

function replaceUidlist({ path }: TempMailbox, bytes: Uint8Array): void {
  writeFileSync(join(path, "dovecot-uidlist.tmp"), bytes);
  renameSync(join(path, "dovecot-uidlist.tmp"), join(path, "dovecot-uidlist"));
}

test("absent, then replaced, then the same", () => {
  const mailbox = openTempMailbox();
  const reader = new UidlistReader();
  expect(reader.read(mailbox.dir)).toEqual({ kind: "absent" });
  replaceUidlist(mailbox, bytesOf(HEADER, "1 :a"));
  const first = reader.read(mailbox.dir);
  expect(first).toMatchObject({ kind: "replaced", uidlist: { count: 1 } });
  const second = reader.read(mailbox.dir);
  expect(second.kind).toBe("same");
  expect("uidlist" in second && "uidlist" in first && second.uidlist === first.uidlist).toBe(true);
});

test("an append is read from the old end; an unfinished line comes again when it is whole", () => {
  const mailbox = openTempMailbox();
  const reader = new UidlistReader();
  replaceUidlist(mailbox, bytesOf(HEADER, "1 :a"));
  reader.read(mailbox.dir);
  appendFileSync(join(mailbox.path, "dovecot-uidlist"), "2 :b\n3 :");
  expect(reader.read(mailbox.dir)).toMatchObject({
    kind: "grown",
    firstNewIndex: 1,
    uidlist: { count: 2, ignoredBytes: 3 },
  });
  appendFileSync(join(mailbox.path, "dovecot-uidlist"), "c\n");
  const read = reader.read(mailbox.dir);
  expect(read).toMatchObject({ kind: "grown", firstNewIndex: 2, uidlist: { count: 3, ignoredBytes: 0 } });
  if (read.kind === "grown") expect(read.uidlist.baseAt(2)).toBe("c");
});

test("a rename over it is noticed; equal bytes are the same uidlist", () => {
  const mailbox = openTempMailbox();
  const reader = new UidlistReader();
  replaceUidlist(mailbox, bytesOf(HEADER, "1 :a"));
  reader.read(mailbox.dir);
  replaceUidlist(mailbox, bytesOf(HEADER, "1 :a"));
  expect(reader.read(mailbox.dir).kind).toBe("same");
  replaceUidlist(mailbox, bytesOf(HEADER, "1 :a", "2 :b"));
  expect(reader.read(mailbox.dir)).toMatchObject({ kind: "replaced", uidlist: { count: 2 } });
});

test("a longer file under the same inode number that is no append is read whole", () => {
  const mailbox = openTempMailbox();
  const reader = new UidlistReader();
  const path = join(mailbox.path, "dovecot-uidlist");
  writeFileSync(path, bytesOf(HEADER, "1 :a", "2 :b"));
  reader.read(mailbox.dir);
  writeFileSync(path, bytesOf(HEADER, "1 :a", "3 :ccc", "4 :d")); // in place: the inode stays, as when it is given again.
  const read = reader.read(mailbox.dir);
  expect(read).toMatchObject({ kind: "replaced", uidlist: { count: 3 } });
  writeFileSync(path, bytesOf(HEADER.replace("N4", "N9"), "1 :a", "3 :ccc", "4 :d", "5 :e"));
  expect(reader.read(mailbox.dir)).toMatchObject({ kind: "replaced", uidlist: { count: 4, nextUid: 9 } });
});

test("an equally long file under the same inode number is told by its time", () => {
  const mailbox = openTempMailbox();
  const reader = new UidlistReader();
  const path = join(mailbox.path, "dovecot-uidlist");
  writeFileSync(path, bytesOf(HEADER, "1 :a"));
  utimesSync(path, LONG_AGO_S, LONG_AGO_S);
  reader.read(mailbox.dir);
  writeFileSync(path, bytesOf(HEADER, "1 :b"));
  const read = reader.read(mailbox.dir);
  expect(read.kind === "replaced" && read.uidlist.baseAt(0)).toBe("b");
});

test("damage and unknown versions are values, and the next good file is read whole", () => {
  const mailbox = openTempMailbox();
  const reader = new UidlistReader();
  replaceUidlist(mailbox, bytesOf(HEADER, "1 :a"));
  reader.read(mailbox.dir);
  appendFileSync(join(mailbox.path, "dovecot-uidlist"), "1 :again\n");
  expect(reader.read(mailbox.dir)).toMatchObject({ kind: "damaged", line: 3 });
  replaceUidlist(mailbox, bytesOf("4 V1 N1"));
  expect(reader.read(mailbox.dir)).toEqual({ kind: "unsupported", version: 4 });
  replaceUidlist(mailbox, bytesOf(HEADER, "1 :a", "2 :b"));
  expect(reader.read(mailbox.dir)).toMatchObject({ kind: "replaced", uidlist: { count: 2 } });
});

test("a replacement during the read is noticed", () => {
  const mailbox = openTempMailbox();
  replaceUidlist(mailbox, bytesOf(HEADER, "1 :a"));
  let replacements = 0;
  const dir: Dir = new Proxy(mailbox.dir, {
    get(target, key) {
      if (key === "openFile") {
        return (name: string) => {
          const file = target.openFile(name);
          if (replacements++ === 0) replaceUidlist(mailbox, bytesOf(HEADER, "1 :a", "2 :b"));
          return file;
        };
      }
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  expect(new UidlistReader().read(dir)).toMatchObject({ kind: "replaced", uidlist: { count: 2 } });
  expect(replacements).toBe(2);
});
