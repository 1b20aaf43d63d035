/** What a replica of the running daemon has in its limbo comes back at the source over the daemon's link, while mail goes on. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { FETCHED } from "../../src/daemon/reject/fetched-copies.js";
import { describeLive } from "./lab/available.js";
import * as imap from "./lab/imap.js";
import { deliverAll } from "./lab/lmtp.js";
import { makeMessage } from "./lab/messages.js";
import { until } from "./lab/until.js";
import { openSites, type Sites } from "./sites/lab.js";
import { mailFor } from "./sites/mail.js";
import { folderOf } from "./twin/pair.js";

const USERS = ["u1", "u2"];
const DATE = new Date("2021-03-04T05:06:07Z");
/** More than one question to the daemon has. */
const MANY = 70;

describeLive("removed mail over the link of a daemon", () => {
  let lab: Sites;

  beforeAll(async () => {
    lab = await openSites({ names: ["a", "b"], users: USERS });
    await deliverAll(lab.site("a").dovecot, mailFor(USERS, { seed: 1, count: 10 }));
    await using session = await imap.connect(lab.site("a").dovecot, "u1");
    await imap.createFolder(session, "Work");
    for (let seed = 100; seed < 100 + MANY; seed++)
      await imap.append(session, "Work", makeMessage({ seed }), { date: DATE });
    lab.configureSource("a", ["b"]);
    lab.configureReplica("b", "a");
    await lab.startAll("a", ["b"]);
    await lab.settle("a", "b");
  }, 120_000);

  beforeEach(() => lab.tellWhenFailed());

  afterAll(async () => {
    await lab[Symbol.asyncDispose]();
  });

  async function undelete(verb: string, ...args: readonly string[]): Promise<readonly Record<string, unknown>[]> {
    const out = await lab.site("a").tell("undelete", verb, "--store", "mail", "--replica", "b", "--json", ...args);
    const lines = out.split("\n").filter((line) => line !== "");
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  test("messages that were expunged are new mail on both sides, under one new UID", async () => {
    const a = lab.site("a").dovecot;
    await using session = await imap.connect(a, "u1");
    await imap.select(session, "INBOX");
    const before = folderOf(await lab.settle("a", "b"), "u1").messages;
    await imap.expunge(session, [2, 4]);
    await lab.settle("a", "b");
    let listed: readonly Record<string, unknown>[] = [];
    const isListed = async () => {
      listed = await undelete("list", "-u", "u1");
      return listed.length === 2;
    };
    await until("both to be in the limbo", isListed); // the files are moved a moment before that is recorded.
    expect(listed.map(({ store, uid, cause, isThere }) => [store, uid, cause, isThere])).toEqual([
      ["mail", 2, "expunge", true],
      ["mail", 4, "expunge", true],
    ]);
    const all = ["-u", "u1", "--mailbox", "INBOX", "--all"];
    expect((await undelete("restore", ...all, "--dry-run")).map(({ event }) => event)).toEqual([
      "would-restore",
      "would-restore",
    ]);
    await deliverAll(a, mailFor(["u1"], { seed: 50, count: 1 })); // mail goes on.
    const done = await undelete("restore", ...all);
    expect(done.map(({ event }) => event)).toEqual(["restored", "restored"]);
    expect((await undelete("restore", ...all)).map(({ event }) => event)).toEqual([
      "already-restored",
      "already-restored",
    ]);
    await imap.select(session, "INBOX"); // Dovecot looks.
    const after = folderOf(await lab.settle("a", "b"), "u1").messages; // of both, through IMAP.
    const back = after.filter(({ uid }) => uid > 6).map(({ bodySha256 }) => bodySha256);
    const gone = before.filter(({ uid }) => uid === 2 || uid === 4).map(({ bodySha256 }) => bodySha256);
    expect([after.length, after.map(({ uid }) => uid)]).toEqual([6, [1, 3, 5, 6, 7, 8]]);
    expect(back.sort()).toEqual(gone.sort());
    expect(await lab.site("a").tell("verify", "--replica", "b")).toMatch(/equal/);
  }, 120_000);

  test("all of a folder that was deleted, after the daemon was killed; nothing is left in the state directory", async () => {
    const a = lab.site("a");
    const before = folderOf(await lab.settle("a", "b"), "u1", "Work").messages.map(({ bodySha256 }) => bodySha256);
    await using session = await imap.connect(a.dovecot, "u1");
    await imap.deleteFolder(session, "Work");
    await lab.settle("a", "b");
    const isListed = async () => (await undelete("list", "-u", "u1")).at(-1)?.["kind"] === "mailbox";
    await until("the folder to be in the limbo", isListed);
    await a.daemon.kill9();
    await expect(undelete("list")).rejects.toThrow(/nobody listens there/);
    await a.start();
    await a.untilReplica("b", "live");
    await imap.createFolder(session, "Work");
    const done = await undelete("restore", "-u", "u1", "--mailbox", "Work", "--all");
    expect(new Set(done.map(({ event }) => event))).toEqual(new Set(["restored"]));
    await imap.select(session, "Work");
    const { messages } = folderOf(await lab.settle("a", "b"), "u1", "Work");
    expect(messages.map(({ bodySha256 }) => bodySha256).sort()).toEqual([...before].sort());
    expect(new Set(messages.map(({ internalDateMs }) => internalDateMs))).toEqual(new Set([DATE.getTime()]));
    expect(existsSync(join(a.stateDir, "stores/mail", FETCHED))).toBe(false);
  }, 120_000);

  test("a replica that is paused, or is none, is refused in words", async () => {
    const a = lab.site("a");
    await expect(a.tell("undelete", "list", "--replica", "c")).rejects.toThrow(/has a replica c/);
    await a.tell("pause", "b");
    await expect(undelete("list")).rejects.toThrow(/replica mail\/b: it is paused/);
    await a.tell("resume", "b");
  }, 60_000);
});
