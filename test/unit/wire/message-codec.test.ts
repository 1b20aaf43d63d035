/** The limits of the wire's codec, and what it refuses although protobuf would take it. */
import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { isRawPath, type RawPath } from "../../../src/base/raw-name.js";
import { parseMailboxGuid, parseUid, UID_MAX } from "../../../src/maildir/ids.js";
import { TRANSACTION_CHANGES_MAX } from "../../../src/txn/transaction.js";
import { TRANSACTION_BYTES_MAX } from "../../../src/txn/transaction-rules.js";
import { type Envelope, EnvelopeSchema } from "../../../src/wire/gen/link_pb.js";
import { decodeMessage, encodeMessage, HEAD_BYTES_MAX, PAYLOAD_BYTES_MAX } from "../../../src/wire/message-codec.js";
import { ALONG_BODIES_MAX, ALONG_BYTES_MAX, type WireMessage } from "../../../src/wire/messages.js";

const GUID = parseMailboxGuid("0123456789abcdef0123456789abcdef");

type Inner = NonNullable<Parameters<typeof create<typeof EnvelopeSchema>>[1]>["message"];

function headOf(message: NonNullable<Inner>): Uint8Array {
  return toBinary(EnvelopeSchema, create(EnvelopeSchema, { message }) satisfies Envelope);
}

function decode(message: NonNullable<Inner>, ...payloads: readonly Uint8Array[]): WireMessage {
  return decodeMessage({ head: headOf(message), payloads });
}

function rawPath(text: string): RawPath {
  if (!isRawPath(text)) throw new Error(`not a path: ${text}`);
  return text;
}

const REFUSED = expect.objectContaining({ code: "wire-invalid" });

test("words of the other end have nothing that a terminal acts on", () => {
  const words = "\u001b]0;x\u0007 caf\u00e9 \\xe9 \u009b31m\u202e\n";
  const outcome = decode({
    case: "outcome",
    value: { id: 1n, notes: [words], divergence: { code: words, words, path: Buffer.from("a") } },
  });
  const shown = " ]0;x  caf\u00e9 \\xe9  31m  ";
  expect(outcome).toMatchObject({ notes: [shown], divergence: { code: shown, words: shown } });
  const failure = { code: words, message: words, hint: words, disposition: "retry", exitCode: 1 };
  expect(decode({ case: "reply", value: { id: 1, failure } })).toMatchObject({
    result: { failure: { code: shown, message: shown, hint: shown } },
  });
});

describe("limits", () => {
  test("a head of the longest length is read, a longer one is not", () => {
    expect(() => decodeMessage({ head: new Uint8Array(HEAD_BYTES_MAX + 1), payloads: [] })).toThrow(/longer than/);
    expect(() => decodeMessage({ head: new Uint8Array(HEAD_BYTES_MAX), payloads: [] })).toThrow(/well-formed/);
  });

  test("payloads count together", () => {
    const head = headOf({ case: "bodyPart", value: { id: 1n } });
    const half = new Uint8Array(PAYLOAD_BYTES_MAX / 2 + 1);
    expect(decodeMessage({ head, payloads: [half] })).toMatchObject({ kind: "body-part" });
    expect(() => decodeMessage({ head, payloads: [half, half] })).toThrow(/longer than/);
    expect(() => decodeMessage({ head, payloads: [new Uint8Array(PAYLOAD_BYTES_MAX + 1)] })).toThrow(REFUSED);
  });

  test("an offer is as long as a transaction can be, and no longer", () => {
    const offer = (bytes: number) => decode({ case: "offer", value: { id: 1n, mailbox: GUID } }, new Uint8Array(bytes));
    expect(offer(TRANSACTION_BYTES_MAX)).toMatchObject({ kind: "offer" });
    expect(() => offer(TRANSACTION_BYTES_MAX + 1)).toThrow(REFUSED);
  });

  test("no more bodies are wanted than a transaction has, and a head that says more is not decoded", () => {
    const indexes = (count: number) => Array.from({ length: count }, (_, i) => i);
    const want = (count: number) => decode({ case: "want", value: { id: 1n, indexes: indexes(count) } });
    expect(want(TRANSACTION_CHANGES_MAX)).toMatchObject({ kind: "want", indexes: indexes(TRANSACTION_CHANGES_MAX) });
    expect(() => want(TRANSACTION_CHANGES_MAX + 1)).toThrow(/more than a transaction has/);
    expect(() => want(100_000)).toThrow(/well-formed/);
    const refused = (count: number) =>
      decode({ case: "outcome", value: { id: 1n, divergence: { code: "uid-passed", uids: indexes(count) } } });
    expect(refused(TRANSACTION_CHANGES_MAX)).toMatchObject({ kind: "outcome" });
    expect(() => refused(TRANSACTION_CHANGES_MAX + 1)).toThrow(/more than a transaction has/);
    const half = headOf({ case: "want", value: { indexes: indexes(TRANSACTION_CHANGES_MAX) } });
    const often = Buffer.concat(Array.from({ length: 20 }, () => half)); // each short enough; together they are one.
    expect(() => decodeMessage({ head: often, payloads: [] })).toThrow(REFUSED);
  });

  test("what this program does not know is passed over, and not kept", () => {
    const known = headOf({ case: "retry", value: { id: 7n } });
    const unknown = Buffer.concat(Array.from({ length: 1000 }, () => Buffer.from([0xa0, 0x06, 0x01]))); // field 100.
    const head = Buffer.concat([known, unknown]);
    expect(decodeMessage({ head, payloads: [] })).toEqual(decodeMessage({ head: known, payloads: [] }));
    const retry = Buffer.concat([Buffer.from([0x08, 0x07]), unknown]);
    const inside = Buffer.concat([Buffer.from([0x42, 0x80 | (retry.length & 0x7f), retry.length >> 7]), retry]);
    expect(decodeMessage({ head: inside, payloads: [] })).toMatchObject({ kind: "retry", id: 7 });
  });

  test("numbers beyond the exact integers are refused", () => {
    const id = BigInt(Number.MAX_SAFE_INTEGER);
    expect(decode({ case: "retry", value: { id } })).toMatchObject({ id: Number.MAX_SAFE_INTEGER });
    expect(() => decode({ case: "retry", value: { id: id + 1n } })).toThrow(REFUSED);
  });

  test("texts and names end at 4096", () => {
    expect(decode({ case: "hello", value: { software: "x".repeat(4096) } })).toMatchObject({ kind: "hello" });
    expect(() => decode({ case: "hello", value: { software: "x".repeat(4097) } })).toThrow(REFUSED);
    const bases = [new Uint8Array(4097).fill(0x61)];
    const ask = { case: "foreign" as const, value: { path: new Uint8Array(0), bases, action: "limbo" } };
    expect(() => decode({ case: "request", value: { id: 1, ask } })).toThrow(REFUSED);
  });

  test("words that are too long are cut by the sender, so that the message itself arrives", () => {
    const path = rawPath(Array.from({ length: 16 }, () => "\u00e4".repeat(255)).join("/"));
    const divergence = { code: "mailbox-missing", words: "\u{1f4e8}".repeat(5000), path, uids: [], replicaNext: 0 };
    const decoded = decodeMessage(encodeMessage({ kind: "outcome", id: 7, divergence, notes: ["n".repeat(9999)] }));
    if (decoded.kind !== "outcome") throw new Error(decoded.kind);
    expect(decoded.divergence?.path).toBe(path);
    expect(decoded.divergence?.words).toMatch(/^\u{1f4e8}{2000}.*…$/u);
    expect(decoded.notes).toStrictEqual([`${"n".repeat(4094)}…`]);
    const failure = {
      code: "EIO",
      message: "m".repeat(5000),
      hint: "h".repeat(5000),
      disposition: "bug",
      exitCode: 70,
    };
    expect(decodeMessage(encodeMessage({ kind: "reply", id: 1, result: { ok: false, failure } }))).toMatchObject({
      result: { ok: false, failure: { message: `${"m".repeat(4094)}…`, hint: `${"h".repeat(4094)}…` } },
    });
  });
});

describe("refused", () => {
  test("an empty head, and a kind that is not known here", () => {
    expect(() => decodeMessage({ head: new Uint8Array(0), payloads: [] })).toThrow(/kind is not known/);
    expect(() => decodeMessage({ head: Uint8Array.of(0xfa, 0x07, 0), payloads: [] })).toThrow(/kind is not known/);
    expect(() => decode({ case: "request", value: { id: 3 } })).toThrow(/kind is not known/);
    expect(() => decode({ case: "reply", value: { id: 3 } })).toThrow(/it is empty/);
  });

  test.each(["/etc/passwd", "..", "a/../b", "a//b", "a\0b", "./a"])("the path %j", (path) => {
    const value = { path: Buffer.from(path, "latin1"), afterUid: 0 };
    expect(() => decode({ case: "request", value: { id: 1, ask: { case: "inventory", value } } })).toThrow(REFUSED);
  });

  test("identities that cannot be", () => {
    const payload = new Uint8Array(1);
    expect(() => decode({ case: "offer", value: { id: 1n, mailbox: "xyz" } }, payload)).toThrow(REFUSED);
    const yieldUids = (from: number) =>
      decode({
        case: "request",
        value: { id: 1, ask: { case: "yieldUids", value: { mailbox: GUID, from, floor: 9 } } },
      });
    expect(yieldUids(UID_MAX)).toMatchObject({ ask: { from: parseUid(UID_MAX) } });
    expect(() => yieldUids(0)).toThrow(REFUSED);
    expect(() => yieldUids(UID_MAX + 1)).toThrow(REFUSED);
  });

  test("an action that is not known here", () => {
    const ask = { case: "foreign" as const, value: { path: new Uint8Array(0), bases: [], action: "remove" } };
    expect(() => decode({ case: "request", value: { id: 1, ask } })).toThrow(REFUSED);
  });

  test("hashes that are not one for each name, or not as long as a SHA-256", () => {
    const foreign = (...hashes: readonly Uint8Array[]) => {
      const value = { path: new Uint8Array(0), bases: [Buffer.from("a"), Buffer.from("b")], action: "limbo", hashes };
      return decode({
        case: "request",
        value: { id: 1, ask: { case: "foreign", value: { ...value, hashes: [...hashes] } } },
      });
    };
    const hash = new Uint8Array(32);
    expect(foreign(hash, hash)).toMatchObject({ ask: { bases: ["a", "b"], hashes: [hash, hash] } });
    expect(() => foreign(hash)).toThrow(REFUSED);
    expect(() => foreign(hash, hash, hash)).toThrow(REFUSED);
    expect(() => foreign(hash, new Uint8Array(31))).toThrow(REFUSED);
  });

  test("a payload that is missing, or one too many", () => {
    const offer = { case: "offer" as const, value: { id: 1n, mailbox: GUID } };
    expect(() => decode(offer)).toThrow(REFUSED);
    expect(() => decode(offer, new Uint8Array(1), new Uint8Array(1))).toThrow(REFUSED);
  });

  test("bodies that are not what their heads say", () => {
    const sha256 = new Uint8Array(32);
    const head = { index: 0, size: 2n, sha256 };
    const bodies = (...heads: readonly object[]) => ({
      case: "bodies" as const,
      value: { id: 1n, heads: [...heads] },
    });
    const two = Uint8Array.of(1, 2);
    expect(decode(bodies(head), two)).toMatchObject({ payloads: [two] });
    expect(() => decode(bodies(head), Uint8Array.of(1))).toThrow(REFUSED);
    expect(() => decode(bodies(head))).toThrow(REFUSED);
    expect(() => decode(bodies(head, { ...head, index: 1 }), two)).toThrow(REFUSED);
    expect(() => decode(bodies({ ...head, gone: true }), two)).toThrow(REFUSED);
    expect(() => decode(bodies({ ...head, sha256: new Uint8Array(31) }), two)).toThrow(REFUSED);
    expect(() => decode(bodies({ ...head, sha256: new Uint8Array(0) }), two)).toThrow(REFUSED);
  });

  test("a last part without the hash of the whole", () => {
    const part = (last: boolean) => ({ case: "bodyPart" as const, value: { id: 1n, index: 0, offset: 0n, last } });
    expect(decode(part(false), new Uint8Array(1))).toMatchObject({ kind: "body-part" });
    expect(() => decode(part(true), new Uint8Array(1))).toThrow(REFUSED);
  });
});

describe("bodies that come along with an offer", () => {
  const sha256 = new Uint8Array(32).fill(7);
  const payload = Uint8Array.of(9);
  const headsFor = (bodies: readonly Uint8Array[]) =>
    bodies.map(({ length }, index) => ({ index, size: BigInt(length), sha256 }));
  const offer = (heads: readonly object[], ...payloads: readonly Uint8Array[]) =>
    decode({ case: "offer", value: { id: 3n, lsn: 2n, mailbox: GUID, heads: [...heads] } }, ...payloads);
  const offerOf = (...bodies: readonly Uint8Array[]) => offer(headsFor(bodies), payload, ...bodies);

  test("arrive as they were sent, an empty one too", () => {
    const payloads = [Uint8Array.of(1, 2), new Uint8Array(0), Uint8Array.of(3)];
    const heads = payloads.map(({ length }, i) => ({ index: 5 * i, size: length, sha256, gone: false }));
    const message: WireMessage = {
      ...{ kind: "offer", id: 3, lsn: 2, mailbox: GUID, anew: true, payload },
      along: { heads, payloads },
    };
    const parcel = encodeMessage(message);
    expect(parcel.payloads).toStrictEqual([payload, ...payloads]);
    expect(decodeMessage(parcel)).toStrictEqual(message);
    expect(offer([], payload)).not.toHaveProperty("along");
  });

  test("are as many and as large as they may be, and no more", () => {
    const many = (count: number) => Array.from({ length: count }, () => Uint8Array.of(1));
    expect(offerOf(...many(ALONG_BODIES_MAX))).toMatchObject({ along: { payloads: many(ALONG_BODIES_MAX) } });
    expect(() => offerOf(...many(ALONG_BODIES_MAX + 1))).toThrow(/not what may come/);
    const half = new Uint8Array(ALONG_BYTES_MAX / 2);
    expect(offerOf(half, half)).toMatchObject({ along: { payloads: [half, half] } });
    expect(() => offerOf(half, half, Uint8Array.of(1))).toThrow(/not what may come/);
    expect(() => offerOf(new Uint8Array(ALONG_BYTES_MAX + 1))).toThrow(REFUSED);
  });

  test("are refused where one is gone: nobody asked", () => {
    const gone = { index: 0, size: 0n, sha256: new Uint8Array(0), gone: true };
    expect(() => offer([gone], payload)).toThrow(/not what may come/);
    expect(() => offer([...headsFor([payload]), gone], payload, payload)).toThrow(/not what may come/);
  });

  test("are refused where they are not what their heads say", () => {
    const two = Uint8Array.of(1, 2);
    const [head] = headsFor([two]);
    expect(offer([{ ...head }], payload, two)).toMatchObject({ payload, along: { payloads: [two] } });
    expect(() => offer([{ ...head }], payload, payload)).toThrow(/not what was announced/);
    expect(() => offer([{ ...head, size: 2n ** 60n }], payload, two)).toThrow(REFUSED);
    expect(() => offer([{ ...head }], payload)).toThrow(/not what was announced/);
    expect(() => offer([], payload, two)).toThrow(/not what was announced/);
    expect(() => offer([{ ...head }], payload, two, two)).toThrow(/not what was announced/);
    expect(() => offer([{ ...head, sha256: new Uint8Array(31) }], payload, two)).toThrow(REFUSED);
    expect(() => offer([{ ...head, sha256: new Uint8Array(0) }], payload, two)).toThrow(REFUSED);
  });

  test("do not come without their transaction", () => {
    expect(() => offer([{ index: 0, size: 0n, sha256 }])).toThrow(/payload is missing/);
  });
});

test("fields that a newer release added are passed over", () => {
  const head = Buffer.concat([
    headOf({ case: "retry", value: { id: 5n, giveUp: true } }),
    Buffer.from([0xf8, 0x07, 1]),
  ]);
  expect(decodeMessage({ head, payloads: [] })).toStrictEqual({ kind: "retry", id: 5, voidBelow: 0, giveUp: true });
});

test("files without a UID are told of with what is compared, as many as a mailbox can have", () => {
  const page = { kind: "compare", looked: UID_MAX } as const;
  const reply = (unnumbered: number): WireMessage => {
    return { kind: "reply", id: 1, result: { ok: true, answer: { ...page, unnumbered } } };
  };
  const read = (unnumbered: number) =>
    decode({ case: "reply", value: { id: 1, compare: { looked: UID_MAX, unnumbered } } });
  expect(decodeMessage(encodeMessage(reply(3)))).toStrictEqual(reply(3));
  expect(decodeMessage(encodeMessage(reply(2 ** 40)))).toStrictEqual(reply(2 ** 24));
  expect(read(0xffff_ffff)).toStrictEqual(reply(2 ** 24));
  // An end that does not know the field says nothing.
  expect(read(0)).toStrictEqual({ kind: "reply", id: 1, result: { ok: true, answer: page } });
});
