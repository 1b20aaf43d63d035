/** What an event's path may mean. */
import { describe, expect, test } from "vitest";
import type { RawPath } from "../../../src/base/raw-name.js";
import { locate } from "../../../src/capture/locate.js";
import { rawPath } from "../log/state-fixtures.js";

const KNOWN = new Set(["", "alice/Maildir", "alice/Maildir/.Sent"]);
const known = (path: RawPath) => (KNOWN.has(path) ? [path] : []);
const kindOf = (relative: string) => locate(relative, known).kind;

describe("locate", () => {
  test("side files of a known mailbox that tell of messages name it", () => {
    for (const file of ["dovecot-uidlist", "dovecot.index.log", "dovecot-keywords"]) {
      expect(locate(`alice/Maildir/.Sent/${file}`, known)).toStrictEqual({
        kind: "mailbox",
        paths: [rawPath("alice/Maildir/.Sent")],
      });
    }
    expect(locate("dovecot-uidlist", known)).toStrictEqual({ kind: "mailbox", paths: [rawPath("")] });
  });

  test("those of a mailbox that is not known yet ask for the list of mailboxes", () => {
    expect(kindOf("bob/Maildir/dovecot-uidlist")).toBe("structure");
  });

  test.each([
    "dovecot.index",
    "dovecot.index.cache",
    "dovecot.index.log.2",
    "dovecot.list.index.log",
    "dovecot.mailbox.log",
    "dovecot-uidlist.lock",
    "dovecot-uidlist.new-0123456789abcdef.lock",
    "dovecot-uidvalidity.6543210f",
    "subscriptions",
    "maildirsize",
    ".dovecot.svbin",
  ])("%s tells nothing", (file) => {
    expect(kindOf(`alice/Maildir/${file}`)).toBe("nothing");
  });

  test.each([
    "",
    "alice",
    "alice/Maildir/.Sent",
    "alice/Maildir/.New",
    "alice/Maildir/maildirfolder",
    "dovecot.indexes",
    "a//b",
    "../x",
    "caf\u2603",
  ])("%j may be a mailbox that came or went", (relative) => {
    expect(kindOf(relative)).toBe("structure");
  });
});
