/** What is asked for while first contact is being decided waits for it, over real stores: nothing is written to the replica before. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Waiter } from "../../../src/base/waiter.js";
import { makeMailbox } from "../../live/twin/small-store.js";
import { turns, until } from "../../turns.js";
import { RealPair, type RealRun } from "./real-pair.js";

const [INBOX, OTHER] = ["u1/Maildir", "u1/Maildir/.Other"];

let pair: RealPair;
let run: RealRun;
/** Ends the first contact that is under way. */
let meeting: Waiter<void>;
/** What each run was told of it. */
let firstContacts: boolean[];

beforeEach(async () => {
  pair = await RealPair.open();
  makeMailbox(pair.bench.source, INBOX, { messages: 3 });
  makeMailbox(pair.bench.replica, OTHER, { messages: 2, seed: 9 }); // of which somebody has to decide.
  await pair.capture();
  firstContacts = [];
  pair.prepare = ({ firstContact }, signal) => {
    firstContacts.push(firstContact);
    meeting = new Waiter(signal);
    return meeting.promise;
  };
  run = pair.start();
  await until(() => firstContacts.length === 1, "they meet");
});

afterEach(async () => {
  await run.cut();
  await pair[Symbol.asyncDispose]();
});

const rejections = () => pair.sourceReader.rejections();
const comparisons = () => run.sent.filter((it) => it.kind === "request" && it.ask.kind === "compare").length;

async function expectNothingDone(): Promise<void> {
  await turns(300);
  expect(run.sent.map(({ kind }) => kind)).toStrictEqual(["hello"]);
  expect(existsSync(join(pair.bench.replica, INBOX, "cur"))).toBe(false);
}

describe("a mailbox that is to be compared, during first contact,", () => {
  beforeEach(async () => {
    expect(await run.agent.resync(pair.guidAt(INBOX))).toBe(true);
    expect(rejections()).toMatchObject([{ mailbox: pair.guidAt(INBOX), code: "resync-asked" }]);
    await expectNothingDone();
  });

  test("is compared after it", async () => {
    meeting.settle();
    await run.untilAcked(pair.sourceReader.lastLsn());
    await until(() => rejections().length === 0, "it is compared");
    expect(comparisons()).toBe(1);
    expect(pair.differences.filter((words) => !words.includes(OTHER))).toStrictEqual([]);
  });

  test("is left alone where that is refused, and the next link has its first contact", async () => {
    const refusal = new Error("destination-has-mail");
    meeting.fail(refusal);
    await expect(run.agentRun).rejects.toBe(refusal);
    await expectNothingDone();
    await run.cut();
    run = pair.start();
    await until(() => firstContacts.length === 2, "they meet again");
    expect(firstContacts).toStrictEqual([true, true]);
    await expectNothingDone();
    meeting.settle();
    await until(() => rejections().length === 0, "it is compared");
    expect(comparisons()).toBe(1);
  });
});

test("the whole store is compared after first contact, not during it", async () => {
  expect(await run.agent.resync("all")).toBe(true);
  await expectNothingDone();
  meeting.settle();
  await until(() => run.compared.length === 1, "it is compared");
  expect(pair.differences.filter((words) => !words.includes(OTHER))).toStrictEqual([]);
});
