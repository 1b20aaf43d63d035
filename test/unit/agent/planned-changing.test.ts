/** What is planned of a mailbox while something of it is on its way: it is waited for, looked at again, or told as changing. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { planComparison } from "../../../src/agent/planned-comparison.js";
import type { PlannedMailbox } from "../../../src/agent/planned-mailbox.js";
import { type Clock, systemClock } from "../../../src/base/clock.js";
import { makeMailbox } from "../../live/twin/small-store.js";
import { REPLICA, RealPair, type RealRun } from "./real-pair.js";

const INBOX = "u1/Maildir";
const never = new AbortController().signal;

let pair: RealPair;
let run: RealRun | undefined;

beforeEach(async () => {
  pair = await RealPair.open(systemClock);
  makeMailbox(pair.bench.source, INBOX, { messages: 4 });
  await pair.ship();
});

afterEach(async () => {
  await run?.end();
  run = undefined;
  await pair[Symbol.asyncDispose]();
});

describe("what is on its way", () => {
  /** `isMending`: the answers, one after the other, then the last one. */
  async function planWith(answers: readonly boolean[], clock: Clock = systemClock) {
    const { sourceReader: reader, sourceParts } = pair;
    const running = pair.start({ compares: false, heals: false, asksStanding: false });
    run = running;
    await running.untilAcked(reader.lastLsn());
    let asked = 0;
    const mender = { isMending: () => answers[Math.min(asked++, answers.length - 1)] === true };
    const parts = {
      reader,
      clock,
      source: sourceParts.adapted,
      asker: running.agent.asker,
      mayHave: undefined,
      renumbers: () => ({ source: true, replica: true, nobody: true }),
      mender,
    };
    const ports = { ...parts, name: REPLICA, line: { has: () => false }, rejections: { rows: [] } };
    const planned: PlannedMailbox[] = [];
    const sender = { sentLsn: reader.lastLsn() };
    await planComparison({ ...ports, sender }, new Set([pair.guidAt(INBOX)]), (each) => planned.push(each), never);
    const looks = running.sent.filter((it) => it.kind === "request" && it.ask.kind === "compare").length;
    return [planned.map(({ changing }) => changing), looks];
  }

  test("is waited for", async () => {
    expect(await planWith([true, true, false])).toStrictEqual([[false], 1]);
  });

  test("or came meanwhile: it is looked at again, and told as changing if that goes on", async () => {
    expect(await planWith([false, false, true, false])).toStrictEqual([[false], 2]);
    await run?.end();
    expect(await planWith([false, false, true, false, false, true, false, false, true])).toStrictEqual([[true], 3]);
  });

  test("for longer than anybody waits: told as changing", async () => {
    let nowMs = 0;
    const hasty: Clock = { ...systemClock, monotonicMs: () => (nowMs += 30_000) };
    expect(await planWith([true], hasty)).toStrictEqual([[true], 3]);
  });
});
