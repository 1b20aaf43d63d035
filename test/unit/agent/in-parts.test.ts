/**
 * A transaction whose bodies are more than a replica asks for at a time, as where messages were moved from a folder that it may not have: it is
 * applied in parts, and a line that is cut has no more than one of them sent again. Over real stores.
 */
import { appendFileSync, linkSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { RawPath } from "../../../src/base/raw-name.js";
import { decodeTransaction } from "../../../src/txn/transaction-codec.js";
import type { FakeClock } from "../../fake-clock.js";
import { rawDifferences } from "../../live/twin/raw-compare.js";
import { makeMailbox } from "../../live/twin/small-store.js";
import { until } from "../../turns.js";
import { RealPair, type RealRun } from "./real-pair.js";

const [INBOX, SECRET] = ["u/Maildir", "u/Maildir/.Secret"];
const MESSAGES = 12;
const BYTES = 1000;
const isShared = (path: RawPath): boolean => !path.includes("Secret");

let pair: RealPair;

beforeEach(async () => {
  pair = await RealPair.open();
  makeMailbox(pair.bench.source, INBOX, { messages: 2, seed: 1 });
  makeMailbox(pair.bench.source, SECRET, { messages: MESSAGES, seed: 10, bytes: BYTES });
});

afterEach(() => pair[Symbol.asyncDispose]());

/** As IMAP's MOVE of all: the same files, under new UIDs. What the last transaction says of it. */
async function moveAll(): Promise<{ readonly lsn: number; readonly bytes: number }> {
  const [from, to] = [SECRET, INBOX].map((path) => join(pair.bench.source, path)) as [string, string];
  const names = readdirSync(join(from, "cur")).sort();
  for (const name of names) linkSync(join(from, "cur", name), join(to, "cur", name));
  const uidlist = join(to, "dovecot-uidlist");
  const next = Number(/ N(\d+)/.exec(readFileSync(uidlist, "latin1"))?.[1]);
  appendFileSync(uidlist, names.map((name, i) => `${next + i} :${name.split(":", 1)[0]}\n`).join(""));
  for (const name of names) rmSync(join(from, "cur", name));
  const lsn = await pair.capture();
  const moved = pair.sourceReader.entriesAfter(0, 2 ** 24).map(({ bytes }) => decodeTransaction(bytes));
  const { changes } = moved.find((it) => it.path === INBOX && it.changes.length === MESSAGES) ?? { changes: [] };
  expect(changes.filter((change) => change.kind === "save" && change.origin !== undefined)).toHaveLength(MESSAGES);
  const sizes = changes.map((change) => (change.kind === "save" ? change.message.size : 0));
  return { lsn, bytes: sizes.reduce((sum, size) => sum + size, 0) };
}

/** Also of what did not get through. */
function bodyBytesOf({ sent }: RealRun): number {
  const sizes = sent.flatMap((it) => (it.kind === "bodies" ? it.heads.map(({ size }) => size) : []));
  return sizes.reduce((sum, size) => sum + size, 0);
}

const differences = () =>
  rawDifferences(pair.bench.source, pair.bench.replica)
    .map(({ words }) => words)
    .filter((words) => !words.includes("Secret"));

test("what is applied of it is not sent again, and the end is as if it had come as one", async () => {
  pair.mayHave = isShared;
  pair.limits = { partBytesMax: 4 * BYTES };
  await pair.ship();
  const { lsn, bytes } = await moveAll();
  let sent = 0;
  const offers: number[] = [];
  // Each line is cut after so many messages that bodies came with.
  for (let cutAfter = 1; cutAfter <= 3; cutAfter++) {
    const run = pair.start();
    let batches = 0;
    run.onSend = ({ kind }) => {
      if (kind === "bodies") batches += 1;
      if (batches > cutAfter) void run.cut();
    };
    await Promise.race([run.untilAcked(lsn).catch(() => undefined), run.agentRun.catch(() => undefined)]);
    await run.cut();
    sent += bodyBytesOf(run);
    offers.push(run.sent.filter(({ kind }) => kind === "offer").length);
    pair.reopenReplica();
  }
  const run = await pair.ship();
  sent += bodyBytesOf(run);
  expect(differences()).toEqual([]);
  expect(run.rejected).toEqual([]);
  expect(sent).toBeGreaterThan(bytes); // it was cut in the middle, and
  expect(sent).toBeLessThanOrEqual(bytes + 3 * 4 * BYTES);
  expect(Math.max(...offers)).toBe(1);
});

test("a move of what the replica has comes as one, without a body, however large it is", async () => {
  pair.limits = { partBytesMax: 4 * BYTES };
  await pair.ship();
  const moved = await moveAll();
  const parts: unknown[] = [];
  const prepare = pair.store.prepare.bind(pair.store);
  pair.store.prepare = (request) => {
    const outcome = prepare(request);
    if ("cut" in outcome) parts.push(outcome.cut);
    return outcome;
  };
  const run = pair.start();
  await run.untilAcked(moved.lsn);
  await run.end();
  expect(run.bodyBytes).toBe(0);
  expect(parts).toEqual([]);
  expect(pair.differences).toEqual([]);
});

test("a part that cannot be applied keeps the others from being asked for", async () => {
  pair.mayHave = isShared;
  pair.limits = { partBytesMax: 4 * BYTES };
  await pair.ship();
  const clock = pair.clock as FakeClock;
  const lock = join(pair.bench.replica, INBOX, "dovecot-uidlist.lock");
  const { lsn, bytes } = await moveAll();
  appendFileSync(lock, `${process.pid}:elsewhere`);
  const run = pair.start();
  await until(() => run.bodyBytes > 0, "a part is sent");
  await until(() => clock.timerCount > 0, "it waits for the lock");
  expect(run.bodyBytes).toBeLessThanOrEqual(4 * BYTES);
  renameSync(lock, `${lock}.gone`);
  rmSync(`${lock}.gone`);
  await clock.advance(200);
  await run.untilAcked(lsn);
  expect(run.bodyBytes).toBe(bytes);
  expect(differences()).toEqual([]);
  await run.end();
});
