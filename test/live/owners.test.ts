/**
 * Users with uids of their own, mail that a group may read, and folders that several users share: what the twin makes has the
 * owner, group and mode that it has at the source, so that the replica's Dovecot, which runs as those users, can go on with it.
 *
 * The ids are numbers that no account of this machine has. All users are in both groups, as with `mail_access_groups`.
 */
import { chmodSync, chownSync, mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { ImapFlow } from "imapflow";
import { expect, test } from "vitest";
import { describeLive } from "./lab/available.js";
import type { Layout } from "./lab/config.js";
import type { DovecotSite } from "./lab/dovecot.js";
import { listStore } from "./lab/files.js";
import * as imap from "./lab/imap.js";
import { deliver } from "./lab/lmtp.js";
import { makeMessage } from "./lab/messages.js";
import type { UserIds } from "./lab/place.js";
import { expectPeacefulEnd, useLiveTwin } from "./twin/live-twin.js";
import { ownershipOf } from "./twin/ownership.js";
import type { Pair } from "./twin/pair.js";

const USERS = ["ann", "bob", "cid"];
const UID_OF = new Map(USERS.map((user, i) => [user, 71_001 + i]));
const SHARED_GID = 71_100;
const READERS_GID = 71_200;

/** By hand, as no Dovecot makes them: each directory of a mailbox has its own. */
const ODD_MODES = [
  ["cur", 0o750],
  ["new", 0o730],
  ["tmp", 0o1770],
] as const;

const LAYOUTS: readonly { readonly layout: Layout; readonly separator: string }[] = [
  { layout: "maildir++", separator: "." },
  { layout: "fs", separator: "/" },
];

for (const { layout, separator } of LAYOUTS) {
  describeLive(`users of several uids, ${layout}`, () => {
    const lab = useLiveTwin({
      users: USERS,
      layout,
      ownerOf: idsOf,
      extraConfig: teamConfig(layout, separator),
      prepare: ({ source }) => fillSource(source, separator),
    });
    const path = (...parts: readonly string[]): string => parts.join(separator);
    const dir = (...parts: readonly string[]): string => (layout === "fs" ? parts.join("/") : `.${parts.join(".")}`);

    test("after the first run all is owned as at the source", async () => {
      const { pair } = lab;
      await pair.settle();
      const is = ownershipOf(pair.replica.store);
      const ann = UID_OF.get("ann");
      const bob = UID_OF.get("bob");
      for (const part of ["", "/cur", "/new", "/tmp"]) {
        expect(is.get(`ann/Maildir${part}`)).toBe(`0700 ${ann}:${ann}`);
        expect(is.get(`bob/Maildir${part}`)).toBe(`0750 ${bob}:${READERS_GID}`);
        expect(is.get(`team/${dir("Plans")}${part}`)).toBe(`2770 ${ann}:${SHARED_GID}`);
      }
      expect(is.get("bob")).toBe(`0750 ${bob}:${READERS_GID}`);
      for (const [part, mode] of ODD_MODES) expect(is.get(`cid/Maildir/${part}`)).toMatch(mode.toString(8));
      expect(is.get("ann/Maildir/dovecot-uidlist")).toBe(`0600 ${ann}:${ann}`);
      expect(is.get("bob/Maildir/dovecot-uidlist")).toBe(`0640 ${bob}:${READERS_GID}`);
      for (const file of ["dovecot-uidlist", "dovecot-keywords"])
        expect(is.get(`team/${dir("Plans")}/${file}`)).toBe(`0660 *:${SHARED_GID}`);
      expect(messageOwnership(pair, "ann/Maildir")).toEqual([`0600 ${ann}:${ann}`]);
      expect(messageOwnership(pair, "bob/Maildir")).toEqual([`0640 ${bob}:${READERS_GID}`]);
      expect(messageOwnership(pair, `team/${dir("Plans")}`)).toEqual([
        `0660 ${ann}:${SHARED_GID}`,
        `0660 ${bob}:${SHARED_GID}`,
      ]);
    });

    test("live: mail by LMTP, APPEND and COPY, new keywords, a uidlist that is written anew", async () => {
      const { pair } = lab;
      const uidlists = ["bob/Maildir", `team/${dir("Plans")}`].map((at) =>
        join(pair.replica.store, at, "dovecot-uidlist"),
      );
      const inodes = uidlists.map((file) => statSync(file).ino);
      for (const user of USERS) await deliver(pair.source, user, makeMessage({ seed: 20 }));
      for (const user of USERS) {
        await using session = await imap.connect(pair.source, user);
        const shared = path("team", "Plans");
        for (const seed of [21, 22])
          await imap.append(session, "INBOX", makeMessage({ seed }), { flags: [`$${user}`] });
        await imap.append(session, shared, makeMessage({ seed: 23 }), { flags: [`$${user}`] });
        await imap.select(session, "INBOX");
        await imap.store(session, [1], { add: ["\\Seen", `$Also${user}`] });
        await imap.copy(session, [1, 2], shared);
        await imap.select(session, shared);
        await imap.copy(session, [1, 2], "INBOX");
        await imap.expunge(session, [3]).catch(() => undefined); // somebody else's turn was earlier.
      }
      await pair.settle();
      expect(uidlists.map((file, i) => statSync(file).ino === inodes[i])).toEqual([false, false]);
    });

    test("live: folders that are made, with what is above them, and renamed", async () => {
      const { pair } = lab;
      await using ann = await imap.connect(pair.source, "ann");
      await using bob = await imap.connect(pair.source, "bob");
      for (const [session, name] of [
        [ann, path("New", "Deep", "Box")],
        [bob, path("New", "Deep", "Box")],
        [bob, path("team", "By", "Bob")],
        [ann, path("team", "By", "Bob", "And", "Ann")],
      ] as const) {
        await imap.createFolder(session, name, { subscribe: false });
        await imap.append(session, name, makeMessage({ seed: 30 }), { flags: ["$Label"] });
      }
      await pair.settle();
      await imap.renameFolder(bob, path("team", "Kept"), path("team", "Old", "Year", "Kept"));
      await imap.renameFolder(bob, path("New", "Deep", "Box"), path("Other", "Place", "Box"));
      await pair.settle();
    });

    test("the replica's Dovecot, as these users, goes on with all of it", async () => {
      const { pair, twin } = lab;
      await expectPeacefulEnd(twin);
      await useEverything(pair.replica, separator);
      pair.expectQuiet();
    });
  });
}

function idsOf(user: string): UserIds {
  const id = UID_OF.get(user);
  if (id === undefined) throw new Error(`no such user: ${user}`);
  return { uid: id, gid: id };
}

/** A namespace that all users share, beside their homes. */
function teamConfig(layout: Layout, separator: string): string {
  return `mail_access_groups = ${SHARED_GID} ${READERS_GID}
namespace inbox {
  separator = ${separator}
}
namespace team {
  type = public
  prefix = team${separator}
  separator = ${separator}
  location = maildir:%h/../team${layout === "fs" ? ":LAYOUT=fs" : ""}
  subscriptions = no
  list = yes
}`;
}

async function fillSource(source: DovecotSite, separator: string): Promise<void> {
  const { uid } = idsOf("bob");
  makeOwned(join(source.store, "bob"), { uid, gid: READERS_GID, mode: 0o750 });
  makeOwned(source.mailRoot("bob"), { uid, gid: READERS_GID, mode: 0o750 });
  makeOwned(join(source.store, "team"), { uid: idsOf("ann").uid, gid: SHARED_GID, mode: 0o2770 });
  for (const user of USERS) for (const seed of [1, 2]) await deliver(source, user, makeMessage({ seed }));
  for (const [part, mode] of ODD_MODES) chmodSync(join(source.mailRoot("cid"), part), mode);
  const folder = (name: string): string => `team${separator}${name}`;
  await using ann = await imap.connect(source, "ann");
  await using bob = await imap.connect(source, "bob");
  for (const name of ["Plans", "Kept"]) {
    await imap.createFolder(ann, folder(name), { subscribe: false });
    for (const [session, seed] of [
      [ann, 10],
      [bob, 11],
      [bob, 12],
    ] as const)
      await imap.append(session, folder(name), makeMessage({ seed }), { flags: ["$Label"] });
  }
}

function makeOwned(path: string, { uid, gid, mode }: UserIds & { readonly mode: number }): void {
  mkdirSync(path, { recursive: true });
  chownSync(path, uid, gid);
  chmodSync(path, mode); // after chown, which clears the set-id bits.
}

/** What owners and modes the messages of a replica's mailbox have, each once. */
function messageOwnership({ replica }: Pair, mailbox: string): readonly string[] {
  const is = ownershipOf(replica.store);
  const files = listStore(replica.store).filter(({ path, kind }) => kind === "file" && /\/(cur|new)\//.test(path));
  const own = files.filter(({ path }) => path.slice(0, path.lastIndexOf("/")).slice(0, -4) === mailbox);
  return [...new Set(own.map(({ path }) => is.get(path) ?? ""))].sort();
}

/** Every kind of change that a client makes, by every user, in the folders that he has. */
async function useEverything(site: DovecotSite, separator: string): Promise<void> {
  for (const user of USERS) {
    await deliver(site, user, makeMessage({ seed: 40 }));
    await using session = await imap.connect(site, user);
    const listed = (await session.list({ listOnly: true })).filter(({ flags }) => !hasFlag(flags, "\\noselect"));
    expect(listed.length, user).toBeGreaterThan(3);
    for (const { path } of listed) await useFolder(session, { path, user, separator });
  }
}

async function useFolder(
  session: ImapFlow,
  { path, user, separator }: { readonly path: string; readonly user: string; readonly separator: string },
): Promise<void> {
  const uid = await imap.append(session, path, makeMessage({ seed: 41 }), { flags: [`$New${user}`] });
  await imap.select(session, path);
  await imap.store(session, "1:*", { add: ["\\Flagged", `$Stored${user}`] });
  await imap.copy(session, [uid], path);
  await imap.expunge(session, [uid]);
  if (path === "INBOX") return;
  const child = `${path}${separator}Of ${user}`;
  await imap.createFolder(session, child, { subscribe: false });
  await imap.copy(session, "1:*", child);
  await imap.renameFolder(session, child, `${child} too`);
  await imap.deleteFolder(session, `${child} too`);
}

function hasFlag(flags: ReadonlySet<string>, wanted: string): boolean {
  return [...flags].some((flag) => flag.toLowerCase() === wanted);
}
