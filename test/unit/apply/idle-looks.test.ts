/** What a replica has looked at is kept for further questions, and let go of when whoever compared is gone, or when nobody asked for long. */
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { addMessage, makeMailbox, spreadUids } from "../../live/twin/small-store.js";
import { RealPair } from "../agent/real-pair.js";

const [INBOX, WORK] = ["u1/Maildir", "u1/Maildir/.Work"];
const MINUTE_MS = 60_000;

let pair: RealPair;

beforeEach(async () => {
  pair = await RealPair.open();
  makeMailbox(pair.bench.source, INBOX, { messages: 6 });
  spreadUids(join(pair.bench.source, INBOX), 100);
  makeMailbox(pair.bench.source, WORK, { messages: 1, seed: 20 });
  await pair.ship();
});

afterEach(() => pair[Symbol.asyncDispose]());

/** Looks at one more message; up to which UID all were looked at then. */
function lookOn(): number {
  const mailbox = pair.guidAt(INBOX);
  const path = pair.sourceReader.mailboxByGuid(mailbox)?.path;
  if (path === undefined) throw new Error("the source does not have it");
  const outcome = pair.store.compare({ mailbox, path, seed: 7, messagesMax: 1 });
  if (outcome.kind !== "read") throw new Error(outcome.divergence.words);
  return outcome.looked;
}

const BEGIN = [127, 255];

test("it goes on where it was, until all is let go of", () => {
  expect([lookOn(), lookOn()]).toStrictEqual(BEGIN);
  pair.store.endLooks();
  expect([lookOn(), lookOn()]).toStrictEqual(BEGIN);
});

test("nobody asked for five minutes", () => {
  expect([lookOn(), lookOn()]).toStrictEqual(BEGIN);
  pair.laterMs = 4 * MINUTE_MS;
  expect(lookOn()).toBeGreaterThan(255);
  pair.laterMs += 6 * MINUTE_MS;
  expect(lookOn()).toBe(127);
});

test("nobody asks ever again: it goes with the next mail, and with the link", async () => {
  lookOn();
  pair.laterMs = 6 * MINUTE_MS;
  addMessage(join(pair.bench.source, WORK), { seed: 80 });
  const run = pair.start();
  await run.untilAcked(await pair.capture());
  pair.laterMs = 0;
  expect([lookOn(), lookOn()]).toStrictEqual(BEGIN);
  await run.end();
  expect(lookOn()).toBe(127);
});
