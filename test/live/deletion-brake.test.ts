/** Much mail that goes at once at the source: the replica keeps it until a person has decided, and all else goes on. */
import { renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { describeLive } from "./lab/available.js";
import * as imap from "./lab/imap.js";
import { deliverAll } from "./lab/lmtp.js";
import { makeMessages } from "./lab/messages.js";
import { until } from "./lab/until.js";
import { openSites, type Sites } from "./sites/lab.js";
import { mailFor } from "./sites/mail.js";

const USERS = ["u1", "u2"];
const MANY = 25;

describeLive("deletions under the brake", () => {
  let lab: Sites;

  beforeAll(async () => {
    lab = await openSites({ names: ["a", "b"], users: USERS });
    await deliverAll(lab.site("a").dovecot, mailFor(USERS, { seed: 1, count: 20 }));
    await makeFolder("Work", 100);
    await makeFolder("Later", 200);
    const replica = { b: { to: lab.addressOf("a", "b"), peer: "b" } };
    const brake = { messages: 20, in_deleted_mailboxes: 20 };
    lab.configureSource("a", ["b"], { store: lab.store("a", { replica, brake }) });
    lab.configureReplica("b", "a");
    await lab.startAll("a", ["b"]);
    await lab.settle("a", "b");
  });

  beforeEach(() => lab.tellWhenFailed());

  afterAll(async () => {
    await lab[Symbol.asyncDispose]();
  });

  async function makeFolder(name: string, seed: number): Promise<void> {
    await using session = await imap.connect(lab.site("a").dovecot, "u1");
    await imap.createFolder(session, name);
    for (const message of makeMessages(MANY, { seed, bytes: 500 })) await imap.append(session, name, message, {});
  }

  async function expunge(user: string, uids: readonly number[]): Promise<void> {
    await using session = await imap.connect(lab.site("a").dovecot, user);
    await imap.select(session, "INBOX");
    await imap.expunge(session, uids);
  }

  async function flag(user: string, uids: readonly number[]): Promise<void> {
    await using session = await imap.connect(lab.site("a").dovecot, user);
    await imap.select(session, "INBOX");
    await imap.store(session, uids, { add: ["\\Flagged"] });
  }

  async function mark(name: string): Promise<void> {
    await using session = await imap.connect(lab.site("a").dovecot, "u1");
    await imap.select(session, name);
    await imap.store(session, [2, 5], { add: ["\\Flagged", "todo"] });
  }

  /** What a client sees of each message, but for its UID: flags, keywords, INTERNALDATE, bytes; in no order. */
  async function mailOf(site: string, user: string, mailbox: string): Promise<readonly string[]> {
    await using session = await imap.connect(lab.site(site).dovecot, user);
    await imap.select(session, mailbox);
    const lines: string[] = [];
    for await (const { flags, internalDate, source } of session.fetch("1:*", {
      flags: true,
      internalDate: true,
      source: true,
    }))
      lines.push(
        `${[...(flags ?? [])]
          .filter((flag) => flag !== "\\Recent")
          .sort()
          .join(" ")} ${String(internalDate)} ${String(source)}`,
      );
    return lines.sort();
  }

  function folder(name: string): string {
    return join(lab.site("a").dovecot.mailRoot("u1"), `.${name}`);
  }

  /** What the status says of the store of a. */
  async function troubles(): Promise<
    readonly { readonly code: string; readonly words: string; readonly level: string }[]
  > {
    const { stores } = JSON.parse(await lab.site("a").tell("status", "--json"));
    return stores[0].troubles;
  }

  async function untilHeld(words: RegExp): Promise<void> {
    let told: Awaited<ReturnType<typeof troubles>> = [];
    const isHeld = async (): Promise<boolean> => {
      told = await troubles();
      return told.some(
        (each) => each.code === "deletions-held" && each.level === "needs-you" && words.test(each.words),
      );
    };
    await until("the brake", isHeld, { detail: () => JSON.stringify(told) });
  }

  /** The daemon sees all of the change or none: what it meets in its midst counts part by part, and a part within the limits goes. */
  async function atOnce(change: () => void | Promise<void>): Promise<void> {
    const { daemon } = lab.site("a");
    await daemon.pause();
    try {
      await change();
    } finally {
      daemon.resume();
    }
  }

  /** All that differs is what these say. */
  async function untilEqualBut(words: readonly string[]): Promise<void> {
    const differences = (): readonly string[] => lab.pair("a", "b").fileDifferences(USERS);
    const isHeld = (difference: string): boolean => words.some((each) => difference.includes(each));
    await until("all else to be equal", () => differences().every(isHeld), { detail: () => differences().join("\n") });
    expect(differences()).not.toEqual([]);
  }

  test("what is within the limits goes", async () => {
    await expunge("u2", [1, 2]);
    await lab.settle("a", "b");
    expect(await troubles()).toEqual([]);
  });

  test("rm -rf of a folder: the replica keeps it, and all else goes on, also after the daemon was killed", async () => {
    const a = lab.site("a");
    await atOnce(() => rmSync(folder("Work"), { recursive: true }));
    await untilHeld(/25 messages in deleted mailboxes .* more than 20; held back: 25 messages in 1 mailbox .*Work/);
    await deliverAll(a.dovecot, mailFor(USERS, { seed: 300, count: 6 }));
    await flag("u1", [1, 2]);
    await untilEqualBut([".Work"]);
    await a.daemon.kill9();
    await a.start();
    await untilHeld(/Work/);
    await flag("u2", [4]);
    await deliverAll(a.dovecot, mailFor(USERS, { seed: 400, count: 2 }));
    await untilEqualBut([".Work"]);
    const list = (await a.tell("deletions", "list", "--json").catch(({ stdout }) => stdout)) as string;
    expect(JSON.parse(list)).toMatchObject({
      stores: [{ store: "mail", why: "deleted-mailboxes", held: MANY, named: [{ messages: MANY, isWhole: true }] }],
    });
    await using session = await imap.connect(lab.site("b").dovecot, "u1");
    expect(await imap.select(session, "Work")).toMatchObject({ exists: MANY });
  });

  test("approved it goes, and both are equal through IMAP", async () => {
    const said = await lab.site("a").tell("deletions", "approve");
    expect(said).toBe("mail: 25 messages in 1 mailbox may go, and go now; what goes later is judged anew\n");
    await lab.settle("a", "b");
    await until("all to be well", async () => (await troubles()).length === 0);
    expect(await lab.site("a").tell("deletions", "list")).toBe("no deletion is held back\n");
  });

  test("rm -rf of a folder and of an INBOX, rejected: the mail is back through IMAP, once, and the replica is equal", async () => {
    const a = lab.site("a");
    await makeFolder("Lost", 700);
    await mark("Lost");
    await lab.settle("a", "b");
    const before = { lost: await mailOf("a", "u1", "Lost"), inbox: await mailOf("a", "u2", "INBOX") };
    await atOnce(() => rmSync(folder("Lost"), { recursive: true }));
    await untilHeld(/Lost/);
    await atOnce(async () => {
      rmSync(a.dovecot.mailRoot("u2"), { recursive: true });
      await deliverAll(a.dovecot, mailFor(["u2"], { seed: 800, count: 1 })); // Dovecot makes another INBOX.
    });
    await untilHeld(/u2/);
    await expunge("u1", [3]);
    await expect(a.tell("deletions", "reject", "--replica", "c")).rejects.toThrow(/has no replica c/);
    await a.tell("pause", "b");
    await expect(a.tell("deletions", "reject")).rejects.toThrow(/replica mail\/b: it is paused/);
    await a.tell("resume", "b");
    const isThere = () =>
      a.tell("deletions", "reject", "--dry-run").then(
        () => true,
        () => false,
      );
    await until("the replica to be there again", isThere);
    expect(await a.tell("deletions", "reject", "--dry-run")).toMatch(/would restore \d+ messages in 3 mailboxes/);
    const said = await a.tell("deletions", "reject"); // from b, over the link.
    expect(said).toMatch(/restored \d+ messages in 3 mailboxes as new mail/);
    await until("all to be well", async () => (await troubles()).length === 0, { deadlineMs: 90_000 });
    await lab.settle("a", "b");
    for (const site of ["a", "b"]) {
      expect(await mailOf(site, "u1", "Lost")).toEqual(before.lost);
      const inbox = await mailOf(site, "u2", "INBOX");
      expect(inbox).toHaveLength(before.inbox.length + 1);
      expect(inbox).toEqual(expect.arrayContaining([...before.inbox]));
    }
    expect(await a.tell("deletions", "reject")).toBe("no deletion is held back\n");
  });

  test("what comes back was no deletion, and nobody has to say so", async () => {
    const away = `${lab.site("a").dovecot.dir}/away`;
    renameSync(folder("Later"), away);
    await untilHeld(/Later/);
    renameSync(away, folder("Later"));
    await until("all to be well", async () => (await troubles()).length === 0, { deadlineMs: 90_000 });
    await lab.settle("a", "b");
  });

  test("mail that is expunged, too, while what a client moves to another folder is not deleted", async () => {
    const a = lab.site("a");
    await makeFolder("Third", 500);
    await lab.settle("a", "b");
    await using session = await imap.connect(a.dovecot, "u1");
    await imap.select(session, "Third");
    await session.messageMove("1:*", "Later", { uid: true });
    await lab.settle("a", "b");
    expect(await troubles()).toEqual([]);
    await imap.select(session, "Later");
    const uids = Array.from({ length: MANY }, (_, i) => i + 1);
    await atOnce(() => imap.expunge(session, uids));
    await untilHeld(/25 messages went within a short while/);
    await flag("u1", [3]);
    await untilEqualBut([".Later"]);
    await a.tell("deletions", "approve");
    await lab.settle("a", "b");
  });
});
