/**
 * A replica's Dovecot has lost a `dovecot-uidlist`, and numbers the mailbox anew, or has not looked yet: `resync --clear-place` has the source's made in
 * its place beside both of them, as soon as Dovecot has looked, and what only the replica had can be had back.
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
import { contentsOf } from "./twin/contents.js";

const USERS = ["u1", "u2"] as const;
const TIMEOUT = { timeout: 120_000 };

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

  const parts = (user: string) => {
    const [a, b] = [lab.site("a"), lab.site("b")];
    const wish = ["--replica", "b", "-u", user, "--mailbox", "Work"];
    const of = (names: string) => (mark: number) =>
      a.daemon.waitFor(
        names,
        ({ msg, mailbox }: { readonly msg: string; readonly mailbox?: unknown }) =>
          msg.startsWith(names) && mailbox === `${user}/Maildir/.Work`,
        mark,
      );
    return {
      a,
      b,
      wish,
      refused: of("transaction-rejected"),
      problem: of("mailbox-problem"),
      cleared: of("place-cleared"),
      work: join(b.dovecot.mailRoot(user), ".Work"),
    };
  };

  test("of u1: numbered anew, with mail of its own", TIMEOUT, async () => {
    const { a, b, wish, refused, cleared, work } = parts("u1");
    rmSync(join(work, "dovecot-uidlist"));
    {
      await using session = await imap.connect(b.dovecot, "u1");
      await imap.append(session, "Work", makeMessage({ seed: 90 }));
    }
    const { mark } = a;
    await a.tell("resync", ...wish);
    expect(await refused(mark)).toMatchObject({ code: "mailbox-occupied" });

    await a.tell("resync", "--clear-place", ...wish);
    expect(await cleared(mark)).toMatchObject({ reused: 2, toLimbo: 1 });
    await lab.settle("a", "b", { users: ["u1"] });
  });

  test("of u2: not before Dovecot has opened it, and no UID names another message then", TIMEOUT, async () => {
    const { a, b, wish, problem, cleared, work } = parts("u2");
    {
      await using session = await imap.connect(b.dovecot, "u2");
      await imap.append(session, "Work", makeMessage({ seed: 91 })); // a client has seen UID 3 there.
      expect((await imap.select(session, "Work")).uidNext).toBe(4);
    }
    rmSync(join(work, "dovecot-uidlist"));
    const before = contentsOf(join(work, "cur"));
    {
      await using session = await imap.connect(a.dovecot, "u2");
      await imap.append(session, "Work", makeMessage({ seed: 92 })); // UID 3 at the source.
    }
    const { mark } = a;
    await a.tell("resync", "--clear-place", ...wish);
    const told = await problem(mark);
    expect(told).toMatchObject({ code: "mailbox-occupied", message: expect.stringContaining("doveadm index") });
    expect(contentsOf(join(work, "cur"))).toStrictEqual(before);

    await b.dovecot.doveadm(["index", "-u", "u2", "Work"]);
    await a.tell("resync", "--clear-place", ...wish);
    expect(await cleared(mark)).toMatchObject({ reused: 2, toLimbo: 1 });
    await lab.settle("a", "b", { users: ["u2"] });
    await using session = await imap.connect(b.dovecot, "u2");
    await imap.select(session, "Work");
    const uids: number[] = [];
    for await (const { uid } of session.fetch("1:*", { uid: true })) uids.push(uid);
    expect(uids).toHaveLength(3);
    expect(Math.min(...uids)).toBeGreaterThan(3);
  });
});
