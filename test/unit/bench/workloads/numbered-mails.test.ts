/** A delivery is known again by its number, whatever a replica calls its file, and what is lost or changed is told. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  type NumberedMail,
  numbered,
  numberIn,
  readNumberedMails,
  whatIsNotKept,
} from "../../../../bench/workloads/numbered-mails.js";
import { tempDir } from "../temp-dir.js";

test("the number is found behind what LMTP puts in front, and only as a field", () => {
  const message = numbered(Buffer.from("Subject: x\n\nbody\n"), 42);
  expect(numberIn(message)).toBe(42);
  expect(numberIn(Buffer.concat([Buffer.from("Return-Path: <a@b>\r\nReceived: x\r\n"), message]))).toBe(42);
  expect(numberIn(Buffer.from("Subject: X-Bench-Delivery: 42\n"))).toBeUndefined();
});

test("a mailbox's numbered mails are read with their UIDs, and a second file of one number is seen", () => {
  const mailbox = tempDir();
  for (const place of ["cur", "new", "tmp"]) mkdirSync(join(mailbox, place));
  writeFileSync(join(mailbox, "cur", "old:2,S"), "Subject: old\n\n");
  writeFileSync(join(mailbox, "cur", "a:2,"), numbered(Buffer.from("\n"), 1));
  writeFileSync(join(mailbox, "new", "b"), numbered(Buffer.from("\n"), 1));
  writeFileSync(join(mailbox, "new", "c"), numbered(Buffer.from("\n"), 2));
  writeFileSync(join(mailbox, "new", "other"), numbered(Buffer.from("\n"), 3));
  writeFileSync(join(mailbox, "dovecot-uidlist"), "3 V5 N9\n7 :a\n8 :c\n");
  const mails = readNumberedMails(mailbox, (base) => base !== "other");
  const uids = [...mails].map(([number, all]) => [number, all.map(({ base, uid }) => [base, uid])]);
  expect(uids).toEqual([
    [
      1,
      [
        ["a", 7],
        ["b", undefined],
      ],
    ],
    [2, [["c", 8]]],
  ]);
});

const MAIL: NumberedMail = {
  base: "x",
  uid: 3,
  place: "cur",
  info: "2,",
  path: "cur/x:2,",
  size: 10,
  mtimeS: 5,
  dev: 1,
  ino: 2,
};

test("what a replica does not keep is counted", () => {
  const source = new Map([1, 2, 3, 4].map((number) => [number, [MAIL]]));
  expect(whatIsNotKept(source, source)).toEqual([]);
  const replica = new Map([
    [1, [{ ...MAIL, base: "y", uid: 4 }]],
    [2, [MAIL, { ...MAIL, base: "z" }]],
    [3, [{ ...MAIL, uid: undefined, mtimeS: 6, size: 11 }]],
  ]);
  const words = [
    "missing: 1 of 4",
    "twice: 1 of 4",
    "file name: 1 of 4",
    "UID: 2 of 4",
    "size: 1 of 4",
    "date: 1 of 4",
  ];
  expect(whatIsNotKept(source, replica)).toEqual(words);
});
