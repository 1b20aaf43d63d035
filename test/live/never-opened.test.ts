/**
 * Whether a replica's Dovecot has opened a mailbox cannot be told from the mailbox: one that keeps its indexes elsewhere leaves nothing
 * there but a later time of its directory, in which its lock came and went. So a UID that names another message on the replica is never given to the right one in place, whatever is lacking beside
 * the mail: both messages move above both next UIDs, and a client that has read the wrong one under that UID is told.
 */
import { chownSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ImapFlow } from "imapflow";
import { expect, test } from "vitest";
import { describeLive } from "./lab/available.js";
import type { DovecotSite } from "./lab/dovecot.js";
import * as imap from "./lab/imap.js";
import { deliverAll } from "./lab/lmtp.js";
import { runTwin } from "./lab/mailtwin.js";
import { makeMessages } from "./lab/messages.js";
import { folderOf, openPair, type Pair } from "./twin/pair.js";
import { treeState } from "./twin/raw-compare.js";

const ELSEWHERE = "mail_location = maildir:~/Maildir:INDEX=%h/../../index/%u";
const USER = "u1";
const TIMEOUT = { timeout: 120_000 };

function makeIndexPlace({ dir, owner }: DovecotSite): void {
  const index = join(dir, "index");
  mkdirSync(index, { mode: 0o700 });
  chownSync(index, owner.uid, owner.gid);
}

/** A twin with three messages, whose replica has not been opened; there UIDs 1 and 2 name each other's message. */
async function openSwapped(): Promise<{ readonly pair: Pair; readonly right: string }> {
  const pair = await openPair({ users: [USER], extraConfig: ELSEWHERE });
  for (const site of [pair.source, pair.replica]) makeIndexPlace(site);
  await deliverAll(
    pair.source,
    makeMessages(3, { seed: 10 }).map((message) => ({ user: USER, message })),
  );
  expect((await pair.sync()).code).toBe(0);
  const right = readFileSync(listIn(pair), "latin1");
  const [header = "", one = "", two = "", ...rest] = right.split("\n");
  writeList(
    pair,
    [
      header,
      one.replace(/:.*/, two.slice(two.indexOf(":"))),
      two.replace(/:.*/, one.slice(one.indexOf(":"))),
      ...rest,
    ].join("\n"),
  );
  return { pair, right };
}

/** Of the mailbox's directory: Dovecot's lock comes and goes there, as with each delivery, and each transaction of ours. */
const withoutTimes = ([root = "", ...files]: readonly string[]) => [root.replace(/ mtime=.*/, ""), ...files];

const listIn = ({ replica }: Pair) => join(replica.mailRoot(USER), "dovecot-uidlist");

/** With a sign for sessions that something has changed. */
function writeList(pair: Pair, text: string): void {
  writeFileSync(listIn(pair), text, "latin1");
  const now = new Date();
  utimesSync(join(pair.replica.mailRoot(USER), "cur"), now, now);
}

/** What that UID names, as a client sees it; undefined: nothing. */
async function bodyOf(client: ImapFlow, uid: number): Promise<string | undefined> {
  const found = await client.fetchOne(String(uid), { source: true }, { uid: true });
  return found === false ? undefined : found.source?.toString("latin1");
}

describeLive("a mailbox of a replica without an index beside its mail", () => {
  test("has been opened all the same: nothing in it tells", TIMEOUT, async () => {
    const { pair } = await openSwapped();
    await using _pair = pair;
    const root = pair.replica.mailRoot(USER);
    const before = treeState(root);
    {
      await using client = await imap.connect(pair.replica, USER);
      await imap.select(client, "INBOX", { readOnly: true });
      expect(await bodyOf(client, 1)).toBeDefined();
    }
    expect(withoutTimes(treeState(root))).toStrictEqual(withoutTimes(before));
    expect(readdirSync(root).filter((name) => name.startsWith("dovecot.index"))).toStrictEqual([]);
  });

  test("would show another message under a UID that a client has read, were it mended in place", TIMEOUT, async () => {
    const { pair, right } = await openSwapped();
    await using _pair = pair;
    await using client = await imap.connect(pair.replica, USER);
    const { uidValidity } = await imap.select(client, "INBOX");
    const read = await bodyOf(client, 1);
    await client.mailboxClose();
    writeList(pair, right);
    expect((await imap.select(client, "INBOX")).uidValidity).toBe(uidValidity);
    const shown = await bodyOf(client, 1);
    expect(shown).toBeDefined();
    expect(shown).not.toBe(read);
  });

  test(
    "is mended above both next UIDs, on both sides: the client is told that what it read is gone",
    TIMEOUT,
    async () => {
      const { pair } = await openSwapped();
      await using _pair = pair;
      await using client = await imap.connect(pair.replica, USER);
      await imap.select(client, "INBOX");
      const read = new Map<number, string | undefined>();
      for (const uid of [1, 2, 3]) read.set(uid, await bodyOf(client, uid));
      const words = [
        "verify",
        pair.source.store,
        pair.replica.store,
        "--settle",
        "0.1",
        "--repair",
        "--state",
        pair.state,
      ];
      const run = await runTwin(words, { env: { XDG_STATE_HOME: join(pair.replica.dir, "xdg-state") } });
      expect(run.code, JSON.stringify(run)).toBe(0);
      const views = await pair.settle();
      const uids = folderOf(views, USER).messages.map(({ uid }) => uid);
      expect(uids).toHaveLength(3);
      expect(uids[0]).toBe(3);
      expect(Math.min(...uids.slice(1))).toBeGreaterThan(3);
      await client.noop();
      expect([await bodyOf(client, 1), await bodyOf(client, 2)]).toStrictEqual([undefined, undefined]);
      expect(await bodyOf(client, 3)).toBe(read.get(3));
      const now = await Promise.all(uids.slice(1).map((uid) => bodyOf(client, uid)));
      expect(new Set(now)).toStrictEqual(new Set([read.get(1), read.get(2)]));
    },
  );
});
