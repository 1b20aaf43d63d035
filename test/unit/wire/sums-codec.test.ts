/** What an end takes for questions and answers of a comparison by sums, and what it refuses although protobuf would take it. */
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { UID_MAX } from "../../../src/maildir/ids.js";
import { EnvelopeSchema, type ReplySchema } from "../../../src/wire/gen/link_pb.js";
import { decodeMessage } from "../../../src/wire/message-codec.js";
import { PARTS_MAX } from "../../../src/wire/spans.js";
import { MAILBOX_SUMS_MAX, MARKS_MAX, SPANS_MAX, STATES_MAX } from "../../../src/wire/sums.js";

type Init = NonNullable<MessageInitShape<typeof EnvelopeSchema>["message"]>;
type Answer = Omit<MessageInitShape<typeof ReplySchema>, "$typeName">;

const decode = (message: Init) =>
  decodeMessage({ head: toBinary(EnvelopeSchema, create(EnvelopeSchema, { message })), payloads: [] });
const bytes = (text: string) => Buffer.from(text, "latin1");
const refused = (words: RegExp) =>
  expect.objectContaining({ code: "wire-invalid", message: expect.stringMatching(words) });
const many = <T>(length: number, value: T): T[] => Array.from({ length }, () => value);

const PATH = bytes("u1/Maildir");
/** The chunk above the last one that has a UID. */
const END = UID_MAX / 128 + 1;

describe.each(["sumRanges", "markMessages"] as const)("spans of %s", (kind) => {
  const ask = (bounds: number[], path: Uint8Array = PATH) =>
    decode({ case: "request", value: { id: 1, ask: { case: kind, value: { path, bounds } } } });

  test("ascend in chunks of 128 UIDs, may touch, and may be all UIDs, or none", () => {
    expect(ask([0, 1, 1, 3, 7, END])).toMatchObject({
      ask: {
        path: "u1/Maildir",
        spans: [
          { from: 0, below: 128 },
          { from: 128, below: 384 },
          { from: 896, below: END * 128 },
        ],
      },
    });
    expect(ask([END - 1, END])).toMatchObject({ ask: { spans: [{ from: UID_MAX, below: END * 128 }] } });
    expect(ask([])).toMatchObject({ ask: { spans: [] } });
    const most = Array.from({ length: 2 * SPANS_MAX }, (_, at) => at);
    expect(ask(most)).toMatchObject({ ask: { spans: { length: SPANS_MAX } } });
  });

  test.each<readonly [string, number[], RegExp]>([
    ["that overlap", [0, 4, 3, 8], /do not ascend/],
    ["one within another", [0, 8, 2, 4], /do not ascend/],
    ["one twice", [2, 4, 2, 4], /do not ascend/],
    ["one that runs backwards", [4, 2], /do not ascend/],
    ["one below the one before", [4, 8, 0, 2], /do not ascend/],
    ["one of nothing", [3, 3], /do not ascend/],
    ["one without an end", [0, 4, 6], /its spans are none/],
    ["more than there may be", Array.from({ length: 2 * SPANS_MAX + 2 }, (_, at) => at), /its spans are none/],
    ["one above all UIDs", [END, END + 1], /do not ascend/],
    ["one that ends above all UIDs", [0, END + 1], /have no end/],
    ["one that ends nowhere", [0, 0xffff_ffff], /have no end/],
  ])("%s are refused", (_what, bounds, words) => {
    expect(() => ask(bounds)).toThrow(refused(words));
  });

  test.each(["../etc", "/etc", "u1//Maildir", "a\0b"])("of a mailbox at %j are refused", (path) => {
    expect(() => ask([0, 1], bytes(path))).toThrow(refused(/not a relative path/));
  });
});

describe.each(["tellMessages", "hashMessages"] as const)("messages of %s", (kind) => {
  const ask = (steps: number[], path: Uint8Array = PATH) =>
    decode({ case: "request", value: { id: 1, ask: { case: kind, value: { path, steps } } } });

  test("ascend by UID, as many as there may be, or none", () => {
    expect(ask([3, 1, UID_MAX - 4])).toMatchObject({ ask: { path: "u1/Maildir", uids: [3, 4, UID_MAX] } });
    expect(ask([])).toMatchObject({ ask: { uids: [] } });
    expect(ask(many(STATES_MAX, 1))).toMatchObject({ ask: { uids: { length: STATES_MAX } } });
  });

  test.each<readonly [string, number[], RegExp]>([
    ["one twice", [3, 0], /do not ascend/],
    ["UID 0", [0], /do not ascend/],
    ["one that is too high", [UID_MAX + 1], /is not in 1\.\./],
    ["one beyond 32 bits", [0xffff_ffff, 0xffff_ffff], /is not in 1\.\./],
    ["some that run backwards, as a number that wraps", [5, 0xffff_fffe], /is not in 1\.\./],
    ["more than there may be", many(STATES_MAX + 1, 1), /too many messages/],
  ])("%s are refused", (_what, steps, words) => {
    expect(() => ask(steps)).toThrow(refused(words));
  });

  test("of a mailbox outside of the store are refused", () => {
    expect(() => ask([1], bytes("u1/../../etc"))).toThrow(refused(/not a relative path/));
  });
});

test("a page of mailboxes begins above a path of the store", () => {
  const ask = (value: { readonly after?: Uint8Array }) =>
    decode({ case: "request", value: { id: 1, ask: { case: "sumMailboxes", value } } });
  expect(ask({})).toMatchObject({ ask: { kind: "sum-mailboxes", after: undefined } });
  expect(ask({ after: bytes("") })).toMatchObject({ ask: { after: "" } });
  expect(() => ask({ after: bytes("../etc") })).toThrow(refused(/not a relative path/));
});

describe("an answer", () => {
  const answer = (reply: Answer) => decode({ case: "reply", value: { id: 1, ...reply } });
  const digest = new Uint8Array(16);
  const mailbox = {
    ...{ path: PATH, guid: new Uint8Array(16).fill(7), uidValidity: 1, uidNext: 5n, messages: 4, digest },
  };
  const mailboxSums = (...mailboxes: (typeof mailbox)[]) => ({ mailboxSums: { mailboxes } });
  const state = { uid: 1, base: bytes("m1") };

  test("may be as long as a page", () => {
    const ranges = SPANS_MAX * PARTS_MAX;
    const rangeSums = { counts: many(ranges, 3), digests: new Uint8Array(16 * ranges) };
    expect(answer({ rangeSums })).toMatchObject({ result: { answer: { ranges: { length: ranges } } } });
    const messageMarks = { steps: many(MARKS_MAX, 1), marks: new Uint8Array(8 * MARKS_MAX) };
    expect(answer({ messageMarks })).toMatchObject({ result: { answer: { marks: { length: MARKS_MAX } } } });
    expect(answer(mailboxSums(...many(MAILBOX_SUMS_MAX, mailbox)))).toMatchObject({
      result: { answer: { mailboxes: { length: MAILBOX_SUMS_MAX } } },
    });
  });

  test("has a mailbox with all UIDs given out, or one that could not be read, and words that are safe to print", () => {
    const full = { ...mailbox, uidNext: BigInt(UID_MAX + 1), messages: UID_MAX };
    expect(answer(mailboxSums(full))).toMatchObject({
      result: { answer: { mailboxes: [{ kind: "sum", uidNext: UID_MAX + 1, messages: UID_MAX }] } },
    });
    expect(answer({ mailboxSums: { mailboxes: [{ path: PATH, words: "a\u001b[2Jb" }] } })).toMatchObject({
      result: { answer: { mailboxes: [{ kind: "unread", path: "u1/Maildir", words: "a [2Jb" }] } },
    });
  });

  test.each<readonly [string, Answer, RegExp]>([
    ["half a digest of the store", { storeSum: { digest: new Uint8Array(8) } }, /a digest has the wrong length/],
    ["no digest of the store", { storeSum: {} }, /a digest has the wrong length/],
    ["more messages than can be counted", { storeSum: { digest, messages: 1n << 60n } }, /too large/],
    ["too many mailboxes", mailboxSums(...many(MAILBOX_SUMS_MAX + 1, mailbox)), /too many mailboxes/],
    ["a mailbox outside of the store", mailboxSums({ ...mailbox, path: bytes("../x") }), /not a relative path/],
    ["a GUID that is too short", mailboxSums({ ...mailbox, guid: new Uint8Array(15) }), /32 hex digits/],
    ["a GUID that is too long", mailboxSums({ ...mailbox, guid: new Uint8Array(17) }), /32 hex digits/],
    ["UIDVALIDITY 0", mailboxSums({ ...mailbox, uidValidity: 0 }), /UIDVALIDITY/],
    ["a next UID of 0", mailboxSums({ ...mailbox, uidNext: 0n, messages: 0 }), /the next UID of a mailbox is none/],
    ["a next UID beyond all", mailboxSums({ ...mailbox, uidNext: BigInt(UID_MAX + 2) }), /the next UID of a mailbox/],
    ["a next UID that wraps", mailboxSums({ ...mailbox, uidNext: 1n << 63n }), /too large/],
    ["more messages than UIDs", mailboxSums({ ...mailbox, messages: 5 }), /more messages than UIDs/],
    ["half a digest of a mailbox", mailboxSums({ ...mailbox, digest: new Uint8Array(8) }), /wrong length/],
    [
      "more sums than parts",
      { rangeSums: { counts: many(257, 0), digests: new Uint8Array(16 * 257) } },
      /not as many as they should be/,
    ],
    ["a sum without a digest", { rangeSums: { counts: [1, 1], digests: digest } }, /not as many as they should be/],
    ["half a mark", { messageMarks: { steps: [1], marks: new Uint8Array(4) } }, /not as many as they should be/],
    ["a mark too many", { messageMarks: { steps: [1], marks: new Uint8Array(16) } }, /not as many as they should be/],
    [
      "more marks than a page",
      { messageMarks: { steps: many(MARKS_MAX + 1, 1), marks: new Uint8Array(8 * (MARKS_MAX + 1)) } },
      /not as many as they should be/,
    ],
    ["a mark twice", { messageMarks: { steps: [4, 0], marks: new Uint8Array(16) } }, /do not ascend/],
    ["a mark of a UID that cannot be", { messageMarks: { steps: [0xffff_ffff], marks: new Uint8Array(8) } }, /1\.\./],
    ["more messages than a page", { messageStates: { messages: many(STATES_MAX + 1, state) } }, /too many messages/],
    ["a message with UID 0", { messageStates: { messages: [{ ...state, uid: 0 }] } }, /1\.\./],
    ["a message that is a path", { messageStates: { messages: [{ uid: 1, base: bytes("a/b") }] } }, /base name/],
    ["flags that are none", { messageStates: { messages: [{ ...state, flags: 64 }] } }, /flags that do not exist/],
    ["a second line in a record", { messageStates: { messages: [{ ...state, fields: bytes("a\n2 b") }] } }, /record/],
    ["more hashes than a page", { messageHashes: { sha256: many(STATES_MAX + 1, digest) } }, /too many hashes/],
    ["half a hash", { messageHashes: { sha256: [new Uint8Array(16)] } }, /wrong length/],
  ])("is refused with %s", (_what, reply, words) => {
    expect(() => answer(reply)).toThrow(refused(words));
  });

  test("has a hash for each message, or none where it is not there", () => {
    const sha256 = [new Uint8Array(32).fill(0xab), new Uint8Array(0)];
    expect(answer({ messageHashes: { sha256 } })).toMatchObject({
      result: { answer: { kind: "message-hashes", hashes: ["ab".repeat(32), undefined] } },
    });
  });
});
