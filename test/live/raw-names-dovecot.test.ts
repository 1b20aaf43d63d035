/**
 * Names that are not UTF-8 beside real Dovecots. A home may have one, and Dovecot serves all that is in it: compared through IMAP.
 *
 * A folder's name is another matter (seen with 2.3.19): as soon as a client of that user is there, Dovecot renames the directory
 * to a name that it can show, with U+FFFD in the place of what is no UTF-8. Until then the names are the same bytes on both
 * sides; afterwards it is a rename like any other, by whichever Dovecot.
 */
import { chownSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { displayRaw } from "../../src/base/raw-name.js";
import { describeLive } from "./lab/available.js";
import type { Layout } from "./lab/config.js";
import type { DovecotSite } from "./lab/dovecot.js";
import { bytesOf, listStore, mailboxPaths } from "./lab/files.js";
import * as imap from "./lab/imap.js";
import { deliver } from "./lab/lmtp.js";
import { makeMessage } from "./lab/messages.js";
import { expectPeacefulEnd, useLiveTwin } from "./twin/live-twin.js";
import { openPair, type Pair } from "./twin/pair.js";
import { fileMail } from "./twin/raw-mail.js";
import { makeMailbox } from "./twin/small-store.js";

const LAYOUTS: readonly { readonly layout: Layout; readonly separator: string }[] = [
  { layout: "maildir++", separator: "." },
  { layout: "fs", separator: "/" },
];
const HOMES = new Map([
  ["eva", "\xe9va"],
  ["ute", "\xff\xfe\xfd"],
  ["tom", "tom"],
]);
const homeOf = (user: string): string => HOMES.get(user) ?? user;

for (const { layout, separator } of LAYOUTS) {
  describeLive(`homes whose names are not UTF-8, ${layout}`, () => {
    const users = [...HOMES.keys()];
    const lab = useLiveTwin({
      users,
      layout,
      homeOf,
      prepare: async ({ source }) => {
        for (const user of users) await deliver(source, user, makeMessage({ seed: 1 }));
      },
    });

    test("mail by LMTP and APPEND, flags, COPY, MOVE and EXPUNGE", async () => {
      const { pair } = lab;
      await pair.settle();
      expect(new Set(mailboxPaths(pair.replica.store))).toEqual(
        new Set(users.map((user) => `${homeOf(user)}/Maildir`)),
      );
      for (const user of users) {
        await deliver(pair.source, user, makeMessage({ seed: 2 }));
        await using session = await imap.connect(pair.source, user);
        await imap.createFolder(session, "Box");
        for (const seed of [3, 4, 5]) await imap.append(session, "INBOX", makeMessage({ seed }), { flags: ["$Label"] });
        await imap.select(session, "INBOX");
        await imap.store(session, [1, 2], { add: ["\\Seen", "$Other"] });
        await imap.copy(session, [1, 3], "Box");
        await imap.move(session, [4], "Box");
        await imap.expunge(session, [2]);
      }
      await pair.settle();
    });

    test("folders that are renamed and deleted: no body is sent again", async () => {
      const { pair } = lab;
      const path = (...parts: readonly string[]): string => parts.join(separator);
      await using session = await imap.connect(pair.source, "eva");
      for (const name of [path("Old", "Inner"), "Gone"]) {
        await imap.createFolder(session, name);
        await imap.append(session, name, makeMessage({ seed: 10 }));
      }
      await pair.settle();
      const inodes = messageInodes(pair, "Inner");
      await imap.renameFolder(session, path("Old"), path("New"));
      await imap.deleteFolder(session, "Gone");
      await imap.append(session, path("New", "Inner"), makeMessage({ seed: 11 }));
      await pair.settle();
      expect(inodes).toHaveLength(1);
      expect(messageInodes(pair, "Inner")).toEqual(expect.arrayContaining([...inodes]));
    });
  });

  describeLive(`folders whose names are not UTF-8, ${layout}`, () => {
    const dir = (name: string): string => (layout === "fs" ? name : `.${name.replaceAll("/", ".")}`);
    const OLD = [dir("caf\xe9"), dir("p\xe8re/kid")].map((name) => `u1/Maildir/${name}`);
    const GIVEN = [dir("caf&,,0-"), dir("p&,,0-re/kid")].map((name) => `u1/Maildir/${name}`);

    test("the source's Dovecot gives them other names: they are renamed here too, and no body is sent again", async () => {
      await using pair = await openPairWith(OLD, layout);
      await using twin = await pair.start();
      await pair.settleFiles();
      expect(foldersOf(pair.replica)).toEqual(OLD);
      const inodes = messageInodes(pair);
      await using session = await imap.connect(pair.source, "u1");
      await imap.select(session, "INBOX");
      await pair.settle("u1");
      expect(foldersOf(pair.replica)).toEqual(GIVEN);
      expect(messageInodes(pair)).toEqual(inodes);
      await expectPeacefulEnd(twin);
    });

    test("the replica's Dovecot gives them other names first: mail goes on to come, and in the end both agree", async () => {
      await using pair = await openPairWith(OLD, layout);
      await using twin = await pair.start();
      await pair.settleFiles();
      await using there = await imap.connect(pair.replica, "u1");
      await imap.select(there, "INBOX");
      expect(foldersOf(pair.replica)).toEqual(GIVEN);
      const inodes = messageInodes(pair);
      for (const path of OLD)
        await fileMail(
          { site: pair.source, user: "u1", folder: path.slice("u1/Maildir/".length) },
          { count: 1, seed: 90 },
        );
      await pair.settleFiles();
      expect(foldersOf(pair.replica)).toEqual(OLD);
      expect(messageInodes(pair)).toEqual(expect.arrayContaining([...inodes]));
      for (const path of OLD.map(displayRaw)) {
        await twin.waitFor(
          `the note that ${path} got its name back`,
          (event) => event["path"] === path && JSON.stringify(event["notes"] ?? []).includes("&,,0-"),
        );
      }
      await using here = await imap.connect(pair.source, "u1");
      await imap.select(here, "INBOX");
      await pair.settle("u1");
      expect(foldersOf(pair.replica)).toEqual(GIVEN);
      await expectPeacefulEnd(twin);
    });
  });
}

/** With a user whose folders were made while no Dovecot looked. */
async function openPairWith(folders: readonly string[], layout: Layout): Promise<Pair> {
  const pair = await openPair({ users: ["u1"], layout });
  await deliver(pair.source, "u1", makeMessage({ seed: 1 }));
  for (const [i, path] of folders.entries()) makeMailbox(pair.source.store, path, { messages: 3, seed: 20 * (i + 1) });
  const { store, owner } = pair.source;
  for (const { path } of listStore(store)) chownSync(bytesOf(join(store, path)), owner.uid, owner.gid);
  return pair;
}

function foldersOf({ store }: DovecotSite): readonly string[] {
  return mailboxPaths(store).filter((path) => path !== "u1/Maildir");
}

function messageInodes({ replica }: Pair, inPath = ""): readonly number[] {
  const files = listStore(replica.store).filter(
    ({ path, kind }) => kind === "file" && /\/(cur|new)\//.test(path) && path.includes(inPath),
  );
  return files.map(({ stats }) => stats.ino).sort((a, b) => a - b);
}
