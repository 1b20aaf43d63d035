/** Mail of the source that something writes into while it is on its way, over real stores: it comes as it stands, and keeps nobody waiting. */
import { appendFileSync, readdirSync, readFileSync, statSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { FakeClock } from "../../fake-clock.js";
import { addMessage, makeMailbox } from "../../live/twin/small-store.js";
import { turns, until } from "../../turns.js";
import { RealPair, type RealRun } from "./real-pair.js";

const [INBOX, OTHER] = ["u1/Maildir", "u2/Maildir"];
/** As a `sync` of two directories: nothing is compared that the log leads on from, and nothing tried again within the run. */
const AS_SYNC = { compares: false, heals: false, asksStanding: false };

let pair: RealPair;
let run: RealRun;
let base: string;
let file: string;

beforeEach(async () => {
  pair = await RealPair.open();
  makeMailbox(pair.bench.source, INBOX, { messages: 4 });
  makeMailbox(pair.bench.source, OTHER, { messages: 2, seed: 20 });
  const cur = join(pair.bench.source, INBOX, "cur");
  [base = ""] = readdirSync(cur).sort();
  file = join(cur, base);
  base = base.split(":")[0] ?? "";
});

afterEach(async () => {
  await run.end();
  await pair[Symbol.asyncDispose]();
});

const rejections = () => pair.sourceReader.rejections();
const replicated = () => readFileSync(join(pair.bench.replica, INBOX, "cur", file.slice(file.lastIndexOf("/") + 1)));

async function expectEqual(): Promise<void> {
  await until(() => rejections().length === 0 && pair.differences.length === 0, "both are equal");
  expect(replicated().equals(readFileSync(file))).toBe(true);
}

/** It grows each time that its mailbox is compared, or sent, and before its body is read. */
function growOn(growing: RealRun): { stop(): void } {
  let isOn = true;
  growing.onSend = (message) => {
    if (isOn && message.kind === "offer") appendFileSync(file, "more\n");
  };
  return {
    stop() {
      isOn = false;
    },
  };
}

describe("a file that is not what was captured when its body is asked for", () => {
  test.each([
    ["has grown", () => appendFileSync(file, "more\n")],
    ["was cut", () => truncateSync(file, 10)],
    ["has grown above what is read at once", () => appendFileSync(file, "x".repeat(3_000_000))],
  ])("and %s comes as it stands, within the run of a sync", async (_, change) => {
    const lsn = await pair.capture();
    change();
    run = pair.start(AS_SYNC);
    await run.untilAcked(lsn);
    await run.untilAcked(pair.sourceReader.lastLsn());
    await expectEqual();
    expect(run.rejected.map(({ code }) => code)).toEqual(["body-changed"]);
    expect(run.mended).toHaveLength(1);
  });

  test("was large, and is another one now", async () => {
    writeFileSync(file, "y".repeat(3_000_000));
    const lsn = await pair.capture();
    appendFileSync(file, "more\n");
    run = pair.start(AS_SYNC);
    await run.untilAcked(lsn);
    await expectEqual();
  });

  test("and was dated anew: the date comes after the body, and nothing is refused", async () => {
    const lsn = await pair.capture();
    utimesSync(file, 1_234_567, 1_234_567);
    run = pair.start(AS_SYNC);
    await run.untilAcked(lsn);
    await run.untilAcked(pair.sourceReader.lastLsn());
    await expectEqual();
    expect([run.rejected, pair.sourceReader.lastLsn()]).toEqual([[], lsn + 1]);
  });

  test("is not blamed where nothing changed: no body is sent twice, and nothing is looked at", async () => {
    const lsn = await pair.capture();
    run = pair.start(AS_SYNC);
    await run.untilAcked(lsn);
    expect([run.rejected, pair.sourceReader.lastLsn()]).toEqual([[], lsn]);
    await expectEqual();
  });

  test("and was refused by an earlier version again and again goes on", async () => {
    const lsn = await pair.capture();
    run = pair.start(AS_SYNC);
    growOn(run);
    await run.untilAcked(lsn);
    await run.end();
    const [row] = rejections();
    const sent = pair.sourceReader.entriesAfter(0, 1_000_000).find(({ mailbox }) => mailbox === row?.mailbox);
    if (row === undefined || sent === undefined) throw new Error("it was sent, and refused");
    await pair.sourceWriter.putRejection({ ...row, lsn: sent.lsn, code: "body-mismatch" });
    appendFileSync(file, "more\n");
    run = pair.start(AS_SYNC);
    await run.untilAcked(pair.sourceReader.lastLsn());
    await expectEqual();
  });
});

describe("a file that goes on growing", () => {
  test("holds back its mailbox, which says who it is, and no other; the next run has it once it stands still", async () => {
    const lsn = await pair.capture();
    run = pair.start(AS_SYNC);
    const growing = growOn(run);
    await run.untilAcked(lsn);
    expect(rejections()).toMatchObject([{ mailbox: pair.guidAt(INBOX), code: "body-changed" }]);
    const [row] = rejections();
    expect(row?.lsn).toBeLessThan(1);
    expect(row?.message).toMatch(
      /^the file of UID 1 \([^)]+\) is not what was captured \([\d,]+ bytes\): it was looked at again, and is sent as it stands$/,
    );
    expect(row?.message).toContain(base);
    expect(pair.differences.every((words) => !words.includes(OTHER))).toBe(true);
    await run.end();
    growing.stop();
    addMessage(join(pair.bench.source, INBOX), { seed: 40 });
    const next = await pair.capture();
    run = pair.start({ ...AS_SYNC, compares: true }); // as a sync whose state has such a row.
    await run.untilAcked(next);
    await expectEqual();
  });

  test("is tried again by itself where a run heals, later each time", async () => {
    const lsn = await pair.capture();
    run = pair.start();
    const growing = growOn(run);
    await run.untilAcked(lsn);
    await until(() => rejections().length > 0 && !run.agent.isMending, "it is given up for now");
    growing.stop();
    await turns();
    expect(rejections()).toMatchObject([{ code: "body-changed" }]); // no time has passed.
    await (pair.clock as FakeClock).advance(300_000);
    await expectEqual();
  });
});

describe("where another replica may have the bytes as they were", () => {
  beforeEach(async () => {
    for (const name of ["far", "near"]) await pair.sourceWriter.addReplica(name, 1);
  });

  test("they are left for a person to judge, and nothing is logged", async () => {
    const lsn = await pair.capture();
    const { size } = statSync(file);
    pair.notes = { known: async (_, names) => names.map(() => ({ sha256: "00".repeat(32), size })) };
    truncateSync(file, 10);
    run = pair.start(AS_SYNC);
    await run.untilAcked(lsn);
    expect(rejections()).toMatchObject([{ mailbox: pair.guidAt(INBOX), code: "bodies-differ" }]);
    expect(rejections()[0]?.message).toMatch(
      /^the file of UID 1 .*, and another replica may have its bytes as they were$/,
    );
    expect(pair.sourceReader.lastLsn()).toBe(lsn);
  });

  test("but not where nobody has read them so", async () => {
    const lsn = await pair.capture();
    pair.notes = { known: async (_, names) => names.map(() => ({ sha256: "00".repeat(32), size: 1 })) };
    truncateSync(file, 10);
    run = pair.start(AS_SYNC);
    await run.untilAcked(lsn);
    await expectEqual();
  });
});
