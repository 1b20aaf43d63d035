/** What an end takes for the sums of a mailbox, and what it refuses although protobuf would take it. */
import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { UID_MAX } from "../../../src/maildir/ids.js";
import { EnvelopeSchema } from "../../../src/wire/gen/link_pb.js";
import { decodeMessage } from "../../../src/wire/message-codec.js";
import { CHUNK_SUMS_MAX } from "../../../src/wire/messages.js";

const REFUSED = expect.objectContaining({ code: "wire-invalid" });
const CHUNK_MAX = Math.floor(UID_MAX / 128);

interface Question {
  readonly afterUid?: number;
  readonly upTo?: number;
  readonly steps?: number[];
  readonly counts?: number[];
  readonly digests?: Uint8Array;
}

/** As many counts and digests as there are steps, unless it says otherwise. */
function ask({ afterUid = 0, upTo = UID_MAX, steps = [], counts, digests }: Question) {
  const sums = { counts: counts ?? steps.map(() => 1), digests: digests ?? new Uint8Array(steps.length * 16) };
  const value = { mailbox: "0".repeat(31).concat("1"), afterUid, upTo, steps, ...sums };
  const message = { case: "request", value: { id: 1, ask: { case: "compare", value } } } as const;
  return decodeMessage({ head: toBinary(EnvelopeSchema, create(EnvelopeSchema, { message })), payloads: [] });
}

describe("a question with sums", () => {
  test("names ascending chunks by their distances, the first from -1", () => {
    const digests = Uint8Array.from({ length: 48 }, (_, at) => at);
    const read = ask({ steps: [1, 2, CHUNK_MAX - 2], counts: [127, 128, 1], digests });
    expect(read).toMatchObject({
      ask: {
        ...{ kind: "compare", afterUid: 0, upTo: UID_MAX },
        sums: [
          { chunk: 0, count: 127, digest: digests.slice(0, 16) },
          { chunk: 2, count: 128, digest: digests.slice(16, 32) },
          { chunk: CHUNK_MAX, count: 1, digest: digests.slice(32) },
        ],
      },
    });
  });

  test("may have as many as there may be, within its range, or none", () => {
    const steps = Array.from({ length: CHUNK_SUMS_MAX }, () => 1);
    expect(ask({ steps })).toMatchObject({ ask: { sums: { length: CHUNK_SUMS_MAX } } });
    expect(ask({ afterUid: 127, upTo: 255, steps: [2] })).toMatchObject({ ask: { sums: [{ chunk: 1 }] } });
    expect(ask({ afterUid: UID_MAX, upTo: UID_MAX })).toMatchObject({ ask: { sums: [] } });
    expect(ask({ afterUid: UID_MAX - 1, steps: [CHUNK_MAX + 1] })).toMatchObject({ ask: { sums: { length: 1 } } });
  });

  test.each<[string, Question]>([
    ["more chunks than it may have", { steps: Array.from({ length: CHUNK_SUMS_MAX + 1 }, () => 1) }],
    ["a chunk twice", { steps: [3, 0] }],
    ["chunks that descend, as a number that wraps", { steps: [3, 0xffff_ffff] }],
    ["a chunk before the first", { steps: [0] }],
    ["a chunk that no UID has", { steps: [CHUNK_MAX + 2] }],
    ["chunks that no UID has together", { steps: [CHUNK_MAX, 1, 1] }],
    ["no message in a chunk", { steps: [1], counts: [0] }],
    ["more messages than a chunk has", { steps: [1], counts: [129] }],
    ["a count too few", { steps: [1, 1], counts: [1] }],
    ["a count too many", { steps: [1], counts: [1, 1] }],
    ["a digest that is too short", { steps: [1], digests: new Uint8Array(15) }],
    ["a digest that is too long", { steps: [1], digests: new Uint8Array(17) }],
    ["a digest of nothing", { digests: new Uint8Array(16) }],
    ["a chunk below its range", { afterUid: 255, steps: [2] }],
    ["a chunk above its range", { upTo: 255, steps: [3] }],
    ["a range that begins within a chunk", { afterUid: 128 }],
    ["a range that ends within a chunk", { upTo: 126 }],
    ["a range that ends at no UID", { upTo: 0 }],
    ["a range that ends before it begins", { afterUid: 255, upTo: 127 }],
    ["a range of nothing", { afterUid: 255, upTo: 255 }],
    ["a range beyond all UIDs", { upTo: 0xffff_ffff }],
    ["a range that begins beyond all UIDs", { afterUid: 0xffff_ffff, upTo: 0xffff_ffff }],
    ["messages above all UIDs", { afterUid: UID_MAX, upTo: UID_MAX, steps: [1] }],
    ["messages of the last UID, when that was told of", { afterUid: UID_MAX, upTo: UID_MAX, steps: [CHUNK_MAX + 1] }],
  ])("is refused with %s", (_what, question) => {
    expect(() => ask(question)).toThrow(REFUSED);
  });
});
