/** What a comparison of a large mailbox asks, and what that costs on the wire: everything counted, both ways, compressed. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { stateOfRecord } from "../../../src/log/baseline-chunk.js";
import type { BaselineRecord } from "../../../src/log/state-types.js";
import { parseUid, UID_MAX } from "../../../src/maildir/ids.js";
import type { Answer, Ask, ComparedMessage } from "../../../src/wire/messages.js";
import { heldOf, numbersOf, type Outcome, recordOf, SyntheticPair } from "./synthetic-pair.js";

let pair: SyntheticPair;

beforeEach(async () => {
  pair = await SyntheticPair.open();
});

afterEach(() => {
  pair[Symbol.dispose]();
});

const EVERYTHING = [{ from: 0, below: UID_MAX + 1 }];

function mailboxOf(messages: number, step = 1): BaselineRecord[] {
  const next = numbersOf(1);
  return Array.from({ length: messages }, (_, at) => recordOf(at * step + 1, next));
}

function copyOf(source: readonly BaselineRecord[]): ComparedMessage[] {
  return source.map((record) => heldOf(stateOfRecord(record)));
}

/** "2^7 x 62": so many parts of so many UIDs. */
function asked({ questions }: Pick<Outcome, "questions">): string[] {
  return questions.map((ask: Ask) => {
    if (ask.kind === "tell-held") return `tell ${ask.spans.length}`;
    if (ask.kind !== "compare") return ask.kind;
    return ask.sums === undefined ? "look" : `2^${ask.sums.bits} x ${ask.sums.parts.length}`;
  });
}

function figuresOf(outcome: Outcome): string {
  const { bytes, told, changes, cpuMs } = outcome;
  const asks = asked(outcome).join(", ");
  return `${bytes} bytes, ${told} messages told, ${changes.length} changes, ${cpuMs} ms of CPU time, both ends: ${asks}`;
}

/** None of the parts differs, and the whole does. */
function unlike(answer: Answer, hasOthers: boolean): Answer {
  if (answer.kind !== "compare" || answer.differing === undefined) return answer;
  const bits = new Uint8Array(answer.differing.bits.length);
  return { ...answer, differing: { bits, hasOthers, isEqual: false } };
}

/** 40 new messages and 10 from elsewhere, 30 flags, 20 expunges and 10 that went elsewhere. */
function scatter(
  replica: readonly ComparedMessage[],
  seed: number,
): { source: BaselineRecord[]; replica: ComparedMessage[] } {
  const next = numbersOf(seed);
  const source = replica.map(({ held: _, ...state }): BaselineRecord => {
    const { uid, base, size, mtimeS, fields, flags } = state;
    return { uid, base, size, mtimeS, fields, keywords: [], ino: 0, info: flags === 0 ? ":2," : ":2,S" };
  });
  const uids = new Set<number>();
  while (uids.size < 60) uids.add(next(source.length));
  const [gone, flagged] = [new Set([...uids].slice(0, 30)), new Set([...uids].slice(30))];
  const kept = source.flatMap((record, at) =>
    gone.has(at) ? [] : flagged.has(at) ? [{ ...record, info: `${record.info.replace("2,", "2,F")}` }] : [record],
  );
  const last = source.at(-1)?.uid ?? 0;
  for (let more = 1; more <= 50; more++) kept.push(recordOf(last + more, next));
  return { source: kept, replica: [...replica] };
}

/** The promises hold for any number; the figures in docs/performance.md are of two. */
const MESSAGES = Number(process.env["NARROWING_MESSAGES"] ?? 100_000);

describe(`a mailbox of ${MESSAGES} messages`, () => {
  test("that is equal costs some hundred bytes", async ({ annotate }) => {
    const source = mailboxOf(MESSAGES);
    const outcome = await pair.compare(source, copyOf(source));
    expect(outcome).toMatchObject({ compared: { kind: "equal" }, changes: [], told: 0 });
    expect(asked(outcome).filter((it) => it !== "look")).toHaveLength(1);
    expect(outcome.bytes).toBeLessThan(1_000);
    await annotate(figuresOf(outcome));
  });

  test("with 100 scattered changes costs less than 30 kB with the changes themselves, in a few questions", async ({
    annotate,
  }) => {
    const { source, replica } = scatter(copyOf(mailboxOf(MESSAGES)), 5);
    const outcome = await pair.compare(source, replica);
    const { changes, told, bytes } = outcome;
    const kinds = (kind: string) => changes.filter((change) => change.kind === kind).length;
    expect([kinds("save"), kinds("marks"), kinds("expunge")]).toStrictEqual([50, 30, 30]);
    expect(told).toBeLessThan(130);
    expect(asked(outcome).filter((it) => it !== "look").length).toBeLessThanOrEqual(7);
    expect(bytes).toBeLessThan(30_000);
    await annotate(figuresOf(outcome));
  });
});

describe("a mailbox", () => {
  test("in which few messages differ has them told after one question", async () => {
    const source = mailboxOf(300);
    const replica = copyOf(source).map((it) => (it.uid === 130 ? { ...it, flags: 1 } : it));
    const outcome = await pair.compare(source, replica);
    expect(asked(outcome)).toStrictEqual(["2^4 x 24", "tell 1"]);
    expect([outcome.told, outcome.changes.map(({ kind }) => kind)]).toStrictEqual([16, ["marks"]]);
  });

  test("of the source that the replica has nothing of is told in one page, of nothing", async () => {
    const outcome = await pair.compare(mailboxOf(3_000), []);
    expect(asked(outcome)).toStrictEqual(["2^7 x 24", "2^4 x 192", "tell 1"]);
    expect([outcome.told, outcome.changes.length]).toStrictEqual([0, 3_000]);
  });

  test("in which everything differs is not divided to the end", async () => {
    const source = mailboxOf(3_000);
    const outcome = await pair.compare(
      source,
      copyOf(source).map((it) => ({ ...it, mtimeS: 1 })),
    );
    expect(asked(outcome)).toStrictEqual(["2^7 x 24", "2^4 x 192", "tell 1"]);
    expect([outcome.told, outcome.changes.length]).toStrictEqual([3_000, 3_000]);
  });

  test("of which a sample differs everywhere is not even asked about to the end", async () => {
    const source = mailboxOf(35_000, 4);
    const outcome = await pair.compare(
      source,
      copyOf(source).map((it) => ({ ...it, held: "foreign" })),
    );
    const [first, ...parts] = asked(outcome).filter((it) => it.startsWith("2^"));
    expect([first, parts]).toStrictEqual(["2^13 x 18", ["2^10 x 144", "2^7 x 1096", "2^4 x 512"]]);
    expect(outcome.told).toBe(35_000);
  });

  test("that has messages where the source has none, beyond its last UID, has those told", async () => {
    const source = mailboxOf(200);
    const own = stateOfRecord(recordOf(90_000, numbersOf(9)));
    const outcome = await pair.compare(source, [...copyOf(source), heldOf(own, "foreign")]);
    expect(outcome.questions.at(-1)).toMatchObject({ kind: "tell-held", spans: [{ from: 256, below: UID_MAX + 1 }] });
    expect(outcome).toMatchObject({ told: 1, changes: [], compared: { counts: { foreign: 1 } } });
  });

  test("that reaches the last of all UIDs has nothing beyond it, whatever the replica says", async () => {
    const next = numbersOf(9);
    const source = [recordOf(1, next), recordOf(UID_MAX, next)];
    pair.lie = (answer) => unlike(answer, true);
    const outcome = await pair.compare(source, copyOf(source));
    expect(asked(outcome)).toStrictEqual(["2^28 x 16", "tell 1"]);
    expect(outcome).toMatchObject({ told: 2, changes: [], compared: { kind: "equal" } });
  });

  test("whose sums of parts are equal by accident, and that of the whole is not, is told whole", async () => {
    const source = mailboxOf(3_000);
    pair.lie = (answer) => unlike(answer, false);
    const replica = copyOf(source).map((it) => (it.uid === 1_300 ? { ...it, flags: 1 } : it));
    const outcome = await pair.compare(source, replica);
    expect(asked(outcome)).toStrictEqual(["2^7 x 24", "tell 1"]);
    expect([outcome.told, outcome.changes.map(({ kind }) => kind)]).toStrictEqual([3_000, ["marks"]]);
  });

  test("of which a message moved to a UID far away has it moved, not sent again", async () => {
    const source = mailboxOf(3_000);
    const replica = copyOf(source);
    const [moved] = source.splice(40, 1);
    if (moved === undefined) throw new Error("it has that many");
    const outcome = await pair.compare([...source, { ...moved, uid: parseUid(9_000) }], replica);
    expect(outcome.changes).toMatchObject([{ kind: "rebind", fromUid: 41, message: { uid: 9_000 } }]);
  });

  test("of which the replica forgets what it has looked at has all told that was found to differ by then", async () => {
    const source = mailboxOf(3_000);
    const replica = copyOf(source).map((it) => (it.uid % 100 === 0 ? { ...it, flags: 1 } : it));
    pair.lookedAtOnce = 2_000;
    pair.forgetsBefore = 3;
    const outcome = await pair.compare(source, replica);
    expect(asked(outcome)).toStrictEqual(["2^7 x 24", "2^7 x 24", "2^4 x 192", "tell 1"]);
    expect([outcome.told, outcome.changes.length]).toStrictEqual([3_000, 30]);
  });

  test("that is looked at from the start again and again is told whole", async () => {
    const source = mailboxOf(500);
    pair.lookedAtOnce = 300;
    pair.forgetsBefore = 2;
    const outcome = await pair.compare(source, copyOf(source));
    expect(outcome.questions.filter(({ kind }) => kind === "tell-held")).toMatchObject([
      { spans: EVERYTHING },
      { spans: [] },
    ]);
    expect(outcome).toMatchObject({ told: 500, changes: [] });
  });
});
