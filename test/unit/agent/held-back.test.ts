/** What a replica has not got yet and the brake holds back: its mailbox waits for a person, and no other mailbox waits for it. Real stores. */
import { readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { BRAKE_LIMITS } from "../../../src/capture/brake.js";
import { FakeClock } from "../../fake-clock.js";
import { addMessage, makeMailbox } from "../../live/twin/small-store.js";
import { turns, until } from "../../turns.js";
import { RealPair, type RealRun } from "./real-pair.js";

const [INBOX, WORK, OTHER] = ["u1/Maildir", "u1/Maildir/.Work", "u2/Maildir"];
const FEW = { ...BRAKE_LIMITS, messages: 5, inDeletedMailboxes: 5 };
const HELD = /mail of it is gone at the source, and its deletion is held back until a person has decided/;

let pair: RealPair;
let source: string;
let run: RealRun | undefined;

beforeEach(async () => {
  pair = await RealPair.open(new FakeClock(), FEW);
  ({ source } = pair.bench);
  makeMailbox(source, INBOX, { messages: 2 });
  makeMailbox(source, WORK, { messages: 8, seed: 10 });
  makeMailbox(source, OTHER, { messages: 2, seed: 30 });
  await pair.ship();
  addMessage(join(source, WORK), { seed: 40 });
  await pair.capture(); // it is in the log, and no replica has it.
});

afterEach(async () => {
  await run?.end();
  await pair[Symbol.asyncDispose]();
});

const clock = () => pair.clock as FakeClock;
const rejection = () => pair.sourceReader.rejections()[0];

/** No time passes until all is sent but what is refused; then it is tried once more. */
async function expectRefused(attempt: { readonly code: string }): Promise<void> {
  addMessage(join(source, OTHER), { seed: 50 });
  const lsn = await pair.capture();
  run = pair.start();
  await run.untilAcked(lsn);
  expect(pair.sourceReader.rejections()).toMatchObject([{ mailbox: pair.guidAt(WORK), code: "body-not-found" }]);
  expect(rejection()?.message).toMatch(HELD);
  expect(pair.differences.filter((words) => words.includes(OTHER))).toEqual([]);
  await turns(200);
  await clock().advance(1_000);
  await turns(200);
  expect(rejection()).toMatchObject({ ...attempt, message: expect.stringMatching(HELD) });
  expect(rejection()?.attempts).toBeGreaterThan(1);
}

async function expectEqualAgain(): Promise<void> {
  await pair.capture();
  expect(pair.capturer.brake).toBeUndefined();
  await clock().advance(300_000);
  await until(() => pair.sourceReader.rejections().length === 0, "it goes on");
  expect(pair.differences).toEqual([]);
}

test("a mailbox as a whole, which goes on when it is back", async () => {
  const away = join(pair.bench.dir, "away");
  renameSync(join(source, WORK), away);
  await pair.capture();
  expect(pair.capturer.brake).toMatchObject({ why: "deleted-mailboxes", held: 9 });
  await expectRefused({ code: "mailbox-vanished" });
  renameSync(away, join(source, WORK));
  await expectEqualAgain();
});

test("messages of a mailbox that stands, which goes on when they are back", async () => {
  const cur = join(source, WORK, "cur");
  const names = readdirSync(cur);
  for (const name of names) renameSync(join(cur, name), join(pair.bench.dir, name));
  await pair.capture();
  expect(pair.capturer.brake).toMatchObject({ why: "messages", held: 9 });
  await expectRefused({ code: "body-not-found" });
  for (const name of names) renameSync(join(pair.bench.dir, name), join(cur, name));
  await expectEqualAgain();
});
