import { renameSync, rmdirSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  isRacilyClean,
  type MailboxFingerprint,
  readFingerprint,
  sameFingerprint,
} from "../../../src/maildir/mailbox-fingerprint.js";
import { LONG_AGO_S, openTempMailbox, type TempMailbox } from "./temp-mailbox.js";

/** A mailbox whose times are all long ago, so that any change now shows. */
function settledMailbox(): TempMailbox {
  const mailbox = openTempMailbox();
  mailbox.write("dovecot-uidlist", "x");
  mailbox.write("dovecot-keywords", "x");
  mailbox.write("cur/m:2,", "");
  for (const name of ["cur", "new", "dovecot-uidlist", "dovecot-keywords"]) {
    utimesSync(join(mailbox.path, name), LONG_AGO_S, LONG_AGO_S);
  }
  return mailbox;
}

function fingerprintOf({ dir }: TempMailbox): MailboxFingerprint {
  const fingerprint = readFingerprint(dir);
  if (fingerprint === undefined) throw new Error("no mailbox");
  return fingerprint;
}

test("nothing changed, nothing differs; what is not there counts as zero", () => {
  const mailbox = settledMailbox();
  expect(sameFingerprint(fingerprintOf(mailbox), fingerprintOf(mailbox))).toBe(true);
  const bare = openTempMailbox();
  expect(fingerprintOf(bare)).toMatchObject({ uidlistIno: 0, uidlistSize: 0, uidlistMtimeMs: 0, keywordsMtimeMs: 0 });
  expect(fingerprintOf(bare).dirIno).toBe(bare.dir.ino);
});

test.each<[string, (mailbox: TempMailbox) => void]>([
  ["a delivery", ({ write }) => write("new/n", "")],
  ["a flag change", ({ path }) => renameSync(join(path, "cur/m:2,"), join(path, "cur/m:2,S"))],
  ["an append to the uidlist", ({ write }) => write("dovecot-uidlist", "xy")],
  [
    "a rewritten uidlist",
    ({ path, write }) => {
      write("other", "x");
      utimesSync(join(path, "other"), LONG_AGO_S, LONG_AGO_S);
      renameSync(join(path, "other"), join(path, "dovecot-uidlist"));
    },
  ],
  ["keywords", ({ write }) => write("dovecot-keywords", "y")],
])("%s differs", (_, change) => {
  const mailbox = settledMailbox();
  const before = fingerprintOf(mailbox);
  change(mailbox);
  expect(sameFingerprint(before, fingerprintOf(mailbox))).toBe(false);
});

test("what happened in cur/ differs although its time was put back", () => {
  const mailbox = settledMailbox();
  const before = fingerprintOf(mailbox);
  renameSync(join(mailbox.path, "cur/m:2,"), join(mailbox.path, "cur/m:2,S"));
  utimesSync(join(mailbox.path, "cur"), LONG_AGO_S, LONG_AGO_S);
  expect(fingerprintOf(mailbox).curMtimeMs).toBe(before.curMtimeMs);
  expect(sameFingerprint(before, fingerprintOf(mailbox))).toBe(false);
});

test("a directory without cur/ is no mailbox; a control directory may hold the uidlist", () => {
  const mailbox = settledMailbox();
  const control = openTempMailbox();
  control.write("dovecot-uidlist", "abc");
  expect(readFingerprint(mailbox.dir, control.dir)).toMatchObject({ uidlistSize: 3, keywordsMtimeMs: 0 });
  rmdirSync(join(control.path, "cur"));
  expect(readFingerprint(control.dir)).toBeUndefined();
});

describe("racily clean", () => {
  const OLD: MailboxFingerprint = {
    curMtimeMs: 1000.5,
    newMtimeMs: 1000.5,
    uidlistIno: 1,
    uidlistSize: 1,
    uidlistMtimeMs: 1000.5,
    keywordsMtimeMs: 0,
    dirIno: 1,
    curCtimeMs: 1000.5,
    newCtimeMs: 1000.5,
    uidlistCtimeMs: 1000.5,
    keywordsCtimeMs: 0,
    dirUid: 0,
    dirBirthtimeMs: 0,
  };
  const READ_AT_MS = 10_000_000.25;

  const MTIMES = ["curMtimeMs", "newMtimeMs", "uidlistMtimeMs", "keywordsMtimeMs"] as const;
  const CTIMES = ["curCtimeMs", "newCtimeMs", "uidlistCtimeMs", "keywordsCtimeMs"] as const;

  test.each([...MTIMES, ...CTIMES])("%s decides", (key) => {
    const aged = (ms: number): boolean => isRacilyClean({ ...OLD, [key]: READ_AT_MS - ms }, READ_AT_MS);
    expect(isRacilyClean(OLD, READ_AT_MS)).toBe(false);
    expect([0, 4, 19.5].map(aged)).toEqual([true, true, true]);
    expect([20, 500].map(aged)).toEqual([false, false]);
    expect(aged(-5)).toBe(true);
    expect(aged(-5_000_000)).toBe(false);
  });

  test("whole seconds are trusted only after the second is over", () => {
    const fingerprint = { ...OLD, keywordsMtimeMs: 20_000 };
    expect([20_000, 20_999, 21_099].map((nowMs) => isRacilyClean(fingerprint, nowMs))).toEqual([true, true, true]);
    expect(isRacilyClean(fingerprint, 21_100)).toBe(false);
  });
});
