/**
 * Folders made, renamed and deleted, in both layouts: a rename is a rename, so no body is sent again, and a folder that
 * was deleted and made anew is another folder.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { EXCHANGE_CRASH_POINTS } from "../../src/apply/exchange.js";
import { describeLive } from "./lab/available.js";
import type { Layout } from "./lab/config.js";
import * as imap from "./lab/imap.js";
import { deliver } from "./lab/lmtp.js";
import { makeMessage } from "./lab/messages.js";
import { fill, messageInodes, turnAround } from "./twin/folder-changes.js";
import { expectKilled } from "./twin/killed.js";
import { useLiveTwin } from "./twin/live-twin.js";
import { folderOf, openPair, type Pair } from "./twin/pair.js";
import { rawDifferences } from "./twin/raw-compare.js";

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
      await fill(pair.source, session, [
        path("Old"),
        path("Old", "Child"),
        path("Old", "Child", "Leaf"),
        path("Old Other"),
      ]);
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
      await fill(pair.source, session, [path("One"), path("Deep", "down", "below")]);
      await pair.settle("u2");
      const inodes = messageInodes(pair.replica, "u2");
      await imap.renameFolder(session, path("One"), path("Deep", "One"));
      await imap.renameFolder(session, path("Deep", "down"), path("Up"));
      await pair.settle("u2");
      expect(messageInodes(pair.replica, "u2")).toEqual(inodes);
    });

    test("two that change places: no body is sent again", async () => {
      const { pair } = lab;
      await using session = await imap.connect(pair.source, "u6");
      await fill(pair.source, session, [path("Left"), path("Right")]);
      await pair.settle("u6");
      const inodes = messageInodes(pair.replica, "u6");
      await imap.renameFolder(session, path("Left"), path("Passing"));
      await imap.renameFolder(session, path("Right"), path("Left"));
      await imap.renameFolder(session, path("Passing"), path("Right"));
      await pair.settle("u6");
      expect(messageInodes(pair.replica, "u6")).toEqual(inodes);
    });

    test("three that change places in a circle, with children: no body is sent again", async () => {
      const { pair } = lab;
      await using session = await imap.connect(pair.source, "u6");
      const ring = [path("Ring A"), path("Ring B"), path("Ring C")];
      await fill(pair.source, session, [
        ...ring,
        path("Ring A", "Child"),
        path("Ring B", "Child"),
        path("Ring B", "Other"),
      ]);
      const before = await pair.settle("u6");
      const inodes = messageInodes(pair.replica, "u6");
      await turnAround(session, ring, path("Ring D"));
      const after = await pair.settle("u6");
      expect(messageInodes(pair.replica, "u6")).toEqual(inodes);
      for (const [from, to] of [
        [path("Ring A"), path("Ring B")],
        [path("Ring B", "Child"), path("Ring C", "Child")],
        [path("Ring B", "Other"), path("Ring C", "Other")],
      ] as const) {
        expect(folderOf(after, "u6", to).guid).toBe(folderOf(before, "u6", from).guid);
      }
    });

    test("one that takes the place of one that is deleted: no body is sent again", async () => {
      const { pair } = lab;
      await using session = await imap.connect(pair.source, "u6");
      await fill(pair.source, session, [path("Heir"), path("Late")]);
      await pair.settle("u6");
      const heirs = messageInodes(pair.replica, "u6", "Heir");
      await imap.deleteFolder(session, path("Late"));
      await imap.renameFolder(session, path("Heir"), path("Late"));
      await pair.settle("u6");
      expect(messageInodes(pair.replica, "u6", "Late")).toEqual(heirs);
    });

    test("deleted", async () => {
      const { pair } = lab;
      await using session = await imap.connect(pair.source, "u3");
      await fill(pair.source, session, [path("Gone"), path("Nest", "Egg"), path("Nest", "Other")]);
      await imap.createFolder(session, path("Empty"));
      await pair.settle("u3");
      for (const gone of [path("Gone"), path("Empty"), path("Nest", "Egg")]) await imap.deleteFolder(session, gone);
      const views = await pair.settle("u3");
      const paths = [...(views.get("u3")?.folders.keys() ?? [])].sort();
      expect(paths).toEqual(["INBOX", path("Nest"), path("Nest", "Other")]);
      await imap.deleteFolder(session, path("Nest", "Other"));
      await pair.settle("u3"); // in the fs layout Dovecot leaves the empty parent there, but not after a rename.
    });

    // Dovecot's index of folders goes on listing what it knew of the parent: the whole view is compared below, without it.
    test("a parent deleted while its child stays, and made anew: a client that knows the names", async () => {
      const { pair } = lab;
      await using session = await imap.connect(pair.source, "u5");
      await fill(pair.source, session, [path("Parent"), path("Parent", "Child")]);
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
      await fill(pair.source, session, [path("Again"), path("Twice")]);
      const before = folderOf(await pair.settle("u4"), "u4", path("Again"));
      await imap.deleteFolder(session, path("Again"));
      await fill(pair.source, session, [path("Again")]);
      const after = folderOf(await pair.settle("u4"), "u4", path("Again"));
      expect(after.guid).not.toBe(before.guid);
      expect(after.uidValidity).not.toBe(before.uidValidity);
      await imap.deleteFolder(session, path("Twice"));
      await pair.settle("u4");
      await imap.createFolder(session, path("Twice"));
      // In the session that has deleted it, a busy Dovecot may make directories only. It has no identity until it is opened.
      await using other = await imap.connect(pair.source, "u4");
      await imap.select(other, path("Twice"));
      expect(folderOf(await pair.settle("u4"), "u4", path("Twice")).messages).toEqual([]);
    });

    test("the old name is taken by a new folder right after a rename", async () => {
      const { pair } = lab;
      await using session = await imap.connect(pair.source, "u4");
      await fill(pair.source, session, [path("Drafts")]);
      const before = folderOf(await pair.settle("u4"), "u4", path("Drafts"));
      await imap.renameFolder(session, path("Drafts"), path("Drafts 2019"));
      await fill(pair.source, session, [path("Drafts")]);
      const views = await pair.settle("u4");
      expect(folderOf(views, "u4", path("Drafts 2019")).guid).toBe(before.guid);
      expect(folderOf(views, "u4", path("Drafts")).guid).not.toBe(before.guid);
    });
  });
}

/**
 * Dovecot 2.3.19 keeps a parent in its index of folders as it was when its directory is taken from beside it, and lists one that
 * was \\Noselect once as that for as long as no client makes, renames or removes a folder: what LIST says is not what is there.
 * Where it works without that index, as here, all of it can be compared.
 */
describeLive("parents, with Dovecots that keep no index of folders", () => {
  test.each(LAYOUTS)("one is deleted while its child stays, and made anew, $layout", async ({ layout, separator }) => {
    const [user, parent, child] = ["u1", "Parent", `Parent${separator}Child`];
    await using pair = await openPair({ users: [user], layout, extraConfig: "mailbox_list_index = no\n" });
    await deliver(pair.source, user, makeMessage({ seed: 1 })); // without the index a login alone gives INBOX no identity.
    await using session = await imap.connect(pair.source, user);
    await fill(pair.source, session, [parent, child]);
    await using twin = await pair.start();
    const before = await pair.settle(user);
    await imap.deleteFolder(session, parent);
    const without = await pair.settle(user);
    expect(without.get(user)?.folders.get(parent)?.selectable ?? false).toBe(false);
    expect(folderOf(without, user, child)).toEqual(folderOf(before, user, child));
    await imap.createFolder(session, parent);
    await imap.append(session, parent, makeMessage({ seed: 30 }));
    const anew = await pair.settle(user);
    expect(folderOf(anew, user, parent).messages).toHaveLength(1);
    expect(folderOf(anew, user, parent).guid).not.toBe(folderOf(before, user, parent).guid);
    expect(folderOf(anew, user, child)).toEqual(folderOf(before, user, child));
    expect(await twin.stop()).toEqual({ code: 0, signal: undefined });
  });
});

describeLive("folders that change places while nobody looks", () => {
  const USER = "u1";
  let pair: Pair;
  beforeAll(async () => {
    pair = await openPair({ users: [USER], layout: "fs" });
    await using session = await imap.connect(pair.source, USER);
    await fill(pair.source, session, ["Left", "Right", "Left/Child", "Right/Child", "Top", "Top/Below", "Third"]);
    await imap.append(session, "Right", makeMessage({ seed: 4 }));
    expect((await pair.sync()).code).toBe(0);
  });
  afterAll(() => pair[Symbol.asyncDispose]());

  /** One run has to find out all of it. */
  async function catchUp(): Promise<void> {
    const inodes = messageInodes(pair.replica, USER);
    expect((await pair.sync()).code).toBe(0);
    await pair.settle(USER);
    expect(messageInodes(pair.replica, USER)).toEqual(inodes);
  }

  test("two, with children", async () => {
    await using session = await imap.connect(pair.source, USER);
    await turnAround(session, ["Left", "Right"], "Passing");
    await catchUp();
  });

  test("two, and their children change places as well: those stay where they were", async () => {
    await using session = await imap.connect(pair.source, USER);
    await turnAround(session, ["Left", "Right"], "Passing");
    await turnAround(session, ["Left/Child", "Right/Child"], "Passing");
    await catchUp();
  });

  test("three, two of them children of others", async () => {
    await using session = await imap.connect(pair.source, USER);
    await turnAround(session, ["Third", "Left/Child", "Top/Below"], "Passing");
    await catchUp();
  });

  test("a folder and the one that it is in", async () => {
    await using session = await imap.connect(pair.source, USER);
    await imap.renameFolder(session, "Top/Below", "Passing");
    await imap.renameFolder(session, "Top", "Lower");
    await imap.renameFolder(session, "Passing", "Top");
    await imap.renameFolder(session, "Lower", "Top/Below");
    await catchUp();
  });

  // A child of one keeps it from moving as one directory.
  test.each(
    EXCHANGE_CRASH_POINTS.flatMap((point) => [
      [point, ["Left", "Right"]] as const,
      [point, ["Top/Below", "Third"]] as const,
    ]),
  )("killed at %s, %s", async (point, names) => {
    const inodes = messageInodes(pair.replica, USER);
    await using session = await imap.connect(pair.source, USER);
    await turnAround(session, names, "Passing");
    {
      await using twin = pair.spawn({ env: { MAILTWIN_CRASH_AT: point } });
      await expectKilled(twin, point, { isPast: ({ event }) => event === "live" });
    }
    await using watching = await pair.start();
    await pair.settleFiles();
    expect(rawDifferences(pair.source.store, pair.replica.store)).toEqual([]);
    expect(messageInodes(pair.replica, USER)).toEqual(inodes);
    expect(await watching.stop()).toEqual({ code: 0, signal: undefined });
  });
});
