/**
 * One-shot runs: what changed while nobody watched is found and shipped, nothing more, and a lost state directory costs
 * no body.
 */
import { rmSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describeLive } from "./lab/available.js";
import { listStore } from "./lab/files.js";
import * as imap from "./lab/imap.js";
import { deliver, deliverAll } from "./lab/lmtp.js";
import { makeMessage, makeMessages } from "./lab/messages.js";
import { expectEqual } from "./lab/wait-equal.js";
import { folderOf, openPair, type Pair } from "./twin/pair.js";
import { dropFile } from "./twin/raw-mail.js";
import { eventsOf, summaryOf } from "./twin/small-store.js";

const USERS = ["u1", "u2"];

describeLive("sync, once and again", () => {
  let pair: Pair;
  const sites: Pair[] = [];

  beforeAll(async () => {
    pair = await openPair({ users: USERS });
    sites.push(pair);
    for (const user of USERS) {
      await deliverAll(
        pair.source,
        makeMessages(20, { seed: 1 }).map((message) => ({ user, message })),
      );
    }
    await using session = await imap.connect(pair.source, "u1");
    for (const folder of ["Work", "Work.Old", "Going", "Staying"]) {
      await imap.createFolder(session, folder);
      for (const seed of [1, 2, 3]) await imap.append(session, folder, makeMessage({ seed }), { flags: ["$Label1"] });
    }
  });

  afterAll(async () => {
    await Promise.all(sites.map((site) => site[Symbol.asyncDispose]()));
  });

  /** Runs to its end; then both sides are equal at once. */
  async function syncToEqual(): Promise<ReturnType<typeof summaryOf>> {
    const run = await pair.sync();
    expect(run, JSON.stringify(run.events)).toMatchObject({ code: 0, stderr: "", strayOutput: [] });
    expect(pair.fileDifferences()).toEqual([]);
    await pair.settle();
    return summaryOf(run);
  }

  test("a dry run says what would be done and makes nothing", async () => {
    const run = await pair.sync("--dry-run");
    expect(run).toMatchObject({ code: 0, stderr: "" });
    const words = eventsOf(run, "plan").map((event) => String(event["words"]));
    for (const folder of ["u2/Maildir", "u1/Maildir/.Work.Old"]) expect(words.join("\n")).toContain(folder);
    expect(listStore(pair.replica.store)).toEqual([]);
    expect(listStore(pair.replica.dir).filter(({ path }) => /mailtwin|twin-state/.test(path))).toEqual([]);
  });

  test("the first run seeds", async () => {
    expect(await syncToEqual()).toMatchObject({ saves: 52, mailboxes: 6, messages: 52, expunges: 0, problems: 0 });
  });

  test("nothing changed, and the summary says so", async () => {
    const before = fileIdentities();
    expect(await syncToEqual()).toMatchObject({ transactions: 0, saves: 0, marks: 0, expunges: 0, bodiesBytes: 0 });
    expect(fileIdentities()).toEqual(before);
  });

  test("deliveries, flags, expunges, folders renamed and deleted meanwhile are found", async () => {
    await deliver(pair.source, "u2", makeMessage({ seed: 100 }));
    dropFile({ site: pair.source, user: "u2" }, "1600000001.dropped", { seed: 101 });
    await using session = await imap.connect(pair.source, "u1");
    await imap.append(session, "INBOX", makeMessage({ seed: 102 }), { flags: ["\\Flagged", "fresh"] });
    await imap.select(session, "INBOX");
    await imap.store(session, "1:5", { add: ["\\Seen", "$Label2"] });
    await imap.expunge(session, [6, 7, 20]);
    await imap.move(session, [8, 9], "Staying");
    await imap.renameFolder(session, "Work", "Werk & Play");
    await imap.append(session, "Werk & Play.Old", makeMessage({ seed: 103 }));
    await imap.deleteFolder(session, "Going");
    await imap.createFolder(session, "Coming");
    const before = new Set(messageInodes());
    const summary = await syncToEqual();
    // New are only the five that are: two moved ones are linked or copied on the replica's side.
    expect(messageInodes().filter((inode) => !before.has(inode)).length).toBeLessThanOrEqual(6);
    expect(summary).toMatchObject({ mailboxes: 6, problems: 0 });
    expect(Number(summary["bodiesBytes"])).toBeLessThan(20_000);
  });

  test("a folder deleted and made anew under its name meanwhile is another folder", async () => {
    await using session = await imap.connect(pair.source, "u1");
    await imap.deleteFolder(session, "Staying");
    await imap.createFolder(session, "Staying");
    await imap.append(session, "Staying", makeMessage({ seed: 110 }));
    await syncToEqual();
  });

  test("two folders that changed names with each other meanwhile", async () => {
    await using session = await imap.connect(pair.source, "u1");
    await imap.renameFolder(session, "Staying", "Between");
    await imap.renameFolder(session, "Coming", "Staying");
    await imap.renameFolder(session, "Between", "Coming");
    const before = messageInodes();
    await syncToEqual();
    expect(messageInodes()).toEqual(before);
  });

  test("what a client of the replica did there meanwhile stays", async () => {
    await using reader = await imap.connect(pair.replica, "u2");
    await imap.select(reader, "INBOX");
    await imap.store(reader, [1], { add: ["\\Seen"] });
    await deliver(pair.source, "u2", makeMessage({ seed: 120 }));
    expect((await pair.sync()).code).toBe(0);
    await using writer = await imap.connect(pair.source, "u2");
    await imap.select(writer, "INBOX");
    await expect(expectEqual(pair.source, pair.replica, "u2", { ignoreSubscriptions: true })).rejects.toThrow(
      /UID 1: flags: "" on A, "\\Seen" on B$/,
    );
    await imap.store(writer, [1], { add: ["\\Seen"] });
    await syncToEqual();
  });

  test("the state directory is lost: the equal copy is adopted, no body is sent", async () => {
    const before = messageInodes();
    rmSync(pair.state, { recursive: true });
    expect(await syncToEqual()).toMatchObject({ bodiesBytes: 0, problems: 0 });
    expect(messageInodes()).toEqual(before);
    expect(await syncToEqual()).toMatchObject({ transactions: 0 });
  });

  test("the state directory is lost and the source went on: only what is new is sent", async () => {
    rmSync(pair.state, { recursive: true });
    await deliver(pair.source, "u1", makeMessage({ seed: 130 }));
    await using session = await imap.connect(pair.source, "u1");
    await imap.select(session, "INBOX");
    await imap.store(session, [1], { set: ["\\Draft"] });
    const before = messageInodes();
    const summary = await syncToEqual();
    expect(messageInodes()).toEqual(expect.arrayContaining(before));
    expect(messageInodes()).toHaveLength(before.length + 1);
    expect(Number(summary["bodiesBytes"])).toBeLessThan(2_000);
    await using replica = await imap.connect(pair.replica, "u1");
    await imap.select(replica, "INBOX", { readOnly: true });
    expect(folderOf(await pair.settle("u1"), "u1").messages[0]?.flags).toEqual(["\\Draft"]);
  });

  function messageInodes(): number[] {
    return listStore(pair.replica.store)
      .filter(({ path, kind }) => kind === "file" && /\/(cur|new)\/[^/]+$/.test(path))
      .map(({ stats }) => stats.ino)
      .sort((a, b) => a - b);
  }

  /** Everything in the replica that is not the host's own, as it stands on disk. */
  function fileIdentities(): readonly string[] {
    return listStore(pair.replica.store)
      .filter(({ path, kind }) => kind === "file" && !/dovecot\.(index|list|mailbox)/.test(path))
      .map(({ path, stats }) => `${path} ${stats.ino} ${stats.mtimeMs} ${stats.ctimeMs}`);
  }
});
