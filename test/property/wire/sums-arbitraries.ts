/** Arbitrary questions and answers of a comparison by sums, within the limits of sums.ts. */
import { fc } from "@fast-check/vitest";
import { parseUid, parseUidValidity, UID_MAX, type Uid } from "../../../src/maildir/ids.js";
import { CHUNK_UIDS, chunkOf } from "../../../src/txn/chunks.js";
import type { Answer, Ask } from "../../../src/wire/messages.js";
import {
  MAILBOX_SUMS_MAX,
  MARKS_MAX,
  SPANS_MAX,
  type Span,
  STATES_MAX,
  type SummedMailbox,
} from "../../../src/wire/sums.js";
import { baseNames, messageState } from "../txn/arbitraries.js";
import { bytes, digest, guid, hash, path, record, text, uint32, uint53 } from "./values.js";

/** Of the chunk above all UIDs. */
export const CHUNKS_MAX = chunkOf(UID_MAX) + 1;

const chunks = fc.oneof(fc.constantFrom(0, 1, CHUNKS_MAX - 1, CHUNKS_MAX), fc.nat(40), fc.nat(CHUNKS_MAX));

/** As many as there may be, or none; two of them may touch. */
const spans: fc.Arbitrary<Span[]> = fc.uniqueArray(chunks, { maxLength: SPANS_MAX + 1 }).map((bounds) => {
  const ascending = bounds.sort((a, b) => a - b);
  return ascending.slice(1).flatMap((below, at) => {
    const from = ascending[at] as number;
    return at % 4 === 3 ? [] : [{ from: from * CHUNK_UIDS, below: below * CHUNK_UIDS }];
  });
});

const uid = fc.oneof(
  fc.constantFrom(1, UID_MAX),
  fc.integer({ min: 1, max: 300 }),
  fc.integer({ min: 1, max: UID_MAX }),
);

const ascendingUids = (most: number): fc.Arbitrary<Uid[]> =>
  fc.uniqueArray(uid, { maxLength: most }).map((list) => list.sort((a, b) => a - b).map(parseUid));

const messagesOf = { path, uids: ascendingUids(STATES_MAX) };

const readAsk: fc.Arbitrary<Ask> = fc
  .tuple(path, fc.uniqueArray(fc.integer({ min: 1, max: UID_MAX }), { minLength: 1, maxLength: 5 }), baseNames, uint53)
  .chain(([at, uids, base, offset]) => {
    const messages = uids.sort((a, b) => a - b).map((each) => ({ uid: parseUid(each), base }));
    const common = { kind: "read-messages" as const, path: at, messages, offset };
    return fc.constantFrom<Ask>(common, { ...common, looksOnly: true });
  });

export const sumsAsks: fc.Arbitrary<Ask> = fc.oneof(
  fc.constant({ kind: "sum-store" as const }),
  record({ kind: fc.constant("sum-mailboxes" as const), after: fc.option(path, { nil: undefined }) }),
  record({ kind: fc.constantFrom("sum-ranges" as const, "mark-messages" as const), path, spans }),
  record({ kind: fc.constantFrom("tell-messages" as const, "hash-messages" as const), ...messagesOf }),
  readAsk,
);

const summed: fc.Arbitrary<SummedMailbox> = fc.oneof(
  { weight: 1, arbitrary: record({ kind: fc.constant("unread" as const), path, words: text }) },
  {
    weight: 3,
    arbitrary: fc.oneof(fc.constantFrom(1, UID_MAX + 1), fc.integer({ min: 1, max: 5000 })).chain((uidNext) =>
      record({
        ...{ kind: fc.constant("sum" as const), path, guid, unnumbered: uint32, digest },
        ...{ uidValidity: fc.integer({ min: 1, max: 0xffff_ffff }).map(parseUidValidity) },
        ...{ uidNext: fc.constant(uidNext), messages: fc.nat(uidNext - 1) },
      }),
    ),
  },
);

const marks = ascendingUids(60).chain((uids) =>
  fc
    .array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { minLength: uids.length, maxLength: uids.length })
    .map((all) => uids.map((each, at) => ({ uid: each, mark: all[at] as bigint }))),
);

const hex = hash.map((each) => Buffer.from(each).toString("hex"));

const messageParts: fc.Arbitrary<Answer> = record({
  kind: fc.constant("message-parts" as const),
  parts: fc.array(
    fc.oneof(
      fc.constant(undefined),
      fc.tuple(bytes, fc.nat(1000)).map(([piece, more]) => ({ size: piece.length + more, bytes: piece })),
    ),
    { maxLength: 4 },
  ),
});

/** Pages are short, but for some that are as long as they may be. */
export const sumsAnswers: fc.Arbitrary<Answer> = fc.oneof(
  record({ kind: fc.constant("store-sum" as const), digest, mailboxes: uint32, messages: uint53, unread: uint32 }),
  record({ kind: fc.constant("mailbox-sums" as const), mailboxes: fc.array(summed, { maxLength: 5 }) }),
  record({
    kind: fc.constant("range-sums" as const),
    ranges: fc.array(record({ count: uint32, digest }), { maxLength: 20 }),
  }),
  record({ kind: fc.constant("message-marks" as const), marks }),
  record({
    kind: fc.constant("message-states" as const),
    states: fc.array(
      uid.chain((each) => baseNames.chain((base) => messageState(each, base))),
      { maxLength: 4 },
    ),
  }),
  record({
    kind: fc.constant("message-hashes" as const),
    hashes: fc.array(fc.option(hex, { nil: undefined }), { maxLength: 5 }),
  }),
  messageParts,
  fullPages(),
);

/** One value, as often as there may be: only their number matters. */
function fullPages(): fc.Arbitrary<Answer> {
  const many = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value);
  return fc.oneof(
    summed.map((each) => ({ kind: "mailbox-sums" as const, mailboxes: many(MAILBOX_SUMS_MAX, each) })),
    fc.nat(UID_MAX - MARKS_MAX).map((below) => {
      const all = Array.from({ length: MARKS_MAX }, (_, at) => ({ uid: parseUid(below + at + 1), mark: BigInt(at) }));
      return { kind: "message-marks" as const, marks: all };
    }),
    hex.map((each) => ({ kind: "message-hashes" as const, hashes: many(STATES_MAX, each) })),
  );
}
