/** A replica that was away asks for its mail: INBOXes come first, and a link that is cut costs nothing that has come. */
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { inboxFirst } from "../../../src/agent/away-order.js";
import { type RawPath, rawFromText } from "../../../src/base/raw-name.js";
import { decodeTransaction } from "../../../src/txn/transaction-codec.js";
import { addMessage, makeMailbox } from "../../live/twin/small-store.js";
import { RealPair, type RealRun } from "./real-pair.js";

const PATHS = ["a/Maildir", "a/Maildir/.Archive", "b/Maildir", "b/Maildir/.Archive"];

let pair: RealPair;

/** Mail for all of them in turn, folders first, each in a transaction of its own. */
async function deliver(rounds: number): Promise<number> {
  let lsn = 0;
  for (let round = 0; round < rounds; round++)
    for (const [index, path] of PATHS.toReversed().entries()) {
      addMessage(join(pair.bench.source, path), { seed: 100 + 10 * round + index });
      lsn = await pair.capture();
    }
  return lsn;
}

/** Paths of the transactions that were offered, each once, in the order of their first. */
function offered(run: RealRun): readonly string[] {
  const paths = run.sent.flatMap((message) =>
    message.kind === "offer" ? [decodeTransaction(message.payload).path as string] : [],
  );
  return [...new Set(paths)];
}

beforeEach(async () => {
  pair = await RealPair.open();
  for (const [index, path] of PATHS.entries()) makeMailbox(pair.bench.source, path, { messages: 2, seed: 10 * index });
  await pair.ship();
});

afterEach(async () => {
  await pair[Symbol.asyncDispose]();
});

test("INBOXes come first, and all is there in the end", async () => {
  const lsn = await deliver(6);
  const run = pair.start({ inboxFirst: true });
  await run.untilAcked(lsn);
  await expect.poll(() => pair.differences, { timeout: 15_000 }).toStrictEqual([]);
  expect(offered(run).slice(0, 2).sort()).toStrictEqual(["a/Maildir", "b/Maildir"]);
  expect([...offered(run)].sort()).toStrictEqual([...PATHS].sort());
  await expect.poll(() => pair.sourceReader.rejections().length, { timeout: 15_000 }).toBe(0);
  await run.end();
  expect(offered(await pair.ship())).toStrictEqual([]);
});

test("one that is live gets the order of the log, and so does one that lacks little", async () => {
  const lsn = await deliver(6);
  const run = pair.start();
  await run.untilAcked(lsn);
  expect(offered(run)[0]).toBe("b/Maildir/.Archive");
  await run.end();
  const next = await deliver(1);
  const asked = pair.start({ inboxFirst: true });
  await asked.untilAcked(next);
  expect(offered(asked)).toStrictEqual(PATHS.toReversed());
  await asked.end();
  expect(pair.differences).toStrictEqual([]);
});

test("a link that is cut in the middle goes on from there, in any order of asking", async () => {
  const lsn = await deliver(6);
  const cut = pair.start({ inboxFirst: true });
  cut.onSend = () => {
    if (offered(cut).length === 2) void cut.cut();
  };
  await cut.untilAcked(lsn).catch(() => undefined);
  await cut.cut();
  pair.reopenReplica();
  const run = pair.start({ inboxFirst: true });
  await run.untilAcked(lsn);
  await expect.poll(() => pair.differences, { timeout: 15_000 }).toStrictEqual([]);
  await run.end();
});

test("the order is INBOXes, then folders, the outer one first", () => {
  const paths = ["b/.x", "a/.y.z", "b", "", "a/.y", ".w", "a"].map((text) => rawFromText(text) as RawPath);
  expect(paths.sort(inboxFirst)).toStrictEqual(["", "a", "b", ".w", "a/.y", "a/.y.z", "b/.x"]);
});
