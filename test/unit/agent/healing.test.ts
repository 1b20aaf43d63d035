/** Mailboxes that were refused, or were changed on the replica, are brought into agreement within the run, over real stores. */
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { FakeClock } from "../../fake-clock.js";
import { addMessage, makeMailbox } from "../../live/twin/small-store.js";
import { turns, until } from "../../turns.js";
import { RealPair, type RealRun } from "./real-pair.js";

const [INBOX, WORK, OTHER] = ["u1/Maildir", "u1/Maildir/.Work", "u2/Maildir"];

let pair: RealPair;
let source: string;
let replica: string;
let run: RealRun;

beforeEach(async () => {
  pair = await RealPair.open();
  ({ source, replica } = pair.bench);
  makeMailbox(source, INBOX, { messages: 4 });
  makeMailbox(source, WORK, { messages: 3, seed: 10 });
  makeMailbox(source, OTHER, { messages: 2, seed: 20 });
  await pair.ship();
});

afterEach(async () => {
  await run.end();
  await pair[Symbol.asyncDispose]();
});

const rejections = () => pair.sourceReader.rejections();
const clock = () => pair.clock as FakeClock;

async function untilEqual(): Promise<void> {
  await until(() => rejections().length === 0 && pair.differences.length === 0, "both are equal");
}

describe("a mailbox that is refused", () => {
  /** No uidlist of the replica's INBOX can be read. */
  let uidlist: string;
  let whole: string;

  beforeEach(async () => {
    run = pair.start();
    await run.untilAcked(pair.sourceReader.lastLsn());
    uidlist = join(replica, INBOX, "dovecot-uidlist");
    whole = readFileSync(uidlist, "latin1");
    writeFileSync(uidlist, `${whole}no record\n`, "latin1");
    addMessage(join(source, INBOX), { seed: 30 });
    addMessage(join(source, WORK), { seed: 31 });
    await run.untilAcked(await pair.capture());
    await until(() => run.rejected.length > 0, "it is refused");
  });

  test("heals in the run once its cause is gone, though the log is trimmed, and others flow meanwhile", async () => {
    expect(rejections()).toMatchObject([{ mailbox: pair.guidAt(INBOX), code: "uidlist-damaged" }]);
    expect(run.agent.trimmableLsn).toBe(pair.sourceReader.lastLsn());
    await pair.trimAll();
    for (let round = 0; round < 3; round++) {
      addMessage(join(source, INBOX), { seed: 40 + round });
      addMessage(join(source, OTHER), { seed: 50 + round });
      await run.untilAcked(await pair.capture());
      await clock().advance(5_000);
      await turns(200);
    }
    expect(rejections()).toMatchObject([{ mailbox: pair.guidAt(INBOX) }]);
    expect(rejections()[0]?.attempts).toBeGreaterThan(1);
    expect(pair.differences.every((words) => !words.includes(OTHER))).toBe(true);
    writeFileSync(uidlist, whole, "latin1");
    await clock().advance(300_000);
    await untilEqual();
    // In its turn again.
    addMessage(join(source, INBOX), { seed: 60 });
    await run.untilAcked(await pair.capture());
    expect(pair.differences).toStrictEqual([]);
  });

  test("waits longer from try to try, and not at all when it is asked for", async () => {
    const tries = () => run.sent.filter((it) => it.kind === "request" && it.ask.kind === "compare").length;
    const triesAfter = async (ms: number) => {
      const before = tries();
      await clock().advance(ms);
      await turns(200);
      return tries() - before;
    };
    expect(await triesAfter(400)).toBe(0);
    expect(await triesAfter(200)).toBe(1); // the first after 0.5 s: the jitter takes half of 1 s away.
    expect(await triesAfter(900)).toBe(0);
    expect(await triesAfter(200)).toBe(1);
    writeFileSync(uidlist, whole, "latin1");
    expect(run.agent.retry(pair.guidAt(INBOX))).toBe(true);
    await untilEqual();
    expect(run.agent.retry(pair.guidAt(INBOX))).toBe(false);
  });

  test("is mended by the next run, too, be it one that compares but does not heal, and the log trimmed", async () => {
    await run.end();
    writeFileSync(uidlist, whole, "latin1");
    await pair.trimAll();
    run = pair.start({ heals: false });
    await run.untilAcked(pair.sourceReader.lastLsn());
    expect([rejections(), pair.differences]).toStrictEqual([[], []]);
  });

  test("is a problem of a run that does not heal, which ends all the same", async () => {
    await run.end();
    run = pair.start({ heals: false, compares: false, asksStanding: false });
    await run.untilAcked(await pair.capture());
    expect(rejections()).toHaveLength(1);
  });
});

describe("a log that is trimmed between a look at it and the next", () => {
  /** Nobody was told that the transaction which was refused is not there any more. */
  function trimSilently(): void {
    const [row] = rejections();
    const { sourceReader } = pair;
    const { entriesAfter } = sourceReader;
    vi.spyOn(sourceReader, "entriesAfter").mockImplementation((lsn, bytesMax) => {
      const entries = entriesAfter.call(sourceReader, lsn, bytesMax);
      return entries.filter((entry) => entry.lsn !== row?.lsn);
    });
  }

  /** INBOX was refused, and would not be any more. */
  beforeEach(async () => {
    run = pair.start();
    await run.untilAcked(pair.sourceReader.lastLsn());
    const uidlist = join(replica, INBOX, "dovecot-uidlist");
    const whole = readFileSync(uidlist, "latin1");
    writeFileSync(uidlist, `${whole}no record\n`, "latin1");
    addMessage(join(source, INBOX), { seed: 30 });
    await run.untilAcked(await pair.capture());
    await until(() => run.rejected.length > 0, "it is refused");
    addMessage(join(source, WORK), { seed: 31 });
    await run.untilAcked(await pair.capture());
    writeFileSync(uidlist, whole, "latin1");
    trimSilently();
  });

  test("has the mailbox compared", async () => {
    expect(run.agent.retry(pair.guidAt(INBOX))).toBe(true);
    await untilEqual();
  });

  test("leaves the rejection to another run, where this one cannot compare", async () => {
    await run.end();
    const before = rejections();
    expect(before).toMatchObject([{ mailbox: pair.guidAt(INBOX) }]);
    run = pair.start({ heals: false, compares: false, asksStanding: false });
    await run.untilAcked(pair.sourceReader.lastLsn());
    expect(rejections()).toStrictEqual(before);
  });
});

describe("what was changed on the replica", () => {
  test.each([
    ["a mailbox that was renamed", () => renameSync(join(replica, WORK), join(replica, "u1/Maildir/.Mine"))],
    ["a mailbox that was removed", () => rmSync(join(replica, WORK), { recursive: true })],
    ["a mailbox that was put back from a backup", () => putBack(join(replica, WORK))],
  ])("%s is as at the source again when a session has begun, without any change there", async (_what, change) => {
    const row = pair.replicaReader.mailboxByGuid(pair.guidAt(WORK));
    change();
    expect(pair.differences).not.toStrictEqual([]);
    pair.reopenReplica();
    run = pair.start();
    await run.untilAcked(pair.sourceReader.lastLsn());
    await untilEqual();
    expect(run.rejected).toStrictEqual([]);
    expect(pair.replicaReader.mailboxByGuid(pair.guidAt(WORK))).toMatchObject({ path: row?.path, messages: 3 });
    expect(existsSync(join(replica, "u1/Maildir/.Mine"))).toBe(false);
  });

  test("a mailbox that is deleted at the source meanwhile goes, whatever became of it", async () => {
    renameSync(join(replica, WORK), join(replica, "u1/Maildir/.Mine"));
    rmSync(join(source, WORK), { recursive: true });
    pair.reopenReplica();
    run = pair.start();
    await run.untilAcked(await pair.capture());
    await until(() => clock().timerCount > 0, "it is looked at again");
    await clock().advance(50);
    await untilEqual();
    expect(pair.replicaReader.mailboxes()).toHaveLength(2);
  });

  test("a link that is cut in the middle leaves word of what is to be compared", async () => {
    rmSync(join(replica, WORK), { recursive: true });
    const guid = pair.guidAt(WORK);
    pair.reopenReplica();
    const cut = pair.start();
    cut.onSend = ({ kind }) => {
      if (kind === "bodies") void cut.cut();
    };
    await cut.agentRun.catch(() => undefined);
    await cut.cut();
    expect(rejections()).toMatchObject([{ mailbox: guid, code: "replica-changed" }]);
    // That is what tells the next run, not a look at the replica.
    run = pair.start({ asksStanding: false });
    await run.untilAcked(pair.sourceReader.lastLsn());
    await untilEqual();
    expect(pair.replicaReader.mailboxByGuid(guid)?.messages).toBe(3);
  });

  /** The last message of the mailbox was delivered after that backup. */
  function putBack(dir: string): void {
    const uidlist = join(dir, "dovecot-uidlist");
    const lines = readFileSync(uidlist, "latin1").trimEnd().split("\n");
    const last = lines.pop() ?? "";
    const base = last.split(":")[1] ?? "";
    const text = `${lines.join("\n").replace(/ N\d+/, " N3")}\n`;
    writeFileSync(uidlist, text, "latin1");
    for (const flags of ["", "S"]) rmSync(join(dir, "cur", `${base}:2,${flags}`), { force: true });
  }
});

describe("by hand", () => {
  beforeEach(async () => {
    run = pair.start();
    await run.untilAcked(await pair.capture());
  });

  test("one mailbox is compared, and what differs there is mended", async () => {
    rmSync(join(replica, WORK), { recursive: true });
    expect(await run.agent.resync(pair.guidAt(WORK))).toBe(true);
    expect(rejections()).toMatchObject([{ code: "resync-asked", mailbox: pair.guidAt(WORK) }]);
    await untilEqual();
  });

  /** Nothing that is sent shows it. */
  function flagBehindOurBack(): void {
    const cur = join(replica, WORK, "cur");
    const base = readdirSync(cur).sort()[0]?.split(":", 1)[0];
    renameSync(join(cur, readdirSync(cur).sort()[0] ?? ""), join(cur, `${base}:2,FT`));
    expect(pair.differences).not.toStrictEqual([]);
  }

  async function sendOne(seed: number): Promise<void> {
    addMessage(join(source, WORK), { seed });
    await pair.capture();
    run.agent.wake();
    await until(() => run.agent.owed === "outcome", "it is on its way");
  }

  const comparisons = () => run.sent.filter((it) => it.kind === "request" && it.ask.kind === "compare").length;

  test("one mailbox of which something is on its way is compared when that is applied", async () => {
    flagBehindOurBack();
    await sendOne(80);
    expect(await run.agent.resync(pair.guidAt(WORK))).toBe(true);
    await untilEqual();
    expect(comparisons()).toBe(1);
  });

  test("one mailbox of which something is on its way is compared when that is refused", async () => {
    const uidlist = join(replica, WORK, "dovecot-uidlist");
    const whole = readFileSync(uidlist, "latin1");
    flagBehindOurBack();
    writeFileSync(uidlist, `${whole}no record\n`, "latin1");
    const written = vi.spyOn(pair.sourceWriter, "putRejection");
    let asked: Promise<boolean> | undefined;
    run.onSend = ({ kind }) => {
      if (kind === "offer") asked ??= run.agent.resync(pair.guidAt(WORK));
    };
    await sendOne(81);
    expect(await asked).toBe(true);
    await until(() => comparisons() === 1, "it is compared");
    await turns(200);
    const message = expect.stringContaining("is damaged in line 5");
    expect(rejections()).toMatchObject([{ mailbox: pair.guidAt(WORK), message }]);
    // A run that is cut off at any time leaves a mailbox that has to be compared.
    expect(written.mock.calls.filter(([row]) => row.lsn > 0)).toStrictEqual([]);
    writeFileSync(uidlist, whole, "latin1");
    await clock().advance(5_000);
    await untilEqual();
  });

  test("one mailbox is compared once more where that is asked for while it is, and at once", async () => {
    const asked = run.agent.resync(pair.guidAt(WORK));
    await until(() => comparisons() === 1, "it is being compared");
    expect(await Promise.all([asked, run.agent.resync(pair.guidAt(WORK))])).toStrictEqual([true, true]);
    await untilEqual();
    expect(comparisons()).toBe(2);
  });

  test("what only the replica has is counted, and stays; what the source has too is none of it", async () => {
    const [inbox, folder] = [pair.guidAt(INBOX), pair.guidAt(WORK)];
    await run.agent.resync("all");
    await until(() => run.compared.length === 1, "all is compared");
    expect([run.foreign.get(inbox), run.foreign.get(folder)]).toStrictEqual([0, 0]);
    for (const seed of [90, 91]) addMessage(join(replica, WORK), { seed });
    await run.agent.resync("all");
    await until(() => run.compared.length === 2, "all is compared again");
    expect([run.foreign.get(inbox), run.foreign.get(folder)]).toStrictEqual([0, 2]);
    const there = readFileSync(join(replica, WORK, "dovecot-uidlist"), "utf8");
    expect(there.split("\n").filter((line) => line.includes(" :"))).toHaveLength(5);
  });

  test("one that nobody has is not compared", async () => {
    const nobody = "f".repeat(32) as unknown as Parameters<typeof run.agent.resync>[0];
    expect(await run.agent.resync(nobody)).toBe(false);
  });

  test("the whole store is compared while mail goes on", async () => {
    rmSync(join(replica, WORK), { recursive: true });
    await run.agent.resync("all");
    addMessage(join(source, OTHER), { seed: 70 });
    const lsn = await pair.capture();
    await until(() => run.compared.length === 1, "it is compared");
    await run.untilAcked(lsn);
    await untilEqual();
    expect(pair.replicaReader.appliedLsn(pair.sourceReader.meta("log-id") ?? "")).toBe(lsn);
    addMessage(join(source, OTHER), { seed: 71 });
    await run.untilAcked(await pair.capture());
    expect(pair.differences).toStrictEqual([]);
  });
});
