/**
 * What a comparison would do, told and not done: over real stores, kind by kind, each against the comparison that then is made. Mailboxes
 * are held back at the source, so that the log does not bring what is to be found.
 */
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { PlannedMailbox, StepKind } from "../../../src/agent/planned-mailbox.js";
import { systemClock } from "../../../src/base/clock.js";
import { Gate } from "../../../src/base/gate.js";
import type { MailboxGuid } from "../../../src/maildir/ids.js";
import { until } from "../../live/lab/until.js";
import { contentsOf } from "../../live/twin/contents.js";
import { addMessage, makeMailbox } from "../../live/twin/small-store.js";
import { REPLICA, RealPair, type RealRun } from "./real-pair.js";
import { rowsIn } from "./state-rows.js";

const INBOX = "u1/Maildir";
const WORK = "u1/Maildir/.Work";
const OTHER = "u2/Maildir";
const never = new AbortController().signal;

let pair: RealPair;
let run: RealRun | undefined;

beforeEach(async () => {
  pair = await RealPair.open(systemClock);
  makeMailbox(pair.bench.source, INBOX, { messages: 4 });
  makeMailbox(pair.bench.source, WORK, { messages: 3, seed: 10 });
  makeMailbox(pair.bench.source, OTHER, { messages: 2, seed: 20 });
  await pair.ship();
});

afterEach(async () => {
  await run?.end();
  run = undefined;
  await pair[Symbol.asyncDispose]();
});

const dirOf = (side: "source" | "replica", mailbox: string) => join(pair.bench[side], mailbox);
const uidlistOf = (side: "source" | "replica", mailbox: string) => join(dirOf(side, mailbox), "dovecot-uidlist");
const linesOf = (path: string) => readFileSync(path, "latin1").trimEnd().split("\n");

/** The file of a UID in cur/, by its name. */
function fileOf(side: "source" | "replica", mailbox: string, uid: number): string {
  const [, ...records] = linesOf(uidlistOf(side, mailbox));
  const record = records.find((line) => line.startsWith(`${uid} `)) ?? "";
  const base = record.slice(record.indexOf(" :") + 2);
  const cur = join(dirOf(side, mailbox), "cur");
  const name = readdirSync(cur).find((each) => each.split(":")[0] === base);
  if (name === undefined) throw new Error(`no file of UID ${uid}`);
  return join(cur, name);
}

function rewrite(path: string, change: (lines: string[]) => readonly string[]): void {
  writeFileSync(`${path}.new`, `${change(linesOf(path)).join("\n")}\n`, "latin1");
  renameSync(`${path}.new`, path);
}

/** Without its record either: as Dovecot expunges. */
function expunge(side: "source" | "replica", mailbox: string, uid: number): void {
  rmSync(fileOf(side, mailbox, uid));
  rewrite(uidlistOf(side, mailbox), (lines) => lines.filter((line) => !line.startsWith(`${uid} `)));
}

/** Whatever the source has of it from here on, the log does not bring it. */
async function hold(...mailboxes: readonly string[]): Promise<void> {
  let lsn = -2;
  for (const path of mailboxes) {
    const mailbox = pair.guidAt(path);
    const times = { attempts: 1, firstMs: 1, lastMs: 1 };
    const row = { replica: REPLICA, lsn, mailbox, path: path as never, code: "resync-asked", message: "x", ...times };
    await pair.sourceWriter.putRejection(row);
    lsn -= 2;
  }
}

function everything(): readonly unknown[] {
  const { bench } = pair;
  const databases = ["source.db", "replica.db"].map((name) => rowsIn(join(bench.state, name)));
  return [contentsOf(bench.source), contentsOf(bench.replica), contentsOf(join(bench.dir, "scratch")), databases];
}

/** All is captured; then it is planned, and nothing is written anywhere. */
async function plan(wish: "all" | readonly string[] = "all"): Promise<ReadonlyMap<string, PlannedMailbox>> {
  const lsn = await pair.capture();
  run = pair.start({ compares: false, heals: false, asksStanding: false });
  await run.untilAcked(lsn);
  await pair.sourceWriter.setCursor(REPLICA, lsn); // in the agent's own time it comes a moment later.
  const before = everything();
  const offers = () => run?.sent.filter(({ kind }) => kind !== "request").length;
  const [sent, planned] = [offers(), [] as PlannedMailbox[]];
  const guids = wish === "all" ? wish : new Set(wish.map((path): MailboxGuid => pair.guidAt(path)));
  expect(await run.agent.plan(guids, (each) => planned.push(each), never)).toBe(true);
  expect([everything(), offers()]).toStrictEqual([before, sent]);
  await run.end();
  run = undefined;
  expect(planned.filter(({ changing }) => changing)).toStrictEqual([]);
  return new Map(planned.map((each) => [each.path, each]));
}

const countsOf = (planned: PlannedMailbox | undefined) =>
  Object.fromEntries((planned?.groups ?? []).map(({ kind, count }) => [kind, count])) as Partial<
    Record<StepKind, number>
  >;
const stepsOf = (planned: PlannedMailbox | undefined) => planned?.groups.flatMap(({ first }) => first) ?? [];

/** What it says is done: by a comparison of all, after which there is nothing more to be planned but what stays. */
async function mend(): Promise<RealRun> {
  const stop = new AbortController();
  const lsn = await pair.capture();
  const capturing = pair.captureOn(stop.signal); // what cannot have its UID gets another one at the source.
  const mending = pair.start();
  run = mending;
  await mending.untilAcked(lsn);
  await mending.agent.resync("all");
  await until("all is compared", () => {
    mending.agent.wake(); // as whoever captures does.
    return mending.compared.length > 0 && pair.sourceReader.rejections().length === 0;
  });
  stop.abort();
  await capturing;
  await mending.end();
  const left = [...(await plan()).values()].flatMap(({ groups, failure }) => [
    ...groups.map(({ kind }) => kind),
    failure?.code,
  ]);
  expect(left.filter((each) => each !== undefined && each !== "keep" && each !== "keep-files")).toStrictEqual([]);
  return mending;
}

describe("of a pair that is equal", () => {
  test("nothing, for each mailbox", async () => {
    const planned = await plan();
    expect([...planned.keys()].sort()).toStrictEqual([INBOX, WORK, OTHER]);
    expect([...planned.values()].map(({ groups, failure }) => [groups, failure])).toStrictEqual([
      ...Array.from({ length: 3 }, () => [[], undefined]),
    ]);
    expect(planned.get(INBOX)?.messages).toBe(4);
  });

  test("only what is asked for is looked at", async () => {
    expect([...(await plan([WORK])).keys()]).toStrictEqual([WORK]);
  });
});

test("flags, a date and a size that are others", async () => {
  const flagged = fileOf("replica", INBOX, 1);
  renameSync(flagged, `${flagged}F`);
  utimesSync(fileOf("replica", INBOX, 2), 1_000_000_000, 1_000_000_000);
  appendFileSync(fileOf("replica", WORK, 1), "more\n");
  const { size } = statSync(fileOf("source", WORK, 1));
  const planned = await plan();
  expect(countsOf(planned.get(INBOX))).toStrictEqual({ marks: 1, rebind: 1 });
  expect(stepsOf(planned.get(INBOX))).toMatchObject([
    { kind: "marks", uid: 1, before: { flags: 2 }, after: { flags: 0 } },
    { kind: "rebind", uid: 2, fromUid: 2, before: { mtimeS: 1_000_000_000 } },
  ]);
  expect(stepsOf(planned.get(WORK))).toMatchObject([
    { kind: "rebind", uid: 1, before: { size: size + 5 }, after: { size } },
  ]);
  expect(planned.get(OTHER)?.groups).toStrictEqual([]);
  const { bodyBytes, shipped } = await mend();
  expect([bodyBytes, shipped.flatMap(({ transaction }) => transaction.changes).length]).toStrictEqual([size, 3]);
  expect(pair.differences).toStrictEqual([]);
});

test("what the replica lacks, and what the source has expunged meanwhile", async () => {
  await hold(INBOX);
  expunge("source", INBOX, 2);
  addMessage(dirOf("source", INBOX), { seed: 50, bytes: 900 });
  addMessage(dirOf("source", INBOX), { seed: 51, bytes: 1_100 });
  const gone = fileOf("replica", INBOX, 2);
  const sizeOf = (uid: number) => statSync(fileOf("source", INBOX, uid)).size;
  const planned = await plan();
  expect(countsOf(planned.get(INBOX))).toStrictEqual({ remove: 1, add: 2 });
  expect(stepsOf(planned.get(INBOX))).toMatchObject([
    { kind: "remove", uid: 2, base: expect.stringMatching(/^1/) },
    { kind: "add", uid: 5, size: sizeOf(5) },
    { kind: "add", uid: 6, size: sizeOf(6) },
  ]);
  expect(planned.get(INBOX)?.groups.map(({ bytes }) => bytes)).toStrictEqual([0, sizeOf(5) + sizeOf(6)]);
  await mend();
  expect(pair.differences).toStrictEqual([]);
  expect(pair.replicaReader.limbo().map(({ uid, base }) => [uid, base])).toStrictEqual([
    [2, gone.slice(dirname(gone).length + 1).split(":")[0]],
  ]);
});

test("gone on both sides: forgotten, and not said to be removed", async () => {
  await hold(INBOX);
  expunge("source", INBOX, 2);
  expunge("replica", INBOX, 2);
  expect(countsOf((await plan()).get(INBOX))).toStrictEqual({ forget: 1 });
  await mend();
  expect(pair.replicaReader.limbo()).toStrictEqual([]);
});

test("a UID that the replica has passed, or given to another: new ones on both sides", async () => {
  rmSync(fileOf("replica", INBOX, 2));
  const [one, two] = [1, 2].map((uid) => fileOf("replica", WORK, uid).split("/").at(-1)?.split(":")[0] ?? "");
  rewrite(uidlistOf("replica", WORK), (lines) =>
    lines.map((line) => {
      if (line.startsWith("1 ")) return line.replace(one ?? "", two ?? "");
      return line.startsWith("2 ") ? line.replace(two ?? "", one ?? "") : line;
    }),
  );
  const planned = await plan();
  expect(countsOf(planned.get(INBOX))).toStrictEqual({ "new-uid": 1 });
  expect(stepsOf(planned.get(INBOX))).toMatchObject([{ uid: 2, found: undefined }]);
  expect(countsOf(planned.get(WORK))).toStrictEqual({ "new-uid": 2 });
  expect(stepsOf(planned.get(WORK))).toMatchObject([
    { uid: 1, found: two },
    { uid: 2, found: one },
  ]);
  const { conflicts } = await mend();
  expect(conflicts).toHaveLength(2);
  expect(linesOf(uidlistOf("source", INBOX)).filter((line) => line.startsWith("2 "))).toStrictEqual([]);
});

describe("mail of the replica's own", () => {
  test("stays, with a UID and without", async () => {
    const base = addMessage(dirOf("replica", INBOX), { seed: 70 });
    writeFileSync(join(dirOf("replica", WORK), "new", "1700000000.M1P1.elsewhere"), "x\n");
    const planned = await plan();
    const raise = { kind: "raise", before: 5, after: 6 };
    expect(stepsOf(planned.get(INBOX))).toStrictEqual([raise, { kind: "keep", uid: 5, base }]);
    expect(countsOf(planned.get(WORK))).toStrictEqual({ "keep-files": 1 });
    const { shipped } = await mend();
    expect(shipped).toMatchObject([{ transaction: { mailbox: pair.guidAt(INBOX), uidNext: 6, changes: [] } }]);
  });

  test("under the UID of a new message of the source's", async () => {
    await hold(INBOX);
    addMessage(dirOf("source", INBOX), { seed: 71 });
    const base = addMessage(dirOf("replica", INBOX), { seed: 70 });
    expect(stepsOf((await plan()).get(INBOX))).toMatchObject([{ kind: "new-uid", uid: 5, found: base }]);
    expect((await mend()).conflicts).toHaveLength(1);
  });

  test("that the source has, too, is counted as replicated, without a body", async () => {
    await hold(INBOX);
    addMessage(dirOf("source", INBOX), { seed: 72 });
    const file = fileOf("source", INBOX, 5);
    const copy = join(dirOf("replica", INBOX), "cur", file.slice(dirname(file).length + 1));
    writeFileSync(copy, readFileSync(file));
    utimesSync(copy, 1_500_000_000 + 72 * 60, 1_500_000_000 + 72 * 60);
    appendFileSync(uidlistOf("replica", INBOX), `${linesOf(uidlistOf("source", INBOX)).at(-1)}\n`);
    expect(countsOf((await plan()).get(INBOX))).toStrictEqual({ adopt: 1 });
    expect((await mend()).bodyBytes).toBe(0);
    expect(pair.differences).toStrictEqual([]);
  });
});

describe("mailboxes as a whole", () => {
  test("gone from the replica, and renamed there", async () => {
    rmSync(dirOf("replica", OTHER), { recursive: true });
    renameSync(dirOf("replica", WORK), dirOf("replica", `${INBOX}/.Job`));
    const planned = await plan();
    expect(stepsOf(planned.get(OTHER))).toMatchObject([
      { kind: "make", isGone: true },
      { kind: "add", uid: 1 },
      { kind: "add", uid: 2 },
    ]);
    expect(stepsOf(planned.get(WORK))).toMatchObject([{ kind: "rename", from: `${INBOX}/.Job`, changesPlaces: false }]);
    const { shipped } = await mend();
    expect(pair.differences).toStrictEqual([]);
    expect(shipped.length).toBeGreaterThan(0);
  });

  test("new at the source, and another one stands there", async () => {
    makeMailbox(dirOf("source", INBOX), ".New", { messages: 1, seed: 30 });
    makeMailbox(dirOf("replica", INBOX), ".New", { messages: 1, seed: 31 });
    await pair.capture();
    await hold(`${INBOX}/.New`);
    const planned = (await plan()).get(`${INBOX}/.New`);
    expect(countsOf(planned)).toStrictEqual({ make: 1, occupied: 1, add: 1 });
    expect(stepsOf(planned)[0]).toStrictEqual({ kind: "make", isGone: false });
  });

  test("that the source has deleted, whole and with mail of the replica's own", async () => {
    await hold(WORK, OTHER);
    addMessage(dirOf("replica", OTHER), { seed: 80 });
    for (const mailbox of [WORK, OTHER]) rmSync(dirOf("source", mailbox), { recursive: true });
    const planned = await plan();
    expect(stepsOf(planned.get(WORK))).toStrictEqual([{ kind: "delete", messages: 3 }]);
    expect(stepsOf(planned.get(OTHER))).toStrictEqual([{ kind: "keep-mailbox", messages: 3, own: 1 }]);
    expect(planned.get(INBOX)?.groups).toStrictEqual([]);
    run = pair.start();
    await run.untilAcked(await pair.capture());
    const isRefused = () => pair.sourceReader.rejections().every(({ code }) => code === "foreign-mail");
    await until("one to be refused", isRefused);
    expect(pair.sourceReader.rejections().map(({ path }) => path)).toStrictEqual([OTHER]);
    expect(pair.replicaReader.limbo().map(({ uid }) => uid)).toStrictEqual([0]);
  });

  test("gone on both sides", async () => {
    await hold(WORK);
    for (const side of ["source", "replica"] as const) rmSync(dirOf(side, WORK), { recursive: true });
    expect(stepsOf((await plan()).get(WORK))).toStrictEqual([{ kind: "forget-mailbox" }]);
    await mend();
  });

  test("numbered anew at the source", async () => {
    await hold(WORK);
    const header = linesOf(uidlistOf("source", WORK))[0] ?? "";
    const before = Number(/V(\d+)/.exec(header)?.[1]);
    rewrite(uidlistOf("source", WORK), (lines) => lines.map((line) => line.replace(/V(\d+)/, `V${before + 1}`)));
    addMessage(dirOf("replica", WORK), { seed: 90 });
    const planned = (await plan()).get(WORK);
    expect(stepsOf(planned)).toStrictEqual([
      { kind: "renumber", before, after: before + 1, messages: 3 },
      { kind: "keep-files" },
    ]);
    await mend();
  });

  test("another next UID, and nothing else", async () => {
    await hold(WORK);
    rewrite(uidlistOf("source", WORK), (lines) => lines.map((line) => line.replace(/ N\d+/, " N77")));
    expect(stepsOf((await plan()).get(WORK))).toStrictEqual([{ kind: "next-uid", before: 4, after: 77 }]);
    await mend();
    expect(linesOf(uidlistOf("replica", WORK))[0]).toContain(" N77 ");
  });
});

test("one that cannot be read is told with its cause, and stays the only one", async () => {
  appendFileSync(uidlistOf("replica", WORK), "no record\n");
  rmSync(dirOf("source", OTHER), { recursive: true }); // it is not looked for: that would be a look at the store.
  const lsn = pair.sourceReader.lastLsn();
  run = pair.start({ compares: false, heals: false, asksStanding: false });
  await run.untilAcked(lsn);
  const planned: PlannedMailbox[] = [];
  await run.agent.plan("all", (each) => planned.push(each), never);
  const failures = new Map(planned.map(({ path, failure }) => [path as string, failure?.code]));
  expect([...failures].sort()).toStrictEqual([
    [INBOX, undefined],
    [WORK, "uidlist-damaged"],
    [OTHER, "mailbox-vanished"],
  ]);
  expect(pair.sourceReader.rejections()).toStrictEqual([]);
});

test("all of the replica gone is an error, not a plan to fill it", async () => {
  rmSync(pair.bench.replica, { recursive: true });
  mkdirSync(pair.bench.replica);
  run = pair.start({ compares: false, heals: false, asksStanding: false });
  await run.untilAcked(pair.sourceReader.lastLsn());
  await expect(run.agent.plan("all", () => undefined, never)).rejects.toMatchObject({
    code: "replica-emptied",
  });
});

test("before the log is sent nothing is told, and a link that ends is said to have ended", async () => {
  const gate = new Gate();
  pair.prepare = (_welcome, signal) => gate.wait(signal);
  run = pair.start({ compares: false, heals: false, asksStanding: false });
  expect(await run.agent.plan("all", () => undefined, never)).toBe(false);
  gate.wake();
  await run.untilAcked(pair.sourceReader.lastLsn());
  await run.cut();
  await expect(run.agent.plan("all", () => undefined, never)).rejects.toMatchObject({ code: "link-closed" });
  run = undefined;
});

test("of many the first are told, and all are counted", async () => {
  await hold(INBOX);
  for (let seed = 100; seed < 150; seed++) addMessage(dirOf("source", INBOX), { seed, bytes: 100 });
  const [group] = (await plan()).get(INBOX)?.groups ?? [];
  expect(group).toMatchObject({ kind: "add", count: 50 });
  expect(group?.first.map((step) => ("uid" in step ? step.uid : 0))).toStrictEqual(
    Array.from({ length: 20 }, (_, i) => i + 5),
  );
});
