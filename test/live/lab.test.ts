/**
 * The lab tested by itself, without mailtwin: what it reports equal is equal, and it finds each planted difference.
 *
 * A comparison that overlooks something would make every other live test worthless.
 */
import { appendFileSync, existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { describeLive, dovecotAvailable } from "./lab/available.js";
import { differences } from "./lab/differences.js";
import { type DovecotSite, startDovecot } from "./lab/dovecot.js";
import { copyStore, listStore, mailboxPaths, messageNames, storeLeaks } from "./lab/files.js";
import { startIdle } from "./lab/idle.js";
import * as imap from "./lab/imap.js";
import { deliver, deliverAll } from "./lab/lmtp.js";
import { makeMessage, makeMessages } from "./lab/messages.js";
import { problemLines } from "./lab/problems.js";
import { readView, type StoreView } from "./lab/view.js";
import { expectEqual, waitEqual } from "./lab/wait-equal.js";

const DATE = new Date("2020-02-29T12:34:56Z");
const ODD_FOLDERS = ["a & b", "With space", 'quo"te', "Grüße", "pct%", "Parent.Child"];

describe("messages", () => {
  test("are the same for the same seed, differ by seed, and have the wanted size", () => {
    for (let seed = 0; seed < 8; seed++) {
      const message = makeMessage({ seed, bytes: 5_000 });
      expect(message.equals(makeMessage({ seed, bytes: 5_000 }))).toBe(true);
      expect(message.equals(makeMessage({ seed: seed + 1, bytes: 5_000 }))).toBe(false);
      expect(message.length).toBeGreaterThanOrEqual(5_000);
      expect(message.length).toBeLessThan(5_200);
      expect(message.toString("latin1").replaceAll("\r\n", "")).not.toMatch(/[\r\n]/);
    }
  });
});

describe("problem lines", () => {
  test("are warnings and worse, except what the lab itself causes", () => {
    const warning = "2026-01-01 00:00:00.1 imap(u1)<12><a/b>: Warning: Maildir: Expunged message reappeared";
    const panic = "2026-01-01 00:00:00.1 imap(u1)<12><a/b>: Panic: file x: assertion failed";
    const terminated = "2026-01-01 00:00:00.1 master: Warning: Killed with signal 15 (by pid=1 uid=0 code=kill)";
    const info = "2026-01-01 00:00:00.1 imap(u1)<12><a/b>: Info: Disconnected: Logged out";
    expect(problemLines([info, warning, terminated, panic])).toEqual([warning, panic]);
    expect(problemLines(["doveadm(u1): Error: broken"])).toEqual(["doveadm(u1): Error: broken"]);
  });

  test("are none where thousands of changes took long, and one where few did", () => {
    const took = (changes: string) =>
      `2026-01-01 00:00:00.1 imap(u1)<12><a/b>: Warning: Maildir /tmp/m: Synchronization took 31 seconds (${changes})`;
    const bulks = ["0 new msgs, 0 flag change attempts, 10193 expunge attempts"];
    bulks.push("3 new msgs, 2000 flag change attempts, 0 expunge attempts");
    const few = took("2000 new msgs, 5 flag change attempts, 7 expunge attempts");
    expect(problemLines([...bulks.map(took), few])).toEqual([few]);
  });
});

describeLive("two sites", () => {
  let source: DovecotSite;
  let replica: DovecotSite;
  const running: DovecotSite[] = [];

  beforeAll(async () => {
    [source, replica] = await Promise.all([
      startDovecot({ name: "A", users: ["u1", "u2"] }),
      startDovecot({ name: "B", users: ["u1", "u2"], homes: false }),
    ]);
    running.push(source, replica);
    await fill(source);
  });

  afterAll(async () => {
    await Promise.all(running.map((site) => site.stop()));
  });

  test("a view tells UIDs, flags, keywords, dates, sizes, bodies, GUIDs, folders and subscriptions", async () => {
    const view = await readView(source, "u1");
    const inbox = view.folders.get("INBOX");
    expect(inbox?.uidNext).toBe(6);
    expect(inbox?.uidValidity).toBeGreaterThan(0);
    expect(inbox?.guid).toMatch(/^[0-9a-f]{32}$/);
    expect(inbox?.messages.map(({ uid }) => uid)).toEqual([1, 2, 3, 5]);
    const appended = inbox?.messages[2];
    expect(appended).toMatchObject({
      flags: ["\\Answered", "\\Seen"],
      keywords: ["$Label1", "urgent"],
      internalDateMs: DATE.getTime(),
      sizeBytes: makeMessage({ seed: 3 }).length,
    });
    expect(appended?.bodySha256).toBe(await sha256(makeMessage({ seed: 3 })));
    expect(new Set(inbox?.messages.map(({ guid }) => guid)).size).toBe(4);
    expect([...view.folders.keys()].sort()).toEqual(["INBOX", "Parent", ...ODD_FOLDERS].sort());
    expect(view.folders.get("Parent")?.selectable).toBe(false);
    for (const path of ODD_FOLDERS) {
      expect(view.folders.get(path)?.messages, path).toHaveLength(1);
      expect(view.folders.get(path)?.guid, path).toMatch(/^[0-9a-f]{32}$/);
    }
    expect(view.subscriptions).toEqual(ODD_FOLDERS.filter((path) => path !== "With space").sort());
  });

  test("reading a view changes no file of the mail", async () => {
    await readView(source, "u1");
    const mailFiles = (): readonly string[] =>
      listStore(source.store)
        .filter(({ path, kind }) => kind === "file" && !/dovecot\.(index|list|mailbox)/.test(path))
        .map(({ path, stats }) => `${path} ${stats.ino} ${stats.mtimeMs}`);
    await deliver(source, "u2", makeMessage({ seed: 50 }));
    const before = mailFiles();
    const view = await readView(source, "u2");
    expect(view.folders.get("INBOX")?.messages[0]?.flags).toEqual([]);
    expect(mailFiles()).toEqual(before);
    expect(messageNames(source.store, "u2/Maildir").filter((name) => !name.includes(":2,"))).toHaveLength(1);
  });

  test("a raw copy of the store is equal by view, and a planted difference in it is not", async () => {
    copyStore(source, replica);
    const views = await waitEqual(source, replica, ["u1", "u2"], { deadlineMs: 20_000 });
    expect(views.get("u1")?.folders.size).toBe(ODD_FOLDERS.length + 2);
    await using session = await imap.connect(replica, "u1");
    await imap.select(session, "INBOX");
    await imap.store(session, [1], { add: ["\\Flagged"] });
    await expect(expectEqual(source, replica, "u1")).rejects.toThrow(
      /u1\/INBOX UID 1: flags: "" on A, ".Flagged" on B/,
    );
    await imap.store(session, [1], { remove: ["\\Flagged"] });
    await expectEqual(source, replica, "u1");
  });

  test("no login to a replica without a Maildir", async () => {
    rmSync(replica.mailRoot("u2"), { recursive: true, force: true });
    await expect(waitEqual(source, replica, "u2", { deadlineMs: 100 })).rejects.toThrow("B has no INBOX on disk yet");
    expect(existsSync(replica.mailRoot("u2"))).toBe(false);
  });

  test("an idling session collects arrivals, flag changes and expunges", async () => {
    await using idle = await startIdle(source, "u2", "INBOX");
    await deliver(source, "u2", makeMessage({ seed: 60 }));
    await idle.waitFor("arrival", (event) => event.kind === "exists");
    await using other = await imap.connect(source, "u2");
    await imap.select(other, "INBOX");
    await imap.store(other, "1", { add: ["\\Flagged", "blue"] });
    await idle.waitFor("flags", (event) => event.kind === "fetch" && event.flags.includes("blue"));
    await imap.expunge(other, "1");
    await idle.waitFor("expunge", (event) => event.kind === "expunge" && event.seq === 1);
    expect(idle.isOpen()).toBe(true);
    await expect(idle.waitFor("nothing", () => false, 50)).rejects.toThrow("events so far");
  });

  test("moves, copies, renames and deletes", async () => {
    await using session = await imap.connect(source, "u2");
    await imap.createFolder(session, "Box", { subscribe: false });
    await imap.select(session, "INBOX");
    const uids = [];
    for (const message of makeMessages(4, { seed: 70 })) uids.push(await imap.append(session, "INBOX", message));
    const copied = await imap.copy(session, uids.slice(0, 2), "Box");
    const moved = await imap.move(session, uids.slice(2), "Box");
    expect([...copied.values(), ...moved.values()]).toEqual([1, 2, 3, 4]);
    await imap.copy(session, uids.slice(0, 1), "INBOX");
    await imap.renameFolder(session, "Box", "Crate");
    const view = await readView(source, "u2");
    expect(view.folders.get("Crate")?.messages).toHaveLength(4);
    expect(view.folders.has("Box")).toBe(false);
    expect(view.subscriptions).toEqual([]);
    await imap.deleteFolder(session, "Crate");
    expect((await readView(source, "u2")).folders.has("Crate")).toBe(false);
  });

  test("a burst over 8 connections arrives whole, and 60 sessions fit", async () => {
    const burst = makeMessages(80, { seed: 1_000 }).map((message) => ({ user: "u2", message }));
    const before = (await readView(source, "u2", { bodies: false })).folders.get("INBOX")?.messages.length ?? 0;
    await deliverAll(source, burst, { connections: 8 });
    const after = await readView(source, "u2");
    expect(after.folders.get("INBOX")?.messages).toHaveLength(before + 80);
    const sessions = await Promise.all(Array.from({ length: 60 }, () => imap.connect(source, "u2")));
    await Promise.all(sessions.map((session) => imap.select(session, "INBOX")));
    await Promise.all(sessions.map((session) => session.logout()));
    await expect(deliver(source, "nobody", makeMessage({ seed: 1 }))).rejects.toThrow("RCPT nobody");
  });

  test("the stores are clean and the Dovecots logged nothing serious", () => {
    expect(mailboxPaths(source.store)).toContain("u1/Maildir");
    expect(storeLeaks(source.store)).toEqual([]);
    expect(source.logLines().length).toBeGreaterThan(10);
    expect(source.problems()).toEqual([]);
    expect(replica.problems()).toEqual([]);
  });
});

describeLive("differences of views", () => {
  let base: StoreView;

  beforeAll(async () => {
    await using site = await startDovecot({ name: "D", users: ["u1", "u2"] });
    await fill(site);
    base = await readView(site, "u1");
  });

  test("a view equals itself", () => {
    expect(differences(base, base)).toEqual([]);
  });

  const planted: readonly (readonly [string, (view: Draft) => void, RegExp])[] = [
    ["a folder less", (v) => v.folders.delete("Grüße"), /Grüße: folder only on D$/],
    ["a folder more", (v) => v.folders.set("X", structuredClone(inboxOf(v))), /X: folder only on E$/],
    ["selectable", (v) => Object.assign(inboxOf(v), { selectable: false }), /selectable: "true" on D, "false" on E/],
    ["UIDVALIDITY", (v) => Object.assign(inboxOf(v), { uidValidity: 7 }), /INBOX: UIDVALIDITY: .* "7" on E/],
    ["UIDNEXT", (v) => Object.assign(inboxOf(v), { uidNext: 99 }), /INBOX: UIDNEXT: "6" on D, "99" on E/],
    ["mailbox GUID", (v) => Object.assign(inboxOf(v), { guid: "f" }), /mailbox GUID: .* "f" on E/],
    ["a message less", (v) => inboxOf(v).messages.pop(), /UID 5: only on D/],
    ["another UID", (v) => Object.assign(firstOf(v), { uid: 4 }), /UID 1: only on D/],
    ["a flag", (v) => firstOf(v).flags.push("\\Seen"), /UID 1: flags: "" on D, ".Seen" on E/],
    ["a keyword", (v) => firstOf(v).keywords.push("x"), /UID 1: keywords: "" on D, "x" on E/],
    ["the date by a second", (v) => Object.assign(firstOf(v), { internalDateMs: 1000 }), /INTERNALDATE: .*1970/],
    ["the size", (v) => Object.assign(firstOf(v), { sizeBytes: 1 }), /RFC822.SIZE/],
    ["the body", (v) => Object.assign(firstOf(v), { bodySha256: "0" }), /UID 1: body: /],
    ["a message GUID", (v) => Object.assign(firstOf(v), { guid: "g" }), /UID 1: message GUID/],
    ["a subscription", (v) => v.subscriptions.pop(), /subscribed only on D/],
  ];

  test.each(planted)("finds %s", (_, plant, words) => {
    const other = draftOf(base);
    plant(other);
    const lines = differences(base, other);
    expect(lines.join("\n")).toMatch(words);
    expect(lines.length).toBeLessThanOrEqual(2);
  });

  test("says it in a bounded number of lines, and leaves out what it is told to", () => {
    const other = draftOf(base);
    other.folders.clear();
    expect(differences(base, other, { linesMax: 3 })).toHaveLength(3);
    expect(differences(base, other, { linesMax: 3 }).at(-1)).toBe(`... and ${base.folders.size - 2} more differences`);
    const next = draftOf(base);
    Object.assign(inboxOf(next), { uidNext: 99 });
    expect(differences(base, next, { ignoreUidNext: true })).toEqual([]);
  });
});

describeLive("one site", () => {
  test("LAYOUT=fs nests folders, and stop() leaves no process and no file", async () => {
    const site = await startDovecot({ name: "F", users: ["u1"], layout: "fs" });
    const session = await imap.connect(site, "u1");
    await imap.createFolder(session, "A/B");
    await session.logout();
    expect(mailboxPaths(site.store)).toContain("u1/Maildir/A/B");
    expect((await readView(site, "u1")).folders.get("A/B")?.selectable).toBe(true);
    expect(site.problems()).toEqual([]);
    const open = await imap.connect(site, "u1");
    await site.stop();
    expect(open.usable).toBe(false);
    expect(existsSync(site.dir)).toBe(false);
    await expect(imap.connect(site, "u1")).rejects.toThrow();
    expect(site.logLines().length).toBeGreaterThan(0);
  });

  test("a broken uidlist shows up as a problem", async () => {
    await using site = await startDovecot({ name: "P", users: ["u1"] });
    await deliver(site, "u1", makeMessage({ seed: 1 }));
    appendFileSync(join(site.mailRoot("u1"), "dovecot-uidlist"), "garbage\n");
    await deliver(site, "u1", makeMessage({ seed: 2 }));
    await readView(site, "u1");
    expect(site.problems().join("\n")).toMatch(/Broken file .*dovecot-uidlist/);
  });

  test("a configuration that Dovecot refuses is an error with Dovecot's words", async () => {
    const broken = startDovecot({ name: "X", users: [], extraConfig: "no_such_setting = 1" });
    await expect(broken).rejects.toThrow(/Unknown setting: no_such_setting/);
  });
});

test("availability has a version or a reason", () => {
  const found = dovecotAvailable();
  expect(found.ok ? found.version : found.reason).not.toBe("");
});

/** u1: INBOX with UIDs 1, 2, 3, 5 (4 is expunged), and a message in each odd folder. u2: nothing. */
async function fill(site: DovecotSite): Promise<void> {
  await deliverAll(
    site,
    [1, 2].map((seed) => ({ user: "u1", message: makeMessage({ seed }) })),
  );
  await using session = await imap.connect(site, "u1");
  const flags = ["\\Seen", "\\Answered", "$Label1", "urgent"];
  await imap.append(session, "INBOX", makeMessage({ seed: 3 }), { date: DATE, flags });
  await imap.append(session, "INBOX", makeMessage({ seed: 4 }));
  await imap.append(session, "INBOX", makeMessage({ seed: 5, bytes: 200_000 }));
  await imap.select(session, "INBOX");
  await imap.expunge(session, [4]);
  for (const path of ODD_FOLDERS) {
    await imap.createFolder(session, path, { subscribe: path !== "With space" });
    await imap.append(session, path, makeMessage({ seed: 10 }));
  }
}

async function sha256(bytes: Buffer): Promise<string> {
  return Buffer.from(await crypto.subtle.digest("SHA-256", bytes)).toString("hex");
}

interface DraftMessage {
  flags: string[];
  keywords: string[];
}

interface DraftFolder {
  messages: (StoreViewMessage & DraftMessage)[];
}

type StoreViewFolder = NonNullable<ReturnType<StoreView["folders"]["get"]>>;
type StoreViewMessage = StoreViewFolder["messages"][number];

/** A view that a test may damage. */
interface Draft extends StoreView {
  readonly folders: Map<string, StoreViewFolder & DraftFolder>;
  readonly subscriptions: string[];
}

function draftOf(view: StoreView): Draft {
  return { ...structuredClone(view as Draft), site: "E" };
}

function inboxOf(draft: Draft): StoreViewFolder & DraftFolder {
  const inbox = draft.folders.get("INBOX");
  if (inbox === undefined) throw new Error("the draft has no INBOX");
  return inbox;
}

function firstOf(draft: Draft): StoreViewMessage & DraftMessage {
  const [first] = inboxOf(draft).messages;
  if (first === undefined) throw new Error("the draft's INBOX is empty");
  return first;
}
