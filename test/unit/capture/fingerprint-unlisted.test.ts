import { expect, test } from "vitest";
import {
  directoryOf,
  fingerprintOfUnlisted,
  latestFirst,
  uidlistInoOf,
} from "../../../src/capture/fingerprint-text.js";
import { mailboxRow, rawPath } from "../log/state-fixtures.js";

test("a mailbox that no listing has covered is known by its directory, and counts as changed a moment ago", () => {
  const directory = { ino: 12, uid: 1000, birthtimeMs: 1_795_983_477_325.5 };
  const fingerprint = fingerprintOfUnlisted(directory);
  expect(directoryOf(fingerprint)).toStrictEqual(directory);
  expect(uidlistInoOf(fingerprint)).toBeNaN();
  const listed = "12 2e12 1 1 1 1 1 1 1 1 1 1000 5";
  const rows = [
    mailboxRow(1, { path: rawPath("listed"), fingerprint: listed }),
    mailboxRow(2, { path: rawPath("unlisted"), fingerprint }),
    mailboxRow(3, { path: rawPath("of an older version"), fingerprint: "" }),
  ];
  expect(latestFirst(rows)).toStrictEqual(["unlisted", "of an older version", "listed"]);
});
