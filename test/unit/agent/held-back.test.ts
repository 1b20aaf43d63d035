/** What a replica has not got yet and the brake holds back: its mailbox waits for a person, and no other mailbox waits for it. Real stores. */
import { readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { WORDS_OF_HELD } from "../../../src/agent/absent-bodies.js";
import { BRAKE_LIMITS } from "../../../src/capture/brake.js";
import { HeldRetry } from "../../../src/daemon/held-retry.js";
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
  run = undefined;
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

describe("what is let go is tried again at once, by", () => {
  const PLAIN = { heals: false, compares: false, asksStanding: false } as const;
  let names: string[];
  let heldRetry: HeldRetry;

  const inSource = (name: string) => join(source, WORK, "cur", name);
  const aside = (name: string) => join(pair.bench.dir, name);
  const questions = () => run?.sent.filter(({ kind }) => kind === "request") ?? [];
  const look = () => heldRetry.look(run === undefined ? [] : [run.agent]);

  /** All mail of one folder is gone, a message of it that the replica lacks among them. */
  async function hold(options: typeof PLAIN | undefined): Promise<void> {
    names = readdirSync(join(source, WORK, "cur"));
    for (const name of names) renameSync(inSource(name), aside(name));
    const lsn = await pair.capture();
    heldRetry = new HeldRetry(pair.capturer);
    run = pair.start(options ?? {});
    await run.untilAcked(lsn);
    expect(rejection()?.message).toMatch(HELD);
    look();
    await turns(200);
  }

  async function untilWell(): Promise<void> {
    expect(look()).toBe(false);
    await until(() => pair.sourceReader.rejections().length === 0, "it goes on, without that time passes");
    await until(() => pair.differences.length === 0, "both are equal");
  }

  test("a sync that goes on: when it is back", async () => {
    await hold(PLAIN);
    expect(rejection()?.attempts).toBe(1);
    for (const name of names) renameSync(aside(name), inSource(name));
    await pair.capture();
    await untilWell();
    addMessage(join(source, WORK), { seed: 70 });
    await run?.untilAcked(await pair.capture());
    expect(pair.differences).toEqual([]);
    expect(questions()).toEqual([]);
  });

  test("a sync that goes on: when it may go", async () => {
    await hold(PLAIN);
    await pair.capturer.approveDeletions();
    await pair.capture();
    await untilWell();
    expect(readdirSync(join(pair.bench.replica, WORK, "cur"))).toEqual([]);
    expect(questions()).toEqual([]);
  });

  test("a sync that goes on: not while it is held, and it is never compared, which nobody has asked for", async () => {
    await hold(PLAIN);
    run?.agent.retry(pair.guidAt(WORK));
    await until(() => rejection()?.attempts === 2, "it was tried, and refused");
    expect(rejection()).toMatchObject({ code: "body-not-found", message: expect.stringMatching(HELD) });
    expect(rejection()?.lsn).toBeGreaterThan(0);
    expect(questions()).toEqual([]);
    for (const name of names) renameSync(aside(name), inSource(name));
    await pair.capture();
    await untilWell();
  });

  test("a daemon, however long it was refused", async () => {
    await hold(undefined);
    for (let tries = 0; tries < 12; tries++) {
      await clock().advance(300_000);
      await turns(200);
    }
    expect(rejection()?.attempts).toBeGreaterThan(9);
    await pair.capturer.approveDeletions();
    await pair.capture();
    await untilWell();
  });

  test("either, where only some of it is back, and the brake stays on", async () => {
    await hold(PLAIN);
    const [lacking = ""] = names.filter((name) => !readdirSync(join(pair.bench.replica, WORK, "cur")).includes(name));
    renameSync(aside(lacking), inSource(lacking));
    await pair.capture();
    expect(pair.capturer.brake).toMatchObject({ held: 8 });
    expect(look()).toBe(false);
    await until(() => pair.sourceReader.rejections().length === 0, "it goes on");
    expect(readdirSync(join(pair.bench.replica, WORK, "cur"))).toContain(lacking);
  });

  test("one whose capture never rests, after some looks", async () => {
    const agent = { rejections: [{ message: "", mailbox: "a" }], retry: () => true };
    const capturer = { brake: undefined, settled: false };
    const retry = new HeldRetry(capturer);
    const looks = () => Array.from({ length: 4 }, () => retry.look([agent as never]));
    expect(looks()).toEqual([false, false, false, false]); // it was refused for something else.
    const [row] = agent.rejections;
    if (row !== undefined) row.message = WORDS_OF_HELD["deletions-held"];
    expect(looks()).toEqual([true, true, false, true]);
  });
});
