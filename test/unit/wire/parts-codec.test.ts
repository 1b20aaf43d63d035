/** Questions for bytes of messages, and answers with them: what is beyond their limits, or cannot be, is refused. */
import { create, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { EnvelopeSchema } from "../../../src/wire/gen/link_pb.js";
import { decodeMessage } from "../../../src/wire/message-codec.js";
import { PARTS_BYTES_MAX, STATES_MAX } from "../../../src/wire/sums.js";

type Inner = NonNullable<NonNullable<Parameters<typeof create<typeof EnvelopeSchema>>[1]>["message"]>;

const decode = (message: Inner) =>
  decodeMessage({ head: toBinary(EnvelopeSchema, create(EnvelopeSchema, { message })), payloads: [] });
const bytes = (text: string) => Buffer.from(text, "latin1");
const refused = (words: RegExp) =>
  expect.objectContaining({ code: "wire-invalid", message: expect.stringMatching(words) });

const PATH = bytes("u1/Maildir");

function ask(steps: readonly number[], bases: readonly string[] = steps.map((step) => `b${step}`), path = PATH) {
  const value = { path, steps: [...steps], bases: bases.map(bytes), offset: 7n };
  return () => decode({ case: "request", value: { id: 1, ask: { case: "readMessages", value } } });
}

function answer(parts: readonly { readonly absent?: boolean; readonly size?: bigint; readonly bytes?: Uint8Array }[]) {
  return () => decode({ case: "reply", value: { id: 1, messageParts: { parts: [...parts] } } });
}

test("a question names each message by UID and base name, ascending", () => {
  const messages = [
    { uid: 3, base: "b3" },
    { uid: 4, base: "b1" },
  ];
  expect(ask([3, 1])()).toMatchObject({ ask: { kind: "read-messages", path: "u1/Maildir", messages, offset: 7 } });
});

test.each<readonly [string, () => unknown, RegExp]>([
  ["a UID twice", ask([3, 0]), /do not ascend/],
  ["a UID beyond the last one", ask([0xffff_ffff, 1]), /./],
  ["a base name too few", ask([1, 1], ["a"]), /one base name for each/],
  ["a base name that is none", ask([1], ["a/b"]), /./],
  ["too many messages", ask(Array.from({ length: STATES_MAX + 1 }, () => 1)), /too many messages/],
  ["a path that leads out of the store", ask([1], ["a"], bytes("u1/../../etc")), /not a relative path/],
])("a question with %s is refused", (_what, question, words) => {
  expect(question).toThrow(refused(words));
});

test("an answer has as many bytes as it may, and no part more than its message", () => {
  const whole = new Uint8Array(PARTS_BYTES_MAX);
  expect(answer([{ absent: true }, { size: 0n }, { size: 1n << 40n, bytes: whole }])()).toMatchObject({
    result: { answer: { kind: "message-parts", parts: [undefined, { size: 0 }, { size: 2 ** 40 }] } },
  });
  expect(
    answer([
      { size: 1n, bytes: bytes("x") },
      { size: 1n << 40n, bytes: whole },
    ]),
  ).toThrow(refused(/too many bytes/));
  expect(answer([{ size: 1n, bytes: bytes("xy") }])).toThrow(refused(/longer than its message/));
  expect(answer(Array.from({ length: STATES_MAX + 1 }, () => ({ absent: true })))).toThrow(
    refused(/too many messages/),
  );
  expect(answer([{ size: 1n << 60n }])).toThrow(refused(/too large/));
});
