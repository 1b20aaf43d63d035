/**
 * Mailboxes that a client of the replica renames or deletes: the source is the master, so they get their names back, with the
 * files that they had, or are made anew.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ImapFlow } from "imapflow";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describeLive } from "./lab/available.js";
import type { Layout } from "./lab/config.js";
import { bytesOf, listStore } from "./lab/files.js";
import * as imap from "./lab/imap.js";
import type { TwinRun } from "./lab/mailtwin.js";
import { makeMessage } from "./lab/messages.js";
import { openPair, type Pair } from "./twin/pair.js";
import { eventsOf, summaryOf } from "./twin/small-store.js";

const LAYOUTS: readonly { readonly layout: Layout; readonly separator: string }[] = [
  { layout: "maildir++", separator: "." },
  { layout: "fs", separator: "/" },
];

for (const { layout, separator } of LAYOUTS) {
  describeLive(`mailboxes that a client of the replica changes, ${layout}`, () => {
    const users = ["u1", "u2", "u3", "u4", "u5", "u6", "u7", "u8"];
    const folder = (...parts: readonly string[]): string => parts.join(separator);
    const [work, below] = [folder("Work"), folder("Work", "Below")];
    let pair: Pair;
    let seed = 100;

    beforeAll(async () => {
      pair = await openPair({ users, layout });
      for (const user of users) {
        await using session = await imap.connect(pair.source, user);
        for (const name of ["INBOX", work, below, "Other"]) {
          if (name !== "INBOX") await imap.createFolder(session, name);
          for (let i = 0; i < 3; i++) await append(session, name);
        }
      }
      expect((await pair.sync()).code).toBe(0);
      await pair.settle();
    });
    afterAll(() => pair[Symbol.asyncDispose]());

    async function append(session: ImapFlow, name: string): Promise<void> {
      seed += 1;
      await imap.append(session, name, makeMessage({ seed }));
    }

    async function sourceGetsMail(user: string, name: string): Promise<void> {
      await using session = await imap.connect(pair.source, user);
      await append(session, name);
    }

    async function onReplica(user: string, change: (session: ImapFlow) => Promise<void>): Promise<void> {
      await using session = await imap.connect(pair.replica, user);
      await change(session);
    }

    const rename = (user: string, from: string, to: string): Promise<void> =>
      onReplica(user, (session) => imap.renameFolder(session, from, to));

    /**
     * Base names of message files, each with what a rename keeps of a file: its inode, and its birth, as the inode of a deleted
     * file is soon another's, even of the same message made anew.
     */
    function filesOf(user: string): ReadonlySet<string> {
      const mail = listStore(pair.replica.store).filter(({ path }) => path.startsWith(`${user}/`));
      const files = mail.filter(({ path }) => /\/(cur|new)\/[^/]+$/.test(path));
      return new Set(
        files.map(({ path, stats }) => {
          const base = path.replace(/^.*\//, "").replace(/:2,.*$/, "");
          return `${base} ${stats.ino} ${stats.birthtimeMs}`;
        }),
      );
    }

    /** Files of the user's mail with their inodes, and what all of his uidlists say. */
    function mailOf(site: Pair["source"], user: string): readonly string[] {
      const ofUser = listStore(site.store).filter(({ path }) => path.startsWith(`${user}/`));
      const mail = ofUser.filter(({ path }) => /\/(cur|new)\/[^/]+$|\/dovecot-uidlist$/.test(path));
      const lists = mail.filter(({ path }) => path.endsWith("/dovecot-uidlist"));
      return [
        ...mail.filter((file) => !lists.includes(file)).map(({ path, stats }) => `${path} ${stats.ino}`),
        ...lists.map(({ path }) => `${path} ${readFileSync(bytesOf(join(site.store, path)), "latin1")}`),
      ];
    }

    function expectKept(user: string, before: ReadonlySet<string>, more: number): void {
      const after = filesOf(user);
      expect([...before].filter((file) => !after.has(file))).toEqual([]);
      expect(after.size).toBe(before.size + more);
    }

    async function expectEqualRun(user: string): Promise<TwinRun> {
      const run = await pair.sync();
      expect(run.code, JSON.stringify(run)).toBe(0);
      expect(pair.fileDifferences([user])).toEqual([]);
      return run;
    }

    test("renamed while a run is live, and then the source gets mail in it", async () => {
      const before = filesOf("u1");
      await using twin = await pair.start();
      await rename("u1", "Other", "Mine");
      await sourceGetsMail("u1", "Other");
      await pair.settle("u1");
      expectKept("u1", before, 1);
      const told = await twin.waitFor("word of it", (event) => /was renamed/.test(JSON.stringify(event)), 5_000);
      expect(JSON.stringify(told)).toContain("Mine");
      expect((await twin.stop()).code).toBe(0);
      expect(summaryOf(await expectEqualRun("u1"))).toMatchObject({ bodiesBytes: 0, problems: 0 });
    });

    test("renamed while a run is live, which ends", async () => {
      const before = filesOf("u2");
      await using twin = await pair.start();
      await rename("u2", work, "Mine");
      expect((await twin.stop()).code).toBe(0);
      const run = await expectEqualRun("u2");
      expect(summaryOf(run)).toMatchObject({ bodiesBytes: 0, problems: 0 });
      expect(eventsOf(run, "conflict")).not.toEqual([]);
      await pair.settle("u2");
      expectKept("u2", before, 0);
      expect(summaryOf(await expectEqualRun("u2"))).toMatchObject({ transactions: 0 });
    });

    test("renamed with a folder below, and the source gets mail there: the next run brings back the rest", async () => {
      const before = filesOf("u3");
      await using twin = await pair.start();
      await rename("u3", work, folder("Deep", "Mine"));
      await sourceGetsMail("u3", below);
      await twin.waitFor("the mail", ({ event, path }) => event === "shipped" && String(path).includes("Below"));
      expect((await twin.stop()).code).toBe(0);
      // The folder that got nothing is still where it was renamed to: the next run looks for all of them.
      expect(pair.fileDifferences(["u3"])).not.toEqual([]);
      expect(summaryOf(await expectEqualRun("u3"))).toMatchObject({ bodiesBytes: 0, problems: 0 });
      await pair.settle("u3");
      expectKept("u3", before, 1);
    });

    test("renamed, and the source renames or deletes it", async () => {
      await using twin = await pair.start();
      await rename("u4", "Other", "Mine");
      await rename("u4", below, "Deeper");
      await using session = await imap.connect(pair.source, "u4");
      await imap.renameFolder(session, "Other", "Theirs");
      await imap.deleteFolder(session, below);
      await append(session, "Theirs");
      await pair.settle("u4");
      expect((await twin.stop()).code).toBe(0);
      expect(summaryOf(await expectEqualRun("u4"))).toMatchObject({ bodiesBytes: 0, problems: 0 });
    });

    test("deleted while a run is live, and the source gets mail in it: a problem that the next run mends", async () => {
      await using twin = await pair.start();
      await onReplica("u5", (session) => imap.deleteFolder(session, "Other"));
      await sourceGetsMail("u5", "Other");
      const problem = await twin.waitFor("a problem", ({ event }) => event === "problem");
      expect(problem).toMatchObject({ code: "mailbox-missing" });
      expect(String(problem["hint"])).toMatch(/next run/);
      await sourceGetsMail("u5", work); // the others go on.
      await twin.waitFor("other mail", ({ event, path }) => event === "shipped" && String(path).includes("Work"));
      expect((await twin.stop()).code).toBe(1);
      await expectEqualRun("u5");
      await pair.settleFiles();
      expect(summaryOf(await expectEqualRun("u5"))).toMatchObject({ transactions: 0, problems: 0 });
    });

    test("deleted while a run is live, which ends", async () => {
      const before = filesOf("u6");
      await using twin = await pair.start();
      await onReplica("u6", (session) => imap.deleteFolder(session, "Other"));
      expect((await twin.stop()).code).toBe(0);
      await expectEqualRun("u6");
      const kept = [...filesOf("u6")].filter((file) => before.has(file));
      expect(kept).toHaveLength(before.size - 3);
      expect(summaryOf(await expectEqualRun("u6"))).toMatchObject({ transactions: 0, problems: 0 });
    });

    // Last: what is done to u8 stays.
    test("deleted, one of them made again: they alone are made anew, whatever others did there", async () => {
      await onReplica("u8", async (session) => {
        await append(session, "INBOX"); // mail that only the replica has.
        await imap.select(session, "INBOX");
        await imap.store(session, [1, 2], { add: ["\\Deleted"] });
        await imap.expunge(session, [1, 2]);
        await imap.store(session, [3], { add: ["\\Flagged"] });
      });
      const theirs = mailOf(pair.replica, "u8");
      const source = users.map((user) => mailOf(pair.source, user));
      await onReplica("u7", async (session) => {
        for (const name of [below, work, "Other"]) await imap.deleteFolder(session, name);
        await imap.createFolder(session, "Other");
      });
      await sourceGetsMail("u6", "Other");
      source[users.indexOf("u6")] = mailOf(pair.source, "u6");
      const run = await expectEqualRun("u7");
      const words = eventsOf(run, "conflict").map((event) => String(event["words"]));
      expect(words).toHaveLength(3);
      for (const each of words) expect(each).toMatch(/^u7\/.* is gone in DST, and is made anew \(3 messages\)$/);
      expect(summaryOf(run)).toMatchObject({
        saves: 10,
        marks: 0,
        expunges: 0,
        mailboxesDeleted: 0,
        renumberedInSource: 0,
      });
      expect(users.map((user) => mailOf(pair.source, user))).toEqual(source);
      expect(mailOf(pair.replica, "u8")).toEqual(theirs);
      await pair.settle("u7");
      expect(summaryOf(await expectEqualRun("u7"))).toMatchObject({ transactions: 0, problems: 0 });
    });
  });
}
