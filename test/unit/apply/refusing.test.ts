/** What the system refuses in one mailbox is told as what it is: a right that is lacking is no folder at a wrong place. */
import { describe, expect, test } from "vitest";
import { applyError } from "../../../src/apply/errors.js";
import { refusing } from "../../../src/apply/refusing.js";
import type { RawPath } from "../../../src/base/raw-name.js";
import { makeSystemError } from "../../../src/base/system-error.js";
import { hintOfRejection } from "../../../src/daemon/run/daemon-hints.js";
import { problemOfRejection } from "../../../src/daemon/standing-problems.js";
import { parseMailboxGuid } from "../../../src/maildir/ids.js";

const INBOX = { mailbox: parseMailboxGuid("0123456789abcdef0123456789abcdef"), path: "" as RawPath };

const failing = (error: Error) =>
  refusing(INBOX, () => {
    throw error;
  });

const refused = (code: "EPERM" | "EACCES" | "ENOTDIR") =>
  makeSystemError(code, { doing: "renaming", path: "/var/vmail/cur/a", to: "/var/vmail/cur/b" });

describe("what the system refuses in INBOX", () => {
  test.each(["EPERM", "EACCES"] as const)("%s is a right that is lacking", (code) => {
    for (const error of [refused(code), new AggregateError([refused(code), refused("ENOTDIR")])])
      expect(failing(error)).toMatchObject({
        divergence: {
          kind: "mailbox-denied",
          words: expect.stringMatching(/^mailbox INBOX may not be changed here: /),
        },
      });
  });

  test("a file in the place of a directory is a matter of the path", () => {
    expect(failing(refused("ENOTDIR"))).toMatchObject({ divergence: { kind: "path-refused" } });
  });

  test("what could not be undone is judged by what it failed of", () => {
    const error = applyError("undo-incomplete", "undoing", {}, refused("EPERM"));
    expect(failing(error)).toMatchObject({ divergence: { kind: "mailbox-denied" } });
  });
});

test("the hint says whose right it is, in a daemon and to whoever runs a sync, and nothing of renaming a folder", () => {
  const row = { code: "mailbox-denied", path: INBOX.path, message: "m" } as Parameters<typeof problemOfRejection>[0];
  for (const hint of [hintOfRejection("mailbox-denied"), problemOfRejection(row).hint]) {
    expect(hint).toMatch(/owner and mode .*chattr -i/);
    expect(hint).not.toMatch(/[Rr]ename/);
  }
});
