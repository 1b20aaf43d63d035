/** What an end takes for sums of a mailbox, for spans of it and for an answer, and what it refuses although protobuf would take it. */
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { UID_MAX } from "../../../src/maildir/ids.js";
import { EnvelopeSchema, type ReplySchema } from "../../../src/wire/gen/link_pb.js";
import { decodeMessage } from "../../../src/wire/message-codec.js";
import { PART_SUMS_MAX, TOLD_SPANS_MAX } from "../../../src/wire/messages.js";

const REFUSED = expect.objectContaining({ code: "wire-invalid" });
const mailbox = "0".repeat(31).concat("1");

type Init = NonNullable<MessageInitShape<typeof EnvelopeSchema>["message"]>;

function decode(message: Init) {
  return decodeMessage({ head: toBinary(EnvelopeSchema, create(EnvelopeSchema, { message })), payloads: [] });
}

interface Sums {
  readonly bits?: number;
  readonly steps?: number[];
  readonly sums?: Uint8Array;
  readonly whole?: Uint8Array;
}

/** As many sums as there are steps, unless it says otherwise. */
function compare({ bits = 7, steps = [], sums = new Uint8Array(steps.length * 6), whole }: Sums) {
  const value = { mailbox, seed: 7, sums: { bits, steps, sums, ...(whole === undefined ? {} : { whole }) } };
  return decode({ case: "request", value: { id: 1, ask: { case: "compare", value } } });
}

describe("sums", () => {
  test("are of ascending parts, named by their distances, the first from -1", () => {
    const last = Math.floor(UID_MAX / 128);
    const sums = Uint8Array.from({ length: 18 }, (_, at) => (at % 6 === 5 ? 0xff : at));
    const whole = Uint8Array.from({ length: 16 }, (_, at) => at);
    expect(compare({ steps: [1, 2, last - 2], sums, whole })).toMatchObject({
      ask: {
        ...{ kind: "compare", mailbox, seed: 7 },
        sums: { bits: 7, parts: [0, 2, last], sums: [0xff04_0302_0100, 0xff0a_0908_0706, 0xff10_0f0e_0d0c], whole },
      },
    });
  });

  test("may be as many as there may be, or none, of parts of one UID or of half of all", () => {
    const steps = Array.from({ length: PART_SUMS_MAX }, () => 1);
    expect(compare({ steps })).toMatchObject({ ask: { sums: { parts: { length: PART_SUMS_MAX } } } });
    expect(compare({ whole: new Uint8Array(16) })).toMatchObject({ ask: { sums: { parts: [] } } });
    expect(compare({ bits: 31, steps: [1, 1] })).toMatchObject({ ask: { sums: { parts: [0, 1] } } });
    expect(compare({ bits: 0, steps: [UID_MAX + 1] })).toMatchObject({ ask: { sums: { parts: [UID_MAX] } } });
  });

  test("may be missing: then the replica only looks", () => {
    const request = decode({
      case: "request",
      value: { id: 1, ask: { case: "compare", value: { mailbox, seed: 7 } } },
    });
    expect(request).toStrictEqual({
      ...{ kind: "request", id: 1 },
      ask: { kind: "compare", mailbox, path: "", seed: 7 },
    });
  });

  test.each<[string, Sums]>([
    ["more parts than there may be", { steps: Array.from({ length: PART_SUMS_MAX + 1 }, () => 1) }],
    ["a part twice", { steps: [3, 0] }],
    ["parts that descend, as a number that wraps", { steps: [3, 0xffff_ffff] }],
    ["a part before the first", { steps: [0] }],
    ["a part that no UID has", { steps: [Math.floor(UID_MAX / 128) + 2] }],
    ["parts that no UID has together", { bits: 31, steps: [1, 1, 1] }],
    ["parts larger than any", { bits: 32, steps: [1] }],
    ["a sum that is too short", { steps: [1], sums: new Uint8Array(5) }],
    ["a sum that is too long", { steps: [1], sums: new Uint8Array(7) }],
    ["a sum of nothing", { sums: new Uint8Array(6) }],
    ["a digest that is too short", { whole: new Uint8Array(15) }],
    ["a digest that is too long", { whole: new Uint8Array(17) }],
  ])("are refused with %s", (_what, sums) => {
    expect(() => compare(sums)).toThrow(REFUSED);
  });
});

describe("spans", () => {
  const tell = (steps: number[]) =>
    decode({ case: "request", value: { id: 1, ask: { case: "tellHeld", value: { mailbox, steps } } } });

  test("ascend by their distances, may touch, and may be all UIDs, or none", () => {
    expect(tell([0, 2, 0, 5, 100, UID_MAX + 1 - 107])).toMatchObject({
      ask: {
        ...{ kind: "tell-held", mailbox },
        spans: [
          { from: 0, below: 2 },
          { from: 2, below: 7 },
          { from: 107, below: UID_MAX + 1 },
        ],
      },
    });
    expect(tell([0, UID_MAX + 1])).toMatchObject({ ask: { spans: [{ from: 0, below: UID_MAX + 1 }] } });
    expect(tell([])).toMatchObject({ ask: { spans: [] } });
    const most = Array.from({ length: 2 * TOLD_SPANS_MAX }, () => 1);
    expect(tell(most)).toMatchObject({ ask: { spans: { length: TOLD_SPANS_MAX } } });
  });

  test.each<[string, number[]]>([
    ["more of them than there may be", Array.from({ length: 2 * TOLD_SPANS_MAX + 2 }, () => 1)],
    ["one without an end", [1, 1, 1]],
    ["one of nothing", [5, 0]],
    ["one beyond all UIDs", [0, UID_MAX + 2]],
    ["one that wraps", [5, 1, 0xffff_ffff, 0xffff_ffff]],
  ])("are refused with %s", (_what, steps) => {
    expect(() => tell(steps)).toThrow(REFUSED);
  });
});

describe("an answer", () => {
  const answer = (reply: Omit<MessageInitShape<typeof ReplySchema>, "$typeName">) =>
    decode({ case: "reply", value: { id: 1, ...reply } });

  test("has a bit for each part, as many as may be asked about", () => {
    const bits = new Uint8Array(PART_SUMS_MAX / 8).fill(0xff);
    expect(answer({ compare: { looked: UID_MAX, differing: { bits, others: true } } })).toStrictEqual({
      ...{ kind: "reply", id: 1 },
      result: {
        ok: true,
        answer: { kind: "compare", looked: UID_MAX, differing: { bits, hasOthers: true, isEqual: false } },
      },
    });
  });

  test.each<[string, Omit<MessageInitShape<typeof ReplySchema>, "$typeName">]>([
    [
      "more bits than there are parts",
      { compare: { looked: UID_MAX, differing: { bits: new Uint8Array(PART_SUMS_MAX / 8 + 1) } } },
    ],
    ["a UID beyond all", { compare: { looked: UID_MAX + 1 } }],
    ["messages up to a UID beyond all", { held: { reached: UID_MAX + 1 } }],
  ])("is refused with %s", (_what, reply) => {
    expect(() => answer(reply)).toThrow(REFUSED);
  });
});
