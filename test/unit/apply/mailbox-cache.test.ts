/** What is remembered of few mailboxes is bounded by bytes too. */
import { expect, test } from "vitest";
import { MailboxCache } from "../../../src/apply/mailbox-cache.js";
import { parseMailboxGuid } from "../../../src/maildir/ids.js";
import { digester } from "../log/state-fixtures.js";
import { openTempMailbox } from "../maildir/temp-mailbox.js";

const READER = { mailboxByGuid: () => undefined } as unknown as ConstructorParameters<typeof MailboxCache>[0]["reader"];
const guidOf = (i: number) => parseMailboxGuid(i.toString(16).padStart(32, "0"));

test("uidlists of a few mailboxes are forgotten when they are too large together, least recently used first", () => {
  const cache = new MailboxCache({ reader: READER, digester });
  const mailbox = openTempMailbox();
  mailbox.write("dovecot-uidlist", `3 V1700000000 N1 G${guidOf(0)}\n`);
  const known = [1, 2, 3].map((i) => {
    const each = cache.get(guidOf(i));
    expect(each.uidlist.read(mailbox.dir).kind).toBe("replaced");
    each.uidlistBytes = 30 * 1024 * 1024;
    return each;
  });
  cache.get(guidOf(4));
  expect(known.map(({ uidlist }) => uidlist.read(mailbox.dir).kind)).toEqual(["replaced", "same", "same"]);
  expect(known.map(({ guid }) => cache.get(guid))).toEqual(known); // what else is known of them stays.
  expect(known[0]?.uidlistBytes).toBe(0);
});
