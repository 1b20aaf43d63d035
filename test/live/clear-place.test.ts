/**
 * A replica's Dovecot has lost a `dovecot-uidlist`, and numbers the mailbox anew, or has not looked yet: `resync --clear-place` has the source's made in
 * its place beside both of them, and what only the replica had can be had back.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { describeLive } from "./lab/available.js";
import * as imap from "./lab/imap.js";
import { deliverAll } from "./lab/lmtp.js";
import { makeMessage } from "./lab/messages.js";
import { openSites, type Sites } from "./sites/lab.js";
import { mailFor } from "./sites/mail.js";

const USERS = ["u1", "u2"] as const;

describeLive("a mailbox of a replica that has lost its uidlist", () => {
  let lab: Sites;

  beforeAll(async () => {
    lab = await openSites({ names: ["a", "b"], users: USERS });
    const { dovecot } = lab.site("a");
    await deliverAll(dovecot, mailFor(USERS, { seed: 1, count: 6 }));
    for (const [index, user] of USERS.entries()) {
      await using session = await imap.connect(dovecot, user);
      await imap.createFolder(session, "Work");
      for (const seed of [50, 51]) await imap.append(session, "Work", makeMessage({ seed: seed + 10 * index }));
    }
    lab.configureSource("a", ["b"]);
    lab.configureReplica("b", "a");
    await lab.startAll("a", ["b"]);
    await lab.settle("a", "b");
  });

  beforeEach(() => lab.tellWhenFailed());

  afterAll(() => lab[Symbol.asyncDispose]());

  test.each([
    ["u1", "numbered anew, with mail of its own"],
    ["u2", "not opened since"],
  ] as const)("of %s: %s", { timeout: 120_000 }, async (user, how) => {
    const [a, b] = [lab.site("a"), lab.site("b")];
    rmSync(join(b.dovecot.mailRoot(user), ".Work/dovecot-uidlist"));
    if (how !== "not opened since") {
      await using session = await imap.connect(b.dovecot, user);
      await imap.append(session, "Work", makeMessage({ seed: 90 }));
    }
    const wish = ["--replica", "b", "-u", user, "--mailbox", "Work"];
    const { mark } = a;
    await a.tell("resync", ...wish);
    const isRejected = ({ msg, mailbox }: { readonly msg: string; readonly mailbox?: unknown }) =>
      msg === "transaction-rejected" && mailbox === `${user}/Maildir/.Work`;
    const refused = await a.daemon.waitFor("the refusal", isRejected, mark);
    expect(refused).toMatchObject({ code: "mailbox-occupied" });

    await a.tell("resync", "--clear-place", ...wish);
    const cleared = await a.daemon.waitFor("it to be cleared", ({ msg }) => msg === "place-cleared", mark);
    expect(cleared).toMatchObject({ reused: 2, toLimbo: how === "not opened since" ? 0 : 1 });
    await lab.settle("a", "b", { users: [user] });
  });
});
