/** What the file-level actors leave behind is what Dovecot leaves behind. */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  copyMessage,
  expungeMessage,
  keywordsOf,
  moveMessage,
  openMailbox,
  storeFlags,
} from "../../../../bench/dovecot/change.js";
import { deliver } from "../../../../bench/dovecot/deliver.js";
import { createFolder, deleteFolder, renameFolder } from "../../../../bench/dovecot/folders.js";
import { listMessages, type StoredMessage } from "../../../../bench/dovecot/list-messages.js";
import { underUidlistLock } from "../../../../bench/dovecot/uidlist-lock.js";
import { compactUidlist } from "../../../../bench/dovecot/uidlist-tail.js";
import { readMailbox } from "../../../../bench/equal/read-mailbox.js";
import { walkStore } from "../../../../bench/equal/walk-store.js";
import { tempDir } from "../temp-dir.js";

const BODY = Buffer.from("Subject: x\n\nbody\n");
const GUID = "0123456789abcdef0123456789abcdef";

function makeMaildir(): string {
  const path = join(tempDir(), "Maildir");
  for (const part of ["cur", "new", "tmp"]) mkdirSync(join(path, part), { recursive: true });
  writeFileSync(join(path, "dovecot-uidlist"), `3 V7 N1 G${GUID}\n`);
  return path;
}

function only(mailbox: string): StoredMessage {
  const [message, ...others] = listMessages(mailbox);
  if (message === undefined || others.length > 0) throw new Error("not exactly one message");
  return message;
}

test("deliveries get ascending UIDs, true sizes and leave no lock", () => {
  const maildir = makeMaildir();
  const delivered = [1, 2, 3].map(() => deliver(maildir, BODY, { sync: true }));
  expect(delivered.map(({ uid }) => uid)).toEqual([1, 2, 3]);
  const reading = readMailbox(maildir);
  expect(reading.problems).toEqual([]);
  expect(reading.leftovers).toEqual([]);
  expect([...(reading.uidlist?.recordByBase ?? [])].map(([base, { uid }]) => [base, uid])).toEqual(
    delivered.map(({ base, uid }) => [base, uid]),
  );
  for (const { base } of delivered) expect(base).toMatch(/,S=17,W=20$/);
});

test("the next UID is the larger of N and the last record's", () => {
  const maildir = makeMaildir();
  writeFileSync(join(maildir, "dovecot-uidlist"), `3 V7 N40 G${GUID}\n3 :gone\n`);
  expect(deliver(maildir, BODY, { sync: false }).uid).toBe(40);
  expect(deliver(maildir, BODY, { sync: false }).uid).toBe(41);
});

test("STORE keeps unknown letters and a tail, and gives a new keyword the next letter", () => {
  const maildir = makeMaildir();
  writeFileSync(join(maildir, "dovecot-keywords"), "0 first\n");
  const before = statSync(join(maildir, "dovecot-keywords")).mtimeMs;
  writeFileSync(join(maildir, "cur/m:2,SX,tail"), BODY);
  storeFlags(maildir, only(maildir), { flags: "F", keywords: ["second", "first"] });
  expect(only(maildir).path).toBe("cur/m:2,FXab,tail");
  expect(readFileSync(join(maildir, "dovecot-keywords"), "latin1")).toBe("0 first\n1 second\n");
  expect(Math.floor(statSync(join(maildir, "dovecot-keywords")).mtimeMs / 1000)).toBeGreaterThan(
    Math.floor(before / 1000),
  );
  expect(keywordsOf(maildir, only(maildir))).toEqual(["first", "second"]);
});

test("COPY keeps the name in another mailbox and gives a new one with a G field where the name is taken", () => {
  const maildir = makeMaildir();
  const folder = createFolder(maildir, "Other", GUID);
  deliver(maildir, BODY, { sync: false });
  const original = only(maildir);
  copyMessage(maildir, folder, original, ["k"]);
  expect(only(folder)).toEqual({ base: original.base, path: `cur/${original.base}:2,a`, info: "2,a" });
  const inside = copyMessage(maildir, maildir, original, []);
  expect(readMailbox(maildir).uidlist?.recordByBase.get(inside.message.base)?.fields).toBe(`G${original.base}`);
  const again = copyMessage(maildir, folder, inside.message, []);
  expect(readMailbox(folder).uidlist?.recordByBase.get(again.message.base)?.fields).toBe(`G${original.base}`);
});

test("MOVE and EXPUNGE leave the record until the uidlist is compacted, which brings N up to date", () => {
  const maildir = makeMaildir();
  const folder = createFolder(maildir, "Other", GUID);
  deliver(maildir, BODY, { sync: false });
  moveMessage(maildir, folder, only(maildir), []);
  expect(listMessages(maildir)).toEqual([]);
  expect(readMailbox(maildir).uidlist?.recordByBase.size).toBe(1);
  underUidlistLock(maildir, () => compactUidlist(maildir, () => false));
  expect(readFileSync(join(maildir, "dovecot-uidlist"), "latin1")).toBe(`3 V7 N2 G${GUID}\n`);
  expungeMessage(folder, only(folder));
  expect(listMessages(folder)).toEqual([]);
});

test("opening a mailbox moves what is new to cur/", () => {
  const maildir = makeMaildir();
  const { base } = deliver(maildir, BODY, { sync: false });
  expect(openMailbox(maildir)).toBe(1);
  expect(only(maildir).path).toBe(`cur/${base}:2,`);
  expect(openMailbox(maildir)).toBe(0);
});

test("folders take UIDVALIDITY from the counter, are renamed with their children and deleted whole", () => {
  const maildir = makeMaildir();
  writeFileSync(join(maildir, "dovecot-uidvalidity"), "0000000f");
  const folder = createFolder(maildir, "A", GUID);
  createFolder(maildir, "A.b", GUID);
  createFolder(maildir, "Ab", GUID);
  expect(readMailbox(folder).uidlist?.uidValidity).toBe(15);
  expect(readFileSync(join(maildir, "dovecot-uidvalidity"), "latin1")).toBe("00000012");
  expect(readdirSync(maildir)).toContain("dovecot-uidvalidity.00000012");
  renameFolder(maildir, "A", "C");
  expect(walkStore(maildir).mailboxes).toEqual(["", ".Ab", ".C", ".C.b"]);
  deliver(join(maildir, ".C"), BODY, { sync: false });
  deleteFolder(maildir, "C");
  expect(walkStore(maildir).mailboxes).toEqual(["", ".Ab", ".C.b"]);
  expect(existsSync(join(maildir, "..DOVECOT-TRASHED"))).toBe(false);
});
