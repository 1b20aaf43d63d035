/** A replica that the log cannot bring up to date is compared, and equal afterwards, over real stores. */
import { copyFileSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../../src/base/clock.js";
import type { MailboxGuid } from "../../../src/maildir/ids.js";
import { addFile, addMessage, makeMailbox } from "../../live/twin/small-store.js";
import { NO_EFFECT } from "../log/state-fixtures.js";
import { RealPair, type RealRun } from "./real-pair.js";

const [INBOX, WORK, OTHER] = ["u1/Maildir", "u1/Maildir/.Work", "u2/Maildir"];

let pair: RealPair;
let source: string;
let replica: string;

beforeEach(async () => {
  pair = await RealPair.open();
  ({ source, replica } = pair.bench);
  makeMailbox(source, INBOX, { messages: 4 });
  makeMailbox(source, WORK, { messages: 3, seed: 10 });
  makeMailbox(source, OTHER, { messages: 2, seed: 20 });
  await pair.ship();
  expect(pair.differences).toStrictEqual([]);
});

afterEach(async () => {
  await pair[Symbol.asyncDispose]();
});

/** Removes the file of the message at that place of the listing, as an expunge does. */
function expunge(store: string, path: string, at: number): void {
  const cur = join(store, path, "cur");
  rmSync(join(cur, readdirSync(cur).sort()[at] ?? ""));
}

function setFlags(store: string, path: string, at: number, flags: string): void {
  const cur = join(store, path, "cur");
  const name = readdirSync(cur).sort()[at] ?? "";
  renameSync(join(cur, name), join(cur, `${name.split(":", 1)[0]}:2,${flags}`));
}

function offersOf(run: RealRun) {
  return run.sent.filter(({ kind }) => kind === "offer");
}

describe("when the log was trimmed while the replica was away", () => {
  beforeEach(async () => {
    addMessage(join(source, INBOX), { seed: 30 });
    expunge(source, INBOX, 0);
    setFlags(source, INBOX, 1, "FR");
    renameSync(join(source, WORK), join(source, "u1/Maildir/.Done"));
    makeMailbox(source, "u3/Maildir", { messages: 150, seed: 1000, bytes: 60 });
    rmSync(join(source, OTHER), { recursive: true });
    await pair.capture();
    await pair.trimAll();
  });

  test("it is compared, equal afterwards, and the log goes on from there", async () => {
    const run = pair.start();
    const lsn = await pair.capture();
    await run.untilAcked(lsn);
    expect(pair.differences).toStrictEqual([]);
    expect(run.compared).toStrictEqual([lsn]);
    expect([run.rejected, run.conflicts]).toStrictEqual([[], []]);
    expect(pair.replicaReader.appliedLsn(pair.sourceReader.meta("log-id") ?? "")).toBe(lsn);
    expect(run.agent.ackedLsn).toBe(lsn);
    addMessage(join(source, INBOX), { seed: 31 });
    await run.untilAcked(await pair.capture());
    expect(pair.differences).toStrictEqual([]);
    await run.end();
    const next = await pair.ship();
    expect([next.compared, offersOf(next)]).toStrictEqual([[], []]);
  });

  test("a run that may not compare says that the log is trimmed, and changes nothing", async () => {
    const before = pair.differences;
    const run = pair.start({ compares: false });
    await expect(run.agentRun).rejects.toMatchObject({ code: "log-trimmed" });
    await run.cut();
    expect(pair.differences).toStrictEqual(before);
    expect(before.length).toBeGreaterThan(0);
  });

  test("a link that is cut at any message begins the comparison again", async () => {
    const counter = pair.start();
    await counter.untilAcked(await pair.capture());
    await counter.end();
    const messages = counter.sent.length;
    expect(messages).toBeGreaterThan(10);
    for (let at = 2; at <= messages; at += 4) {
      await using fresh = await RealPair.open();
      makeMailbox(fresh.bench.source, INBOX, { messages: 4 });
      makeMailbox(fresh.bench.source, WORK, { messages: 3, seed: 10 });
      await fresh.ship();
      expunge(fresh.bench.source, INBOX, 1);
      renameSync(join(fresh.bench.source, WORK), join(fresh.bench.source, "u1/Maildir/.Done"));
      makeMailbox(fresh.bench.source, OTHER, { messages: 12, seed: 500, bytes: 60 });
      const lsn = await fresh.capture();
      await fresh.trimAll();
      const cut = fresh.start();
      cut.onSend = () => {
        if (cut.sent.length === at) void cut.cut();
      };
      await cut.untilAcked(lsn).catch(() => undefined);
      await cut.cut();
      fresh.reopenReplica();
      const run = fresh.start();
      await run.untilAcked(lsn);
      await run.end();
      expect(fresh.differences, `cut at message ${at}`).toStrictEqual([]);
      expect(fresh.sourceReader.rejections()).toStrictEqual([]);
    }
  });
});

test("a comparison of what is equal sends nothing but its marks", async () => {
  const run = await pair.ship({ mustCompare: true });
  expect(run.compared).toHaveLength(1);
  expect(run.sent.map(({ kind }) => kind).filter((kind) => kind !== "request")).toStrictEqual([
    "hello",
    "mark",
    "mark",
  ]);
});

test("a replica that has more of the log than there is is compared, and what the log gets later is not taken for applied", async () => {
  const logId = pair.sourceReader.meta("log-id") ?? "";
  const lsn = pair.sourceReader.lastLsn();
  await pair.replicaWriter.recordEffect({ ...NO_EFFECT, cursor: { logId, lsn: lsn + 3 } });
  setFlags(source, INBOX, 0, "T");
  await pair.ship();
  expect(pair.replicaReader.appliedLsn(logId)).toBe(pair.sourceReader.lastLsn());
  for (let seed = 40; seed < 45; seed++) addMessage(join(source, INBOX), { seed });
  await pair.ship();
  expect(pair.differences).toStrictEqual([]);
});

test("mail that only the replica has is kept, and gives way where it has a UID of the source's", async () => {
  await pair[Symbol.asyncDispose]();
  pair = await RealPair.open(systemClock);
  ({ source, replica } = pair.bench);
  makeMailbox(source, INBOX, { messages: 4 });
  await pair.ship();
  const foreign = addMessage(join(replica, INBOX), { seed: 90 });
  addMessage(join(source, INBOX), { seed: 91 });
  await pair.capture();
  await pair.trimAll();
  const run = pair.start();
  const stop = new AbortController();
  const capturing = pair.captureOn(stop.signal);
  await run.untilAcked(pair.sourceReader.lastLsn());
  stop.abort();
  await capturing;
  // The source's message has a new UID: what says so is in the log, or comes into it now.
  await run.untilAcked(await pair.capture());
  expect(pair.differences).toHaveLength(1);
  expect(run.conflicts).toHaveLength(1);
  expect(readdirSync(join(replica, INBOX, "cur")).filter((name) => name.startsWith(foreign))).toHaveLength(1);
  expect(pair.sourceReader.rejections()).toStrictEqual([]);
  await run.end();
});

describe("files of the replica without a UID", () => {
  const foreignAt = (run: RealRun, path: string) => run.foreign.get(pair.guidAt(path));

  /** As it is delivered: nobody has numbered it. */
  function deliver(seed: number): string {
    const base = addFile(join(replica, INBOX), { seed });
    const place = join(replica, INBOX, "new", base);
    renameSync(join(replica, INBOX, "cur", `${base}:2,`), place);
    return place;
  }

  test("are told as mail that only it has, and stay as they are", async () => {
    const places = [deliver(90), deliver(91)];
    const uidlist = readFileSync(join(replica, INBOX, "dovecot-uidlist"), "latin1");
    const run = await pair.ship({ mustCompare: true });
    expect([foreignAt(run, INBOX), foreignAt(run, WORK)]).toStrictEqual([2, 0]);
    expect(places.map((place) => existsSync(place))).toStrictEqual([true, true]);
    expect(readFileSync(join(replica, INBOX, "dovecot-uidlist"), "latin1")).toBe(uidlist);
  });

  test("are no foreign mail where they are a message of the source, whose record a crash kept back", async () => {
    const name = `${addMessage(join(source, INBOX), { seed: 30 })}:2,`;
    await pair.capture();
    copyFileSync(join(source, INBOX, "cur", name), join(replica, INBOX, "cur", name));
    deliver(90);
    await pair.trimAll();
    const run = await pair.ship();
    expect([run.compared.length, foreignAt(run, INBOX)]).toStrictEqual([1, 1]);
    expect(readFileSync(join(replica, INBOX, "dovecot-uidlist"), "latin1")).toContain(name.split(":", 1)[0]);
  });

  test("are told also where the mailbox is numbered anew, which takes the UIDs of all mail that is its own", async () => {
    const base = addMessage(join(replica, WORK), { seed: 90 });
    const uidlist = join(replica, WORK, "dovecot-uidlist");
    writeFileSync(uidlist, readFileSync(uidlist, "latin1").replace(/V\d+/, "V1700000123"), "latin1");
    const run = await pair.ship({ mustCompare: true });
    expect(foreignAt(run, WORK)).toBe(1);
    expect(readFileSync(uidlist, "latin1")).not.toContain(base);
    expect(readdirSync(join(replica, WORK, "cur"))).toContain(`${base}:2,`);
  });
});

test("mailboxes that changed places at the source change places on the replica", async () => {
  const parked = join(source, "u1/Maildir/.Parked");
  makeMailbox(source, "u1/Maildir/.Sent", { messages: 5, seed: 60 });
  await pair.ship();
  renameSync(join(source, WORK), parked);
  renameSync(join(source, "u1/Maildir/.Sent"), join(source, WORK));
  renameSync(parked, join(source, "u1/Maildir/.Sent"));
  await pair.capture();
  await pair.trimAll();
  const run = await pair.ship();
  expect(pair.differences).toStrictEqual([]);
  expect([run.bodyBytes, run.rejected]).toStrictEqual([0, []]);
});

test("a mailbox that was numbered anew at the source is numbered anew on the replica", async () => {
  const uidlist = join(source, WORK, "dovecot-uidlist");
  writeFileSync(uidlist, readFileSync(uidlist, "latin1").replace(/V\d+/, "V1700000123"), "latin1");
  await pair.capture();
  await pair.trimAll();
  const run = await pair.ship();
  expect(pair.differences).toStrictEqual([]);
  expect(run.rejected).toStrictEqual([]);
});

test("a mailbox that was numbered anew on the replica is refused by name, until that is accepted", async () => {
  const uidlist = join(replica, WORK, "dovecot-uidlist");
  writeFileSync(uidlist, readFileSync(uidlist, "latin1").replace(/V\d+/, "V1700000123"), "latin1");
  const before = readFileSync(uidlist, "latin1");
  addMessage(join(source, OTHER), { seed: 70 });
  await pair.capture();
  const run = await pair.ship({ mustCompare: true, acceptsUidValidity: "unwritten" });
  expect(run.rejected).toMatchObject([{ path: WORK, code: "uidvalidity-differs" }]);
  expect(readFileSync(uidlist, "latin1")).toBe(before);
  expect(pair.differences.every((words) => words.includes(".Work"))).toBe(true);
  const next = await pair.ship({ mustCompare: true });
  expect([next.rejected, pair.differences]).toStrictEqual([[], []]);
});

test("a replica from which all is gone is not filled unasked", async () => {
  for (const path of readdirSync(replica)) rmSync(join(replica, path), { recursive: true });
  const run = pair.start({ mustCompare: true });
  await expect(run.agentRun).rejects.toMatchObject({ code: "replica-emptied" });
  await run.cut();
  const next = pair.start();
  await expect(next.agentRun).rejects.toMatchObject({ code: "replica-emptied" });
  await next.cut();
  expect(readdirSync(replica)).toStrictEqual([]);
});

test.each([
  ["has mailboxes without end", { standing: () => ({ mailboxes: [], more: true }) }],
  [
    "has messages without end",
    {
      compare: ({ mailbox }: { readonly mailbox: MailboxGuid }) => {
        return {
          kind: "read",
          standing: pair.sourceReader.mailboxByGuid(mailbox),
          told: [],
          messages: [],
          reached: 127,
        };
      },
    },
  ],
] as const)("a replica that %s ends the link, and nothing is offered to it", async (_what, hostile) => {
  Object.assign(pair.store, hostile);
  const run = pair.start({ mustCompare: true });
  await expect(run.agentRun).rejects.toMatchObject({ code: "peer-confused" });
  await run.cut();
  expect(offersOf(run)).toStrictEqual([]);
});
