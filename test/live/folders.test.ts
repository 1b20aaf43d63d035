/**
 * Folders made, renamed and deleted, in both layouts: a rename is a rename, so no body is sent again, and a folder that
 * was deleted and made anew is another folder.
 */
import { expect, test } from "vitest";
import { describeLive } from "./lab/available.js";
import type { Layout } from "./lab/config.js";
import type { DovecotSite } from "./lab/dovecot.js";
import { listStore } from "./lab/files.js";
import * as imap from "./lab/imap.js";
import { deliver } from "./lab/lmtp.js";
import { makeMessage } from "./lab/messages.js";
import { useLiveTwin } from "./twin/live-twin.js";
import { folderOf, type Pair } from "./twin/pair.js";

const LAYOUTS: readonly { readonly layout: Layout; readonly separator: string }[] = [
  { layout: "maildir++", separator: "." },
  { layout: "fs", separator: "/" },
];

for (const { layout, separator } of LAYOUTS) {
  describeLive(`folders of the source, ${layout}`, () => {
    const users = ["u1", "u2", "u3", "u4", "u5", "u6"];
    const lab = useLiveTwin({
      users,
      layout,
      prepare: async ({ source }) => {
        for (const user of users) await deliver(source, user, makeMessage({ seed: 1 }));
      },
    });
    const path = (...parts: readonly string[]): string => parts.join(separator);

    test("odd names, nested or not, empty or not", async () => {
      const { pair } = lab;
      const names = ["a & b", "With space", 'quo"te', "Grüße 手紙", "100%", "%s%n", "it's", "Empty"];
      if (layout === "fs") names.push("v1.2");
      await using session = await imap.connect(pair.source, "u1");
      for (const name of [...names, path("Grüße 手紙", "& so %"), path("No", "such", "parent")]) {
        await imap.createFolder(session, name);
        if (name !== "Empty") await imap.append(session, name, makeMessage({ seed: 10 }), { flags: ["$Label1"] });
      }
      const views = await pair.settle("u1");
      for (const name of names) {
        expect(folderOf(views, "u1", name).messages, name).toHaveLength(name === "Empty" ? 0 : 1);
      }
      expect(folderOf(views, "u1", path("No", "such")).selectable).toBe(false);
    });

    test("renamed with children: no body is sent again", async () => {
      const { pair } = lab;
      await using session = await imap.connect(pair.source, "u2");
      await fill(pair, session, [path("Old"), path("Old", "Child"), path("Old", "Child", "Leaf"), path("Old Other")]);
      const before = folderOf(await pair.settle("u2"), "u2", path("Old", "Child"));
      const inodes = messageInodes(pair.replica, "u2");
      await imap.renameFolder(session, path("Old"), path("New & better"));
      await imap.append(session, path("New & better", "Child"), makeMessage({ seed: 20 }));
      const views = await pair.settle("u2");
      const after = folderOf(views, "u2", path("New & better", "Child"));
      expect(after).toMatchObject({ guid: before.guid, uidValidity: before.uidValidity });
      expect(after.messages).toHaveLength(before.messages.length + 1);
      expect([...(views.get("u2")?.folders.keys() ?? [])].some((name) => name.startsWith(path("Old", "")))).toBe(false);
      expect(messageInodes(pair.replica, "u2")).toEqual(expect.arrayContaining(inodes));
      expect(messageInodes(pair.replica, "u2")).toHaveLength(inodes.length + 1);
    });

    test("renamed below another folder, and above it", async () => {
      const { pair } = lab;
      await using session = await imap.connect(pair.source, "u2");
      await fill(pair, session, [path("One"), path("Deep", "down", "below")]);
      await pair.settle("u2");
      const inodes = messageInodes(pair.replica, "u2");
      await imap.renameFolder(session, path("One"), path("Deep", "One"));
      await imap.renameFolder(session, path("Deep", "down"), path("Up"));
      await pair.settle("u2");
      expect(messageInodes(pair.replica, "u2")).toEqual(inodes);
    });

    // Known to fail: the log says delete and create for one of the two (docs/invariants.md, gaps). Goes red when it is mended.
    test.fails("two that change places: no body is sent again", async () => {
      const { pair } = lab;
      await using session = await imap.connect(pair.source, "u6");
      await fill(pair, session, [path("Left"), path("Right")]);
      await pair.settle("u6");
      const inodes = messageInodes(pair.replica, "u6");
      await imap.renameFolder(session, path("Left"), path("Passing"));
      await imap.renameFolder(session, path("Right"), path("Left"));
      await imap.renameFolder(session, path("Passing"), path("Right"));
      await pair.settle("u6");
      expect(messageInodes(pair.replica, "u6")).toEqual(inodes);
    });

    test("deleted", async () => {
      const { pair } = lab;
      await using session = await imap.connect(pair.source, "u3");
      await fill(pair, session, [path("Gone"), path("Nest", "Egg"), path("Nest", "Other")]);
      await imap.createFolder(session, path("Empty"));
      await pair.settle("u3");
      for (const gone of [path("Gone"), path("Empty"), path("Nest", "Egg")]) await imap.deleteFolder(session, gone);
      const views = await pair.settle("u3");
      const paths = [...(views.get("u3")?.folders.keys() ?? [])].sort();
      expect(paths).toEqual(["INBOX", path("Nest"), path("Nest", "Other")]);
      await imap.deleteFolder(session, path("Nest", "Other"));
      await pair.settle("u3"); // in the fs layout Dovecot leaves the empty parent there, but not after a rename.
    });

    // Dovecot's index of folders is no measure here: it goes on listing a deleted parent at the source as well.
    test("a parent deleted while its child stays, and made anew", async () => {
      const { pair } = lab;
      await using session = await imap.connect(pair.source, "u5");
      await fill(pair, session, [path("Parent"), path("Parent", "Child")]);
      await pair.settle("u5");
      await imap.deleteFolder(session, path("Parent"));
      await pair.settleFiles();
      await using before = await imap.connect(pair.replica, "u5");
      await expect(imap.select(before, path("Parent"))).rejects.toThrow();
      expect((await imap.select(before, path("Parent", "Child"))).exists).toBe(3);
      await imap.createFolder(session, path("Parent"));
      await imap.append(session, path("Parent"), makeMessage({ seed: 30 }));
      await pair.settleFiles();
      await using after = await imap.connect(pair.replica, "u5");
      const { uidValidity } = await imap.select(session, path("Parent"));
      expect(await imap.select(after, path("Parent"))).toMatchObject({ exists: 1, uidNext: 2, uidValidity });
      expect((await imap.select(after, path("Parent", "Child"))).exists).toBe(3);
    });

    test("deleted and made anew under the same name, in one go and in two", async () => {
      const { pair } = lab;
      await using session = await imap.connect(pair.source, "u4");
      await fill(pair, session, [path("Again"), path("Twice")]);
      const before = folderOf(await pair.settle("u4"), "u4", path("Again"));
      await imap.deleteFolder(session, path("Again"));
      await fill(pair, session, [path("Again")]);
      const after = folderOf(await pair.settle("u4"), "u4", path("Again"));
      expect(after.guid).not.toBe(before.guid);
      expect(after.uidValidity).not.toBe(before.uidValidity);
      await imap.deleteFolder(session, path("Twice"));
      await pair.settle("u4");
      await imap.createFolder(session, path("Twice"));
      expect(folderOf(await pair.settle("u4"), "u4", path("Twice")).messages).toEqual([]);
    });

    test("the old name is taken by a new folder right after a rename", async () => {
      const { pair } = lab;
      await using session = await imap.connect(pair.source, "u4");
      await fill(pair, session, [path("Drafts")]);
      const before = folderOf(await pair.settle("u4"), "u4", path("Drafts"));
      await imap.renameFolder(session, path("Drafts"), path("Drafts 2019"));
      await fill(pair, session, [path("Drafts")]);
      const views = await pair.settle("u4");
      expect(folderOf(views, "u4", path("Drafts 2019")).guid).toBe(before.guid);
      expect(folderOf(views, "u4", path("Drafts")).guid).not.toBe(before.guid);
    });
  });
}

/** Creates each folder and appends three messages to it. */
async function fill(
  { source }: Pair,
  session: Awaited<ReturnType<typeof imap.connect>>,
  paths: readonly string[],
): Promise<void> {
  for (const path of paths) {
    await imap.createFolder(session, path);
    for (const seed of [1, 2, 3]) await imap.append(session, path, makeMessage({ seed }), { flags: ["\\Seen"] });
  }
  expect(source.problems()).toEqual([]);
}

/** The inode numbers of all message files of one user, sorted: they stay when files are only renamed. */
function messageInodes(site: DovecotSite, user: string): number[] {
  return listStore(site.store)
    .filter(({ path, kind }) => kind === "file" && path.startsWith(`${user}/`) && /\/(cur|new)\/[^/]+$/.test(path))
    .map(({ stats }) => stats.ino)
    .sort((a, b) => a - b);
}
