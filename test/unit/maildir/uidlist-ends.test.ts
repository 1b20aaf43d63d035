import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openNodeDisk } from "../../../src/base/disk-node.js";
import { readUidlistEnds } from "../../../src/maildir/uidlist-ends.js";

const HEADER = `3 V7 N3 G${"a".repeat(32)}\n`;

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "mailtwin-ends-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

function uidNextOf(text: string): number | undefined {
  writeFileSync(join(dir, "dovecot-uidlist"), text, "latin1");
  const mailbox = openNodeDisk().openRoot(dir);
  try {
    return mailbox === undefined ? undefined : readUidlistEnds(mailbox)?.uidNext;
  } finally {
    mailbox?.close();
  }
}

const MANY = Array.from({ length: 2_000 }, (_, i) => `${i + 1} S1 :base${i}\n`).join("");

test.each([
  ["no record", HEADER, 3],
  ["a record below N", `${HEADER}1 :a\n`, 3],
  ["a record that N does not know of", `${HEADER}1 :a\n9 S3 W4 :b\n`, 10],
  ["more than is read", HEADER + MANY, 2_001],
  ["a last line that is not whole", `${HEADER}9 :a\n12 :b`, 10],
  ["line ends of another kind", `${HEADER.trim()}\r\n9 :a\r\n`, 10],
])("is known with %s", (_what, text, uidNext) => {
  expect(uidNextOf(text)).toBe(uidNext);
});

test.each([
  ["an empty file", ""],
  ["a header without its end", HEADER.trim()],
  ["another version", "2 V7 N3\n"],
  ["a last line that is no record", `${HEADER}9 :a\nno record\n`],
  ["a last line of which only the end is read", `${HEADER}9 :a\n12 ${"S7 ".repeat(3_000)}:b\n`],
  ["nothing but a part of a line in what is read", `${HEADER}9 :a\n12 ${"S7 ".repeat(3_000)}:b`],
])("is not known with %s", (_what, text) => {
  expect(uidNextOf(text)).toBeUndefined();
});

test("is not known where there is no uidlist", () => {
  const mailbox = openNodeDisk().openRoot(dir);
  expect(mailbox === undefined ? "no directory" : readUidlistEnds(mailbox)).toBeUndefined();
  mailbox?.close();
});
