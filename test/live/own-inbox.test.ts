/**
 * The replica's Dovecot was there first: somebody logged in to it before the source's mail came, so that it made an empty INBOX, or
 * empty folders, with identities of their own. They become the source's without a question. Who has one of them selected is told
 * to log in again.
 *
 * A UIDVALIDITY that becomes another is a line in Dovecot's log, and one more for each session that has the mailbox selected. It
 * can be had without only by removing the mailbox's indexes, by which its sessions know of each other: two of them end in
 * "Corrupted transaction log", and are never told of new mail (tried with 2.3.19).
 */
import { chownSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { describeLive } from "./lab/available.js";
import type { Layout } from "./lab/config.js";
import type { DovecotSite } from "./lab/dovecot.js";
import { type IdleSession, startIdle } from "./lab/idle.js";
import * as imap from "./lab/imap.js";
import { deliver } from "./lab/lmtp.js";
import type { TwinRun } from "./lab/mailtwin.js";
import { makeMessage } from "./lab/messages.js";
import { RawImap } from "./lab/raw-imap.js";
import { until } from "./lab/until.js";
import { expectPeacefulEnd } from "./twin/live-twin.js";
import { folderOf, openPair, type Pair } from "./twin/pair.js";
import { eventsOf, summaryOf } from "./twin/small-store.js";

/** `validity`: what the replica's own mailboxes have, below and above anything that Dovecot gives by the clock. */
const LAYOUTS: readonly { readonly layout: Layout; readonly separator: string; readonly validity: number }[] = [
  { layout: "maildir++", separator: ".", validity: 1_500_000_000 },
  { layout: "fs", separator: "/", validity: 4_000_000_000 },
];
const CHANGED = /Warning: Maildir \S+: UIDVALIDITY changed \(/;
const WAS_OPEN = /Error: Mailbox [^:]+: \S+dovecot\.index reset, view is now inconsistent$/;
const RELOGIN = /BYE IMAP session state is inconsistent, please relogin/;

for (const { layout, separator, validity } of LAYOUTS) {
  describeLive(`a replica whose users were there first, ${layout}`, () => {
    test("their empty INBOX becomes the source's, while clients have it open", async () => {
      await using pair = await openFirstPair(["u1"], layout);
      const { source, replica } = pair;
      for (const seed of [1, 2, 3]) await deliver(source, "u1", makeMessage({ seed }));
      await makeInboxes(pair, validity);
      await using idle = await startIdle(replica, "u1", "INBOX");
      await using polling = await RawImap.login(replica, "u1");
      await polling.run("SELECT INBOX");
      await using waiting = await RawImap.login(replica, "u1");
      expectSilent(await pair.sync(), 3);
      expect(folderOf(await pair.settle("u1"), "u1").messages.map(({ uid }) => uid)).toEqual([1, 2, 3]);
      await untilClosed(idle);
      await expect(polling.run("NOOP")).rejects.toThrow(RELOGIN);
      await expectTold(pair, { mailboxes: 1, sessions: 2 });
      expect(linesOf(await waiting.run("SELECT INBOX"))).toContain("* 3 EXISTS");
      await expectArrival(pair, "u1", 4);
    });

    test("one that had mail, all of it expunged, and whose user is gone again", async () => {
      await using pair = await openFirstPair(["u1", "u2"], layout);
      const { source, replica } = pair;
      await deliver(source, "u1", makeMessage({ seed: 1 }));
      await makeInboxes(pair, validity);
      {
        await using there = await imap.connect(replica, "u1");
        for (const seed of [5, 6]) await imap.append(there, "INBOX", makeMessage({ seed }), { flags: ["$Own"] });
        await imap.select(there, "INBOX");
        await imap.expunge(there, "1:*");
        // Nothing of u2 at the source but an empty INBOX, too.
        await using here = await imap.connect(source, "u2");
        await imap.select(here, "INBOX");
      }
      expectSilent(await pair.sync(), 1);
      await pair.settle();
      await expectTold(pair, { mailboxes: 2, sessions: 0 });
      for (const user of ["u1", "u2"]) {
        await using session = await imap.connect(replica, user);
        expect(await imap.select(session, "INBOX")).toMatchObject({ exists: user === "u1" ? 1 : 0 });
        await expectArrival(pair, user, user === "u1" ? 2 : 1);
      }
    });

    test("their empty folders of the same names become the source's; one that only they have stays", async () => {
      await using pair = await openFirstPair(["u1"], layout);
      const { source, replica } = pair;
      const names = ["Work", `Work${separator}Inner`];
      await using here = await imap.connect(source, "u1");
      for (const name of names) {
        await imap.createFolder(here, name);
        await imap.append(here, name, makeMessage({ seed: 7 }), { flags: ["\\Seen", "$Label"] });
      }
      await using there = await imap.connect(replica, "u1");
      for (const name of [...names, "Theirs"]) await imap.createFolder(there, name);
      await setValidity(replica, "u1", names, validity);
      const idlers = await Promise.all(names.map((name) => startIdle(replica, "u1", name)));
      expectSilent(await pair.sync(), 2);
      for (const idle of idlers) await untilClosed(idle);
      await imap.select(there, "Theirs");
      await imap.deleteFolder(there, "Theirs");
      const views = await pair.settle("u1");
      for (const name of names) expect(folderOf(views, "u1", name).messages).toHaveLength(1);
      await expectTold(pair, { mailboxes: 2, sessions: 2 });
    });

    test("while the twin is live: a user who logs in on the replica, and then gets the first mail", async () => {
      await using pair = await openFirstPair(["u1", "u2"], layout);
      const { source, replica } = pair;
      await deliver(source, "u1", makeMessage({ seed: 1 }));
      await using twin = await pair.start();
      await makeInboxes(pair, validity, ["u2"]);
      await using idle = await startIdle(replica, "u2", "INBOX");
      await using there = await imap.connect(replica, "u2");
      await imap.createFolder(there, "Later");
      await setValidity(replica, "u2", ["Later"], validity);
      await using inLater = await startIdle(replica, "u2", "Later");
      await deliver(source, "u2", makeMessage({ seed: 2 }));
      await using here = await imap.connect(source, "u2");
      await imap.createFolder(here, "Later");
      await imap.append(here, "Later", makeMessage({ seed: 3 }), { flags: ["$Label"] });
      await untilClosed(idle);
      await untilClosed(inLater);
      await pair.settle();
      await expectTold(pair, { mailboxes: 2, sessions: 2 });
      await using again = await startIdle(replica, "u2", "INBOX");
      await deliver(source, "u2", makeMessage({ seed: 4 }));
      await again.waitFor("the second mail", ({ kind }) => kind === "exists");
      await pair.settle();
      await expectPeacefulEnd(twin);
    });

    test("where the UIDVALIDITY happens to be the same, clients stay, and a UID that one has seen is not given again", async () => {
      await using pair = await openFirstPair(["u1", "u2"], layout);
      const { source, replica } = pair;
      for (const user of ["u1", "u2"]) {
        await deliver(source, user, makeMessage({ seed: 1 }));
        await using here = await imap.connect(source, user);
        const { uidValidity } = await imap.select(here, "INBOX");
        await makeInboxes(pair, Number(uidValidity), [user]);
      }
      await using there = await imap.connect(replica, "u2");
      for (const seed of [5, 6]) await imap.append(there, "INBOX", makeMessage({ seed }));
      await imap.select(there, "INBOX");
      await imap.expunge(there, "1:*");
      await using idle = await startIdle(replica, "u1", "INBOX");
      await using idleOfSeen = await startIdle(replica, "u2", "INBOX");
      const run = await pair.sync();
      expect(run.code, JSON.stringify(run)).toBe(0);
      expect(eventsOf(run, "conflict")).toMatchObject([{ path: "u2/Maildir" }]);
      const views = await pair.settle();
      const uids = ["u1", "u2"].map((user) => folderOf(views, user).messages.map(({ uid }) => uid));
      expect(uids).toEqual([[1], [3]]);
      for (const session of [idle, idleOfSeen]) await session.waitFor("the mail", ({ kind }) => kind === "exists");
      await expectTold(pair, { mailboxes: 0, sessions: 0 });
    });
  });
}

/** Homes stand on the replica as whoever made the accounts left them: empty. */
async function openFirstPair(users: readonly string[], layout: Layout): Promise<Pair> {
  const expected = new RegExp(`${CHANGED.source}|${WAS_OPEN.source}`);
  const pair = await openPair({ users, layout, expected });
  const { store, owner } = pair.replica;
  for (const user of users) {
    mkdirSync(join(store, user), { mode: 0o700 });
    chownSync(join(store, user), owner.uid, owner.gid);
  }
  return pair;
}

/** As a login makes them, but for the UIDVALIDITY. */
async function makeInboxes(
  { replica }: Pair,
  validity: number,
  users: readonly string[] = replica.users,
): Promise<void> {
  for (const user of users) {
    {
      await using session = await imap.connect(replica, user);
      await imap.select(session, "INBOX");
    }
    await setValidity(replica, user, ["INBOX"], validity);
  }
}

async function setValidity(
  site: DovecotSite,
  user: string,
  folders: readonly string[],
  validity: number,
): Promise<void> {
  for (const folder of folders)
    await site.doveadm(["mailbox", "update", "-u", user, "--uid-validity", String(validity), folder]);
}

/** Nothing was asked, and nobody has to know; `saves` messages were sent. */
function expectSilent(run: TwinRun, saves: number): void {
  expect(run.code, JSON.stringify(run)).toBe(0);
  for (const event of ["conflict", "problem", "warning", "error"]) expect(eventsOf(run, event)).toEqual([]);
  expect([run.strayOutput, run.stderr]).toEqual([[], ""]);
  expect(summaryOf(run)).toMatchObject({ problems: 0, saves });
}

/** Once for each mailbox whose UIDVALIDITY changed, and for each session that had one of them selected. Lines may come a little late. */
async function expectTold(
  { replica }: Pair,
  told: { readonly mailboxes: number; readonly sessions: number },
): Promise<void> {
  const countOf = (pattern: RegExp): number => replica.problems().filter((line) => pattern.test(line)).length;
  const isTold = (): boolean => countOf(CHANGED) === told.mailboxes && countOf(WAS_OPEN) === told.sessions;
  await until("what Dovecot has to say", isTold, { deadlineMs: 10_000, detail: () => replica.problems().join("\n") });
}

async function untilClosed(idle: IdleSession): Promise<void> {
  await until("the server to close a session", () => !idle.isOpen(), { detail: () => JSON.stringify(idle.events) });
}

/** The next mail has this UID on both sides, and Dovecot tells a new session of it. */
async function expectArrival(pair: Pair, user: string, uid: number): Promise<void> {
  await using idle = await startIdle(pair.replica, user, "INBOX");
  await deliver(pair.source, user, makeMessage({ seed: 90 }));
  expect((await pair.sync()).code).toBe(0);
  await idle.waitFor("the next mail", ({ kind }) => kind === "exists");
  expect(folderOf(await pair.settle(user), user).messages.at(-1)?.uid).toBe(uid);
}

function linesOf(responses: Awaited<ReturnType<RawImap["run"]>>): readonly string[] {
  return responses.map(({ line }) => line);
}
