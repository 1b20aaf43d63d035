/** Messages of which a few bytes would be a hundred times as many, decoded: what travels compressed costs whoever sends it next to nothing. */
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { expect, test } from "vitest";
import { parseBaseName, parseUid, UID_MAX } from "../../../src/maildir/ids.js";
import { NO_MARKS } from "../../../src/txn/message-state.js";
import { EnvelopeSchema } from "../../../src/wire/gen/link_pb.js";
import { decodeMessage, encodeMessage, HEAD_BYTES_MAX } from "../../../src/wire/message-codec.js";
import { type Answer, COMPARED_MESSAGES_MAX, type SurveyedMailbox } from "../../../src/wire/messages.js";
import { path } from "../agent/pair.js";

const REFUSED = expect.objectContaining({
  code: "wire-invalid",
  cause: expect.objectContaining({ message: "it is more values than so many bytes have" }),
});

type Init = NonNullable<MessageInitShape<typeof EnvelopeSchema>["message"]>;

/** The number of that field in that message. */
function numberOf(
  name: string,
  from: { readonly fields: readonly { readonly name: string; readonly number: number }[] },
) {
  return from.fields.find((field) => field.name === name)?.number ?? 0;
}

/** A reply with that page, whose bytes are these. */
function replyOf(name: string, page: Uint8Array): Uint8Array {
  const field = EnvelopeSchema.fields.find((it) => it.name === "reply");
  const number = numberOf(name, field?.message ?? EnvelopeSchema);
  const reply = new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(page).finish();
  return new BinaryWriter()
    .tag(field?.number ?? 0, WireType.LengthDelimited)
    .bytes(reply)
    .finish();
}

const decode = (head: Uint8Array) => decodeMessage({ head, payloads: [] });
const encode = (message: Init) => toBinary(EnvelopeSchema, create(EnvelopeSchema, { message }));
const roundTrip = (answer: Answer) =>
  decodeMessage(encodeMessage({ kind: "reply", id: 1, result: { ok: true, answer } }));

const NEARLY_ALL = HEAD_BYTES_MAX - 1024;

test.each<[string, Uint8Array]>([
  [
    "messages of nothing",
    replyOf(
      "held",
      Uint8Array.from({ length: NEARLY_ALL }, (_, at) => (at % 2 === 0 ? 0x2a : 0)),
    ),
  ],
  [
    "names of nothing",
    replyOf(
      "message_hashes",
      Uint8Array.from({ length: NEARLY_ALL }, (_, at) => (at % 2 === 0 ? 0x0a : 0)),
    ),
  ],
  ...["limbo", "limbo_files", "limbo_parts"].map((page): [string, Uint8Array] => [
    `of a limbo entries of nothing (${page})`,
    replyOf(
      page,
      Uint8Array.from({ length: NEARLY_ALL }, (_, at) => (at % 2 === 0 ? 0x0a : 0)),
    ),
  ]),
  [
    "numbers",
    encode({
      case: "request",
      value: { id: 1, ask: { case: "tellHeld", value: { steps: Array.from({ length: 2 ** 20 }, () => 1) } } },
    }),
  ],
])("%s in any number are not decoded", (_what, head) => {
  expect(() => decode(head)).toThrow(REFUSED);
});

test("the largest page of messages, each with all keywords that there are, is", () => {
  const keywords = Array.from({ length: 26 }, (_, at) => String.fromCharCode(0x61 + at));
  const messages = Array.from({ length: COMPARED_MESSAGES_MAX }, (_, at) => {
    const state = { uid: parseUid(at + 1), base: parseBaseName("b"), ...NO_MARKS, size: 0, mtimeS: 0, fields: "" };
    return { ...state, keywords, held: "applied" as const };
  });
  const answer: Answer = { kind: "tell-held", messages, reached: UID_MAX };
  expect(roundTrip(answer)).toMatchObject({ result: { answer: { messages: { length: COMPARED_MESSAGES_MAX } } } });
});

test("a list of all mailboxes of a large store is", () => {
  const mailboxes = Array.from({ length: 100_000 }, (_, at): SurveyedMailbox => {
    return { path: path(`user${at}/Maildir`), guid: "", uidValidity: 0, uidNext: 0 };
  });
  const read = roundTrip({ kind: "survey", mailboxes });
  expect(read).toMatchObject({ result: { answer: { mailboxes: { length: 100_000 } } } });
});
