/** What an event's name may mean. */
import { describe, expect, test } from "vitest";
import { meaningOf } from "../../../src/capture/locate.js";

describe("meaningOf", () => {
  test.each(["dovecot-uidlist", "dovecot.index.log", "dovecot-keywords"])(
    "%s tells of messages, and where no mailbox is known that there may be one",
    (name) => {
      expect([meaningOf(name, true), meaningOf(name, false)]).toStrictEqual(["mailbox", "structure"]);
    },
  );

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
  ])("%s tells nothing", (name) => {
    expect([meaningOf(name, true), meaningOf(name, false)]).toStrictEqual(["nothing", "nothing"]);
  });

  test.each(["", "cur", ".Sent", "maildirfolder", "dovecot.indexes", "caf\xe9"])(
    "%j may be a mailbox that came or went",
    (name) => {
      expect([meaningOf(name, true), meaningOf(name, false)]).toStrictEqual(["structure", "structure"]);
    },
  );
});
