/** A replica that has given out UIDs which the source has not: how far the source goes along, and that nothing is renumbered for it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fc } from "@fast-check/vitest";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { followNextUid } from "../../../src/agent/next-uids.js";
import type { SourceSide } from "../../../src/agent/source-side.js";
import { parseUidValidity } from "../../../src/maildir/ids.js";
import { addMessage, makeMailbox } from "../../live/twin/small-store.js";
import { tries } from "../../property/tries.js";
import { until } from "../../turns.js";
import { guid, path } from "./pair.js";
import { RealPair, type RealRun } from "./real-pair.js";

const never = new AbortController().signal;
const MAILBOX = guid("a");
const VALIDITY = parseUidValidity(77);

type Raise = SourceSide["raiseNextUid"];

function sourceAt(uidNext: number, raiseNextUid: Raise = async () => ({ kind: "raised", from: uidNext })) {
  const asked: unknown[] = [];
  const source = {
    pathOf: () => path("a"),
    uidNextOf: () => uidNext,
    raiseNextUid: (...[wish, ...rest]: Parameters<Raise>) => {
      asked.push(wish);
      return raiseNextUid(wish, ...rest);
    },
  };
  return { source, asked };
}

describe("what a replica says of its next UID", () => {
  const claim = (next: number) => ({ mailbox: MAILBOX, uidValidity: VALIDITY, next });

  test("raises the source's to just that", async () => {
    const { source, asked } = sourceAt(5);
    const news = { kind: "raised", path: path("a"), from: 5, to: 9 };
    expect(await followNextUid(source, claim(9), never)).toStrictEqual(news);
    expect(asked).toStrictEqual([{ guid: MAILBOX, uidValidity: VALIDITY, to: 9 }]);
  });

  test.each([0, 1, 4, 5])("is nothing new at %i, where the source is at 5", async (next) => {
    const { source, asked } = sourceAt(5);
    expect(await followNextUid(source, claim(next), never)).toBeUndefined();
    expect(asked).toStrictEqual([]);
  });

  test("is not followed out of reach, and the mailbox is named", async () => {
    const { source, asked } = sourceAt(5);
    expect(await followNextUid(source, claim(2 ** 32 - 1), never)).toStrictEqual({
      ...{ kind: "left", path: path("a") },
      cause: {
        code: "uids-too-high",
        words:
          'raising the next UID of the mailbox "user/a": the replica says that its next UID is 4294967295, the source\'s is 5, and it is raised to 1048581 at most',
      },
    });
    expect(asked).toStrictEqual([]);
  });

  test("never brings the source further than 2^20 at once and 2^31 in all, whatever it says, however often", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(2 ** 32 - 1), { maxLength: 50 }), fc.nat(2 ** 32 - 1), async (claims, start) => {
        let own = start;
        for (const next of claims) {
          const before = own;
          const { source } = sourceAt(own, async ({ to }) => {
            own = to;
            return { kind: "raised", from: before };
          });
          await followNextUid(source, claim(next), never);
          expect(own).toBeGreaterThanOrEqual(before);
          if (own > before) expect([own, own <= before + 2 ** 20, own <= 2 ** 31]).toStrictEqual([next, true, true]);
        }
      }),
      tries(200),
    );
  });

  test("is left where the source's mailbox lets nothing be written", async () => {
    const problem = { path: path("a"), code: "lock-held", message: "somebody holds it", hint: "" };
    const { source } = sourceAt(5, async () => ({ kind: "problem", problem }));
    const cause = { code: "lock-held", words: "somebody holds it" };
    expect(await followNextUid(source, claim(9), never)).toStrictEqual({ kind: "left", path: path("a"), cause });
  });

  test("is nobody's where the source has no such mailbox, or is ahead by now", async () => {
    const { source } = sourceAt(5, async () => ({ kind: "none" }));
    expect(await followNextUid(source, claim(9), never)).toBeUndefined();
    const { source: without, asked } = sourceAt(5);
    expect(await followNextUid({ ...without, pathOf: () => undefined }, claim(9), never)).toBeUndefined();
    expect(asked).toStrictEqual([]);
  });
});

describe("a comparison of a mailbox to which others have delivered on the replica", () => {
  const INBOX = "u1/Maildir";
  const headerOf = (store: string) =>
    readFileSync(join(store, INBOX, "dovecot-uidlist"), "latin1").split("\n")[0] ?? "";
  let pair: RealPair;
  let run: RealRun;

  beforeEach(async () => {
    pair = await RealPair.open();
    makeMailbox(pair.bench.source, INBOX, { messages: 3 });
    await pair.ship();
    for (const seed of [50, 51]) addMessage(join(pair.bench.replica, INBOX), { seed });
    run = pair.start();
    await run.untilAcked(pair.sourceReader.lastLsn());
    expect(await run.agent.resync(pair.guidAt(INBOX))).toBe(true);
    await until(() => pair.sourceReader.rejections().length === 0, "it is compared");
  });

  afterEach(async () => {
    await run.end();
    await pair[Symbol.asyncDispose]();
  });

  test("raises the source's next UID, tells of it once, and what comes then fits both", async () => {
    expect(run.nextUids).toStrictEqual([{ kind: "raised", path: INBOX, from: 4, to: 6 }]);
    expect(headerOf(pair.bench.source)).toMatch(/ N6 /);
    const lsn = await pair.capture();
    await run.untilAcked(lsn);
    expect(run.shipped.at(-1)?.transaction).toMatchObject({ uidNext: 6, changes: [] });
    addMessage(join(pair.bench.source, INBOX), { seed: 60 });
    await run.untilAcked(await pair.capture());
    expect([run.conflicts, run.rejected]).toStrictEqual([[], []]);
    const [saved] = run.shipped.at(-1)?.transaction.changes ?? [];
    expect(saved).toMatchObject({ kind: "save", message: { uid: 6 } });
    expect(await run.agent.resync(pair.guidAt(INBOX))).toBe(true);
    await until(() => pair.sourceReader.rejections().length === 0, "it is compared once more");
    expect(run.nextUids).toHaveLength(1);
  });
});
