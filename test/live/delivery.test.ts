/**
 * Messages that come to be or go at the source, by every way that Dovecot offers, arrive under the same UID.
 */
import { unlinkSync } from "node:fs";
import { expect, test } from "vitest";
import { describeLive } from "./lab/available.js";
import { messageNames } from "./lab/files.js";
import * as imap from "./lab/imap.js";
import { deliver, deliverAll } from "./lab/lmtp.js";
import { makeMessage, makeMessages } from "./lab/messages.js";
import { until } from "./lab/until.js";
import { readView } from "./lab/view.js";
import { useLiveTwin } from "./twin/live-twin.js";
import { folderOf } from "./twin/pair.js";
import { dropFile, mailboxDir, takeLock, uidlistBases } from "./twin/raw-mail.js";

const BURST = 500;
const WITHOUT_RECORD = 100;
const LARGE_BYTES = 12 * 1024 * 1024;

describeLive("what is delivered to the source", () => {
  const users = ["u1", "u2", "u3", "u4", "u5"];
  const lab = useLiveTwin({
    users,
    prepare: async ({ source }) => {
      for (const user of users) await deliver(source, user, makeMessage({ seed: 1 }));
    },
  });

  test("by LMTP, one at a time", async () => {
    const { pair, twin } = lab;
    for (const message of makeMessages(3, { seed: 10 })) await deliver(pair.source, "u1", message);
    const views = await pair.settle("u1");
    expect(folderOf(views, "u1").messages.map(({ uid }) => uid)).toEqual([1, 2, 3, 4]);
    const shipped = twin.output.events.filter(({ event, path }) => event === "shipped" && path === "u1/Maildir");
    expect(shipped.length).toBeGreaterThan(0);
  });

  test("by eight LMTP connections at once, without records at first", async () => {
    const { pair } = lab;
    const place = { site: pair.source, user: "u2" };
    const burst = makeMessages(BURST, { seed: 1_000 }).map((message) => ({ user: "u2", message }));
    // Whether a delivery finds the lock free is chance; for the first of them it is not.
    const release = await takeLock(mailboxDir(place), pair.source.owner);
    try {
      await deliverAll(pair.source, burst.slice(0, WITHOUT_RECORD), { connections: 8 });
      expect(messageNames(pair.source.store, "u2/Maildir")).toHaveLength(WITHOUT_RECORD + 1);
      expect(uidlistBases(place)).toHaveLength(1);
    } finally {
      release();
    }
    await deliverAll(pair.source, burst.slice(WITHOUT_RECORD), { connections: 8 });
    const views = await pair.settle("u2");
    expect(folderOf(views, "u2").messages).toHaveLength(BURST + 1);
  });

  test("while the lock is taken: no record, so the twin numbers it in Dovecot's order", async () => {
    const { source, replica } = lab.pair;
    const place = { site: source, user: "u3" };
    const release = await takeLock(mailboxDir(place), source.owner);
    try {
      const late = makeMessages(20, { seed: 2_000 }).map((message) => ({ user: "u3", message }));
      await deliverAll(source, late, { connections: 1 });
      expect(uidlistBases(place)).toHaveLength(1);
    } finally {
      release();
    }
    // Files only until here: a session at the source would make Dovecot number them.
    const arrived = () => uidlistBases({ site: replica, user: "u3" }).length;
    await until("the replica's records", () => arrived() === 21, { detail: () => `${arrived()} are there` });
    const bases = uidlistBases(place);
    expect(bases).toHaveLength(21);
    expect([...bases].sort(byDeliveryTime)).toEqual(bases);
    expect(uidlistBases({ site: replica, user: "u3" })).toEqual(bases);
    await lab.pair.settle("u3");
  });

  test("by a program that knows no Dovecot, under names that are not UTF-8 or hold odd characters", async () => {
    const { source, replica } = lab.pair;
    const place = { site: source, user: "u3" };
    dropFile(place, "1600000001.plain agent", { seed: 3_001 });
    dropFile(place, "1600000002.\xff\xfe-no-utf8", { seed: 3_002 });
    dropFile(place, "1600000003.Gr\xc3\xbc\xc3\x9fe;a=b&c+d", { seed: 3_003 });
    dropFile(place, "1600000004.flagged:2,FS", { seed: 3_004, into: "cur" });
    await until("the replica's files", () => messageNames(replica.store, "u3/Maildir").length === 25);
    const views = await lab.pair.settle("u3");
    expect(folderOf(views, "u3").messages.at(-1)?.flags).toEqual(["\\Flagged", "\\Seen"]);
    expect(messageNames(replica.store, "u3/Maildir")).toContainEqual(
      expect.stringMatching(/^1600000002\.\xff\xfe-no-utf8/),
    );
  });

  // From 253 bytes on there is no room for ":2,": Dovecot serves such a mail from new/, and cannot mark it.
  test("by a program that gives it a name of up to 255 bytes, and gone again", async () => {
    const { source, replica } = lab.pair;
    const place = { site: source, user: "u5" };
    const named = (bytes: number, info = "") =>
      `16000000${bytes}${info === "" ? "n" : "c"}`.padEnd(bytes - info.length, "x") + info;
    const lengths = [250, 251, 252, 253, 254, 255];
    for (const [index, bytes] of lengths.entries()) {
      dropFile(place, named(bytes), { seed: 3_100 + index });
      dropFile(place, named(bytes, ":2,FS"), { seed: 3_200 + index, into: "cur" });
    }
    await until(
      "the replica's files",
      () => messageNames(replica.store, "u5/Maildir").length === 2 * lengths.length + 1,
    );
    const views = await lab.pair.settle("u5");
    expect(folderOf(views, "u5").messages).toHaveLength(2 * lengths.length + 1);
    for (const bytes of [253, 254, 255]) unlinkSync(`${mailboxDir(place)}/new/${named(bytes)}`);
    await until(
      "the replica's files",
      () => messageNames(replica.store, "u5/Maildir").length === 2 * lengths.length - 2,
    );
    await lab.pair.settle("u5");
  });

  test("by APPEND with a date, flags and a new keyword", async () => {
    const { pair } = lab;
    await using session = await imap.connect(pair.source, "u1");
    const date = new Date("2001-02-03T04:05:06Z");
    const flags = ["\\Seen", "\\Answered", "$Project7", "later"];
    const uid = await imap.append(session, "INBOX", makeMessage({ seed: 4_000 }), { date, flags });
    await imap.append(session, "INBOX", makeMessage({ seed: 4_001 }));
    const views = await pair.settle("u1");
    expect(folderOf(views, "u1").messages.find((message) => message.uid === uid)).toMatchObject({
      internalDateMs: date.getTime(),
      flags: ["\\Answered", "\\Seen"],
      keywords: ["$Project7", "later"],
    });
  });

  test("by COPY and MOVE, to another folder and inside one", async () => {
    const { pair } = lab;
    await using session = await imap.connect(pair.source, "u1");
    await imap.createFolder(session, "Archive");
    await imap.select(session, "INBOX");
    await imap.store(session, [1], { add: ["kept", "\\Flagged"] });
    await imap.copy(session, [1, 2], "Archive");
    await imap.move(session, [3, 4], "Archive");
    const inBox = await imap.copy(session, [1], "INBOX");
    const views = await pair.settle("u1");
    const inbox = folderOf(views, "u1").messages;
    const guidOf = (uid: number | undefined) => inbox.find((message) => message.uid === uid)?.guid;
    expect(guidOf(1)).toMatch(/./);
    expect(guidOf(inBox.get(1))).toBe(guidOf(1)); // which takes a G field in the record: the name is another.
    expect(folderOf(views, "u1", "Archive").messages.map(({ uid }) => uid)).toEqual([1, 2, 3, 4]);
    await imap.select(session, "Archive");
    await imap.move(session, [1], "INBOX"); // back to where its name is taken.
    await pair.settle("u1");
  });

  test("an expunged message goes, also the newest, and its UID is not given again", async () => {
    const { pair } = lab;
    await using session = await imap.connect(pair.source, "u4");
    for (const message of makeMessages(4, { seed: 5_000 })) await imap.append(session, "INBOX", message);
    await pair.settle("u4");
    await imap.select(session, "INBOX");
    await imap.expunge(session, [2, 5]);
    const without = folderOf(await pair.settle("u4"), "u4");
    expect(without.messages.map(({ uid }) => uid)).toEqual([1, 3, 4]);
    expect(without.uidNext).toBe(6);
    await deliver(pair.source, "u4", makeMessage({ seed: 5_010 }));
    await imap.expunge(session, "1:4");
    const after = folderOf(await pair.settle("u4"), "u4");
    expect(after.messages.map(({ uid }) => uid)).toEqual([6]);
  });

  test("a mail of 12 MB, with small ones around it", async () => {
    const { pair } = lab;
    const large = makeMessage({ seed: 6_000, bytes: LARGE_BYTES });
    await deliver(pair.source, "u4", makeMessage({ seed: 6_001 }));
    await deliver(pair.source, "u4", large);
    await deliver(pair.source, "u4", makeMessage({ seed: 6_002 }));
    const views = await pair.settle("u4");
    const sizes = folderOf(views, "u4").messages.map(({ sizeBytes }) => sizeBytes);
    expect(Math.max(...sizes)).toBeGreaterThanOrEqual(LARGE_BYTES);
    const sourceView = await readView(pair.source, "u4", { bodies: false });
    expect(sourceView.folders.get("INBOX")?.messages).toHaveLength(4);
  });
});

/** "1700000000.M123456P1.host": by second, then by microsecond. */
function byDeliveryTime(a: string, b: string): number {
  const parts = (name: string) => /^(\d+)\.M(\d+)P/.exec(name)?.slice(1).map(Number) ?? [0, 0];
  const [[secondA = 0, microA = 0], [secondB = 0, microB = 0]] = [parts(a), parts(b)];
  return secondA === secondB ? microA - microB : secondA - secondB;
}
