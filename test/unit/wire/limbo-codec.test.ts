/** Questions about the limbo, and their answers: what is beyond their limits, or cannot be, is refused. */
import { create, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { EnvelopeSchema } from "../../../src/wire/gen/link_pb.js";
import { LIMBO_FILES_MAX, LIMBO_PAGE_MAX, LIMBO_READ_MAX } from "../../../src/wire/limbo.js";
import { decodeMessage } from "../../../src/wire/message-codec.js";
import { PARTS_BYTES_MAX } from "../../../src/wire/sums.js";

type Inner = NonNullable<NonNullable<Parameters<typeof create<typeof EnvelopeSchema>>[1]>["message"]>;
type RequestInit = Extract<Inner, { case: "request" }>["value"];
type ReplyInit = Extract<Inner, { case: "reply" }>["value"];

const decode = (message: Inner) =>
  decodeMessage({ head: toBinary(EnvelopeSchema, create(EnvelopeSchema, { message })), payloads: [] });
const ask = (value: RequestInit["ask"]) => () => decode({ case: "request", value: { id: 1, ask: value } as never });
const answer = (value: ReplyInit) => () => decode({ case: "reply", value: { id: 1, ...value } as never });
const bytes = (text: string) => Buffer.from(text, "latin1");

const GUID = "0123456789abcdef0123456789abcdef";
const NAME = `2026-11-29/${GUID}.7.0123456789abcdef`;
const ROW = { name: NAME, mailbox: GUID, path: bytes("u1/Maildir"), uid: 7, cause: "expunge" };
const rows = (...changed: readonly object[]) =>
  answer({ limbo: { rows: changed.map((each) => ({ ...ROW, ...each })), more: false } } as never);
const parts = (...all: readonly object[]) => answer({ limboParts: { parts: all } } as never);

test("what may be said comes through", () => {
  expect(rows({ gone: true })()).toMatchObject({
    result: { answer: { kind: "limbo-page", rows: [{ name: NAME, uid: 7, base: "", isThere: false }], more: false } },
  });
  const files = [{ file: bytes("cur/1.h:2,S"), size: 3n }];
  expect(answer({ limboFiles: { files, more: true } } as never)()).toMatchObject({
    result: { answer: { kind: "limbo-files", files: [{ file: "cur/1.h:2,S", size: 3 }], more: true } },
  });
  const sha256 = new Uint8Array(32);
  expect(parts({ absent: true }, { size: 1n, mtimeS: 5n, bytes: bytes("x"), sha256 })()).toMatchObject({
    result: { answer: { kind: "limbo-parts", parts: [undefined, { size: 1, mtimeS: 5 }] } },
  });
});

const many = (count: number) => Array.from({ length: count }, () => ({}));
test.each<readonly [string, () => unknown]>([
  [
    "asks behind a name that leads elsewhere",
    ask({ case: "tellLimbo", value: { after: "../../etc/passwd" } } as never),
  ],
  ["asks for files of what is none of the limbo", ask({ case: "tellLimboFiles", value: { name: "x" } } as never)],
  [
    "asks for a file in tmp/",
    ask({ case: "readLimbo", value: { files: [{ name: NAME, file: bytes("tmp/x") }] } } as never),
  ],
  [
    "asks for a file above",
    ask({ case: "readLimbo", value: { files: [{ name: NAME, file: bytes("cur/../../x") }] } } as never),
  ],
  [
    "asks for a file that is hidden",
    ask({ case: "readLimbo", value: { files: [{ name: NAME, file: bytes("cur/.x") }] } } as never),
  ],
  [
    "asks for too many files",
    ask({ case: "readLimbo", value: { files: many(LIMBO_READ_MAX + 1).map(() => ({ name: NAME })) } } as never),
  ],
  ["tells of too many rows", rows(...many(LIMBO_PAGE_MAX + 1))],
  ["tells of a row of no name", rows({ name: "" })],
  ["tells of a name with control bytes", rows({ name: `${NAME}\u001b[31m` })],
  ["tells of a name with a line more", rows({ name: `${NAME}\n` })],
  ["tells of a path that leads out of the store", rows({ path: bytes("u1/../../etc") })],
  ["tells of a UID that cannot be", rows({ uid: 0xffff_ffff })],
  ["tells of a base name that cannot be", rows({ base: bytes("a/b") })],
  ["tells of a cause with control bytes", rows({ cause: "\u001b[2J" })],
  ["tells of a mailbox that is none", rows({ mailbox: "x" })],
  ["tells of a size that cannot be", rows({ size: 1n << 60n })],
  [
    "tells of too many files",
    answer({ limboFiles: { files: many(LIMBO_FILES_MAX + 1).map(() => ({ file: bytes("cur/x") })) } } as never),
  ],
  ["tells of a file that is none", answer({ limboFiles: { files: [{ file: bytes("dovecot-uidlist") }] } } as never)],
  ["sends too many parts", parts(...many(LIMBO_READ_MAX + 1).map(() => ({ absent: true })))],
  ["sends too many bytes", parts(...[1, 2].map(() => ({ size: 1n << 40n, bytes: new Uint8Array(PARTS_BYTES_MAX) })))],
  ["sends more than a file has", parts({ size: 1n, bytes: bytes("xy") })],
  ["sends half a hash", parts({ size: 1n, bytes: bytes("x"), sha256: new Uint8Array(16) })],
])("an end that %s is refused", (_what, said) => {
  expect(said).toThrow(expect.objectContaining({ code: "wire-invalid" }));
});
