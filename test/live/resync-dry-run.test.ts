/** A replica that its own Dovecot has changed: `resync --dry-run` says what a comparison would do, does nothing, and a comparison does that. */
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { describeLive } from "./lab/available.js";
import * as imap from "./lab/imap.js";
import { deliver, deliverAll } from "./lab/lmtp.js";
import { makeMessage } from "./lab/messages.js";
import { openSites, type Sites } from "./sites/lab.js";
import { mailFor } from "./sites/mail.js";
import { contentsOf } from "./twin/contents.js";

const INBOX = "u1/Maildir";

describeLive("resync --dry-run of a replica that was changed there", () => {
  let lab: Sites;

  beforeAll(async () => {
    lab = await openSites({ names: ["a", "b"], users: ["u1", "u2"] });
    const { dovecot } = lab.site("a");
    await deliverAll(dovecot, mailFor(["u1", "u2"], { seed: 1, count: 8 }));
    await using session = await imap.connect(dovecot, "u1");
    await imap.createFolder(session, "Work");
    await imap.append(session, "Work", makeMessage({ seed: 50 }), { flags: ["\\Seen"] });
    lab.configureSource("a", ["b"]);
    lab.configureReplica("b", "a");
    await lab.startAll("a", ["b"]);
    await lab.settle("a", "b");
  });

  beforeEach(() => lab.tellWhenFailed());

  afterAll(() => lab[Symbol.asyncDispose]());

  const linesOfPlan = async () => (await lab.site("a").tell("resync", "--dry-run")).split("\n");

  test("nothing is to be done, then what its clients did is told, and a resync undoes it", async () => {
    const [a, b] = [lab.site("a"), lab.site("b")];
    expect(await linesOfPlan()).toEqual([
      expect.stringMatching(/^mail\/b: nothing to do: 9 messages in 3 mailboxes are equal \(/),
      "",
    ]);

    {
      await using session = await imap.connect(b.dovecot, "u1");
      await imap.select(session, "INBOX");
      await imap.store(session, [2], { add: ["\\Flagged"] });
      await imap.expunge(session, [3]);
      await imap.renameFolder(session, "Work", "Job");
    }
    const before = [contentsOf(a.dovecot.store), contentsOf(b.dovecot.store)];
    expect(await linesOfPlan()).toEqual([
      `mail/b: ${INBOX}`,
      "  change flags of 1 message: the source's are others",
      "    UID 2: flags none in the source, \\Flagged in the replica",
      expect.stringMatching(
        /^ {2}add 1 message \(.*\), with a new UID on both sides: the replica lacks it, and cannot give it its own UID any more$/,
      ),
      expect.stringMatching(/^ {4}UID 3 \(.*\): the replica has passed it$/),
      `mail/b: ${INBOX}/.Work`,
      `  rename it from "${INBOX}/.Job": the source has it here`,
      expect.stringMatching(/^mail\/b: in all: 1 mailbox renamed, 1 message with other flags, 1 message added with /),
      expect.stringMatching(/^mail\/b: 2 mailboxes of 3 would be changed \(/),
      "",
    ]);
    expect([contentsOf(a.dovecot.store), contentsOf(b.dovecot.store)]).toEqual(before);

    const { mark } = a;
    await a.tell("resync");
    await a.daemon.waitFor("the end", ({ msg }) => msg === "replica-compared", mark);
    await lab.settle("a", "b");
    expect(await linesOfPlan()).toEqual([
      expect.stringMatching(/: nothing to do: 9 messages in 3 mailboxes are equal/),
      "",
    ]);
  });

  test("a message that only the replica has is told as what stays", async () => {
    const b = lab.site("b");
    await deliver(b.dovecot, "u2", makeMessage({ seed: 70 }));
    await b.dovecot.doveadm(["index", "-u", "u2", "INBOX"]); // it has its UID then.
    const lines = await linesOfPlan();
    expect(lines.slice(0, 3)).toEqual([
      "mail/b: u2/Maildir",
      expect.stringMatching(
        /^ {2}raise the source's UIDNEXT from (\d+) to \d+: the replica has given out the UIDs between/,
      ),
      "  leave 1 message: only the replica has it",
    ]);
    expect(lines.at(-2)).toMatch(/^mail\/b: 1 mailbox of 3 would be changed \(/);
    for (const name of ["a", "b"]) await lab.site(name).daemon.stop();
  });
});
