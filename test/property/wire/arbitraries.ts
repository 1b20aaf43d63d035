/** Arbitrary messages of the wire, within the limits of its codec. */
import { fc } from "@fast-check/vitest";
import { parseUid, parseUidValidity, UID_MAX } from "../../../src/maildir/ids.js";
import type {
  AlongBodies,
  Answer,
  Ask,
  Bodies,
  BodyHead,
  Outcome,
  Reply,
  WireDivergence,
  WireMessage,
} from "../../../src/wire/messages.js";
import { baseNames, messageState } from "../txn/arbitraries.js";
import { sumsAnswers, sumsAsks } from "./sums-arbitraries.js";
import { bytes, digest, guid, hash, names, path, record, text, uint32, uint53 } from "./values.js";

const noHash = fc.constant(new Uint8Array(0));

const divergence: fc.Arbitrary<WireDivergence> = record({
  code: text,
  words: text,
  path,
  uids: fc.array(uint32, { maxLength: 5 }),
  replicaNext: uint32,
});

const outcome: fc.Arbitrary<Outcome> = record(
  { kind: fc.constant("outcome" as const), id: uint53, divergence, notes: fc.array(text, { maxLength: 4 }) },
  { requiredKeys: ["kind", "id", "notes"] },
);

/** Heads with the payloads that belong to them. */
const bodies: fc.Arbitrary<Bodies> = fc
  .tuple(
    uint53,
    fc.array(fc.record({ index: uint32, gone: fc.boolean(), payload: bytes, sha256: hash }), { maxLength: 5 }),
  )
  .map(([id, parts]) => {
    const heads = parts.map(({ index, gone, payload, sha256 }): BodyHead => {
      return { index, size: gone ? 0 : payload.length, sha256: gone ? new Uint8Array(0) : sha256, gone };
    });
    return { kind: "bodies", id, heads, payloads: parts.filter(({ gone }) => !gone).map(({ payload }) => payload) };
  });

/** At least one. */
const along: fc.Arbitrary<AlongBodies> = fc
  .array(fc.record({ index: uint32, payload: bytes, sha256: hash }), { minLength: 1, maxLength: 5 })
  .map((parts) => {
    const heads = parts.map(({ index, payload, sha256 }) => ({ index, size: payload.length, sha256, gone: false }));
    return { heads, payloads: parts.map(({ payload }) => payload) };
  });

const bodyPart: fc.Arbitrary<WireMessage> = fc.boolean().chain((last) =>
  record({
    kind: fc.constant("body-part" as const),
    id: uint53,
    index: uint32,
    offset: uint53,
    last: fc.constant(last),
    sha256: last ? hash : noHash,
    payload: bytes,
  }),
);

const ask: fc.Arbitrary<Ask> = fc.oneof(
  record({
    kind: fc.constant("yield-uids" as const),
    mailbox: guid,
    uids: fc.array(uint32, { maxLength: 5 }),
    from: fc.integer({ min: 1, max: UID_MAX }).map(parseUid),
    floor: uint32,
  }),
  fc.constant({ kind: "survey" as const }),
  record({ kind: fc.constant("survey" as const), strangers: fc.array(guid, { minLength: 1, maxLength: 3 }) }),
  record({ kind: fc.constant("inventory" as const), path, afterUid: uint32 }),
  record({
    kind: fc.constant("inventory" as const),
    path,
    afterUid: uint32,
    afterBase: names.filter((it) => it !== ""),
  }),
  record({
    kind: fc.constant("foreign" as const),
    path,
    bases: fc.array(names, { maxLength: 5 }),
    action: fc.constantFrom("limbo" as const, "aside" as const, "restore" as const),
  }),
);

/** Parts of any size, the first and the last that there can be among them. */
const partSums = fc.nat(31).chain((bits) => {
  const last = Math.floor(UID_MAX / 2 ** bits);
  const part = fc.oneof(fc.constantFrom(0, last), fc.nat(Math.min(last, 50)), fc.nat(last));
  return fc.uniqueArray(part, { maxLength: 80 }).chain((parts) =>
    record(
      {
        bits: fc.constant(bits),
        parts: fc.constant(parts.sort((a, b) => a - b)),
        sums: fc.array(
          fc.oneof(
            fc.constantFrom(0, 2 ** 48 - 1),
            fc.maxSafeNat().map((it) => it % 2 ** 48),
          ),
          {
            minLength: parts.length,
            maxLength: parts.length,
          },
        ),
        whole: digest,
      },
      { requiredKeys: ["bits", "parts", "sums"] },
    ),
  );
});

const uids = fc.oneof(fc.constantFrom(0, 1, UID_MAX), fc.nat(500), fc.nat(UID_MAX));

/** Two of them may touch. */
const spans = fc.uniqueArray(fc.oneof(uids, fc.constant(UID_MAX + 1)), { maxLength: 60 }).map((bounds) => {
  const ascending = bounds.sort((a, b) => a - b);
  return ascending.slice(1).flatMap((below, at) => (at % 3 === 2 ? [] : [{ from: ascending[at] as number, below }]));
});

const looksOnly = fc.constantFrom({}, { looksOnly: true });

const compareAsk: fc.Arbitrary<Ask> = fc.oneof(
  fc
    .tuple(record({ kind: fc.constant("compare" as const), mailbox: guid, path, seed: uint32 }), looksOnly)
    .map(([where, how]) => ({ ...where, ...how })),
  fc
    .tuple(
      record({ kind: fc.constant("compare" as const), mailbox: guid, path, seed: uint32, sums: partSums }),
      looksOnly,
    )
    .map(([where, how]) => ({ ...where, ...how })),
  fc
    .tuple(record({ kind: fc.constant("tell-held" as const), mailbox: guid, path, spans }), looksOnly)
    .map(([where, how]) => ({ ...where, ...how })),
  record({ kind: fc.constant("standing" as const), after: fc.oneof(fc.constant("" as const), guid) }),
);

const limboName = fc
  .tuple(guid, fc.constantFrom("mailbox", "7.0123456789abcdef", "7.0123456789abcdef-2"))
  .map(([mailbox, rest]) => `2026-11-29/${mailbox}.${rest}`);
const limboFile = fc.constantFrom("cur/1.M1.h:2,S", "new/caf\u00c3\u00a9", "cur/\u0001\u00ff");

const limboAsk: fc.Arbitrary<Ask> = fc.oneof(
  record({
    kind: fc.constant("tell-limbo" as const),
    after: fc.oneof(fc.constant(undefined), record({ removedMs: fc.integer({ min: 1 }), name: limboName })),
  }),
  record({
    kind: fc.constant("tell-limbo-files" as const),
    name: limboName,
    after: fc.oneof(fc.constant(""), limboFile),
  }),
  record({
    kind: fc.constant("read-limbo" as const),
    files: fc.array(record({ name: limboName, file: fc.oneof(fc.constant(""), limboFile) }), { maxLength: 4 }),
    offset: uint53,
  }),
);

const limboAnswer: fc.Arbitrary<Answer> = fc.oneof(
  record({
    kind: fc.constant("limbo-page" as const),
    rows: fc.array(
      record({
        ...{ name: limboName, mailbox: guid, path, uid: fc.integer({ min: 0, max: UID_MAX }) },
        ...{ base: fc.oneof(fc.constant(""), baseNames), size: uint53, cause: fc.constant("expunge") },
        ...{ removedMs: uint53, isThere: fc.boolean() },
      }),
      { maxLength: 4 },
    ),
    more: fc.boolean(),
  }),
  record({
    kind: fc.constant("limbo-files" as const),
    files: fc.array(record({ file: limboFile, size: uint53 }), { maxLength: 4 }),
    more: fc.boolean(),
  }),
  record({
    kind: fc.constant("limbo-parts" as const),
    parts: fc.array(
      fc.oneof(
        fc.constant(undefined),
        fc
          .tuple(bytes, fc.nat(1000), fc.oneof(hash, noHash), uint53)
          .map(([piece, more, sha256, mtimeS]) => ({ size: piece.length + more, mtimeS, bytes: piece, sha256 })),
      ),
      { maxLength: 4 },
    ),
  }),
);

const hashedForeign: fc.Arbitrary<Ask> = fc
  .array(fc.tuple(names, hash), { minLength: 1, maxLength: 5 })
  .chain((pairs) =>
    record({
      kind: fc.constant("foreign" as const),
      path,
      bases: fc.constant(pairs.map(([base]) => base)),
      action: fc.constant("limbo" as const),
      hashes: fc.constant(pairs.map(([, each]) => each)),
    }),
  );

const surveyed = record({
  path,
  guid: fc.oneof(fc.constant("" as const), guid),
  uidValidity: uint32,
  uidNext: uint32,
});

const place = {
  path,
  uidValidity: fc.integer({ min: 1, max: 0xffff_ffff }).map(parseUidValidity),
  uidNext: fc.integer({ min: 1, max: UID_MAX + 1 }),
};

const stands = { written: record({ ...place, headerExtra: names }), standing: record(place), occupant: guid };
const unnumbered = fc.integer({ min: 1, max: 2 ** 24 });

const compared: fc.Arbitrary<Answer> = record(
  {
    ...{ kind: fc.constant("compare" as const), ...stands, unnumbered, looked: uids },
    differing: record({
      bits: fc.uint8Array({ maxLength: 1024 }),
      hasOthers: fc.boolean(),
      isEqual: fc.boolean(),
    }),
  },
  { requiredKeys: ["kind", "looked"] },
);

const told: fc.Arbitrary<Answer> = record(
  {
    ...{ kind: fc.constant("tell-held" as const), ...stands, unnumbered, reached: uids },
    messages: fc.array(
      fc
        .tuple(
          fc.integer({ min: 1, max: 99 }).chain((uid) => baseNames.chain((base) => messageState(uid, base))),
          fc.constantFrom("applied" as const, "foreign" as const, "lost" as const),
        )
        .map(([state, held]) => ({ ...state, held })),
      { maxLength: 4 },
    ),
  },
  { requiredKeys: ["kind", "messages", "reached"] },
);

const standing: fc.Arbitrary<Answer> = record({
  kind: fc.constant("standing" as const),
  mailboxes: fc.array(
    record({
      ...place,
      mailbox: guid,
      stands: fc.constantFrom("in-place" as const, "moved" as const, "gone" as const, "older" as const),
    }),
    { maxLength: 4 },
  ),
  more: fc.boolean(),
});

const answer: fc.Arbitrary<Answer> = fc.oneof(
  limboAnswer,
  compared,
  sumsAnswers,
  told,
  standing,
  record({ kind: fc.constant("yielded-uids" as const), uidNext: uint32, moved: uint32 }),
  record({ kind: fc.constant("survey" as const), mailboxes: fc.array(surveyed, { maxLength: 4 }) }),
  record({
    kind: fc.constant("inventory" as const),
    messages: fc.array(record({ uid: uint32, base: names, size: uint53, marks: names }), { maxLength: 4 }),
    more: fc.boolean(),
    unnumbered: uint32,
  }),
  record({ kind: fc.constant("foreign" as const), messages: uint32, copies: uint32 }),
);

const failure = record({ code: text, message: text, hint: text, disposition: text, exitCode: uint32 });

const reply: fc.Arbitrary<Reply> = record({
  kind: fc.constant("reply" as const),
  id: uint32,
  result: fc.oneof(
    record({ ok: fc.constant(true as const), answer }),
    record({
      ok: fc.constant(false as const),
      failure,
    }),
  ),
});

/** One arbitrary for each kind of message. */
export const messageByKind = {
  hello: record({ kind: fc.constant("hello" as const), protocol: uint32, logId: text, software: text }),
  welcome: record({
    kind: fc.constant("welcome" as const),
    protocol: uint32,
    software: text,
    appliedLsn: uint53,
    firstContact: fc.boolean(),
  }),
  offer: record(
    {
      kind: fc.constant("offer" as const),
      id: uint53,
      lsn: uint53,
      mailbox: guid,
      anew: fc.constant(true),
      payload: bytes,
      along,
    },
    { requiredKeys: ["kind", "id", "lsn", "mailbox", "payload"] },
  ),
  mark: record({ kind: fc.constant("mark" as const), id: uint53, lsn: uint53 }),
  want: record({ kind: fc.constant("want" as const), id: uint53, indexes: fc.array(uint32, { maxLength: 5 }) }),
  bodies,
  "body-part": bodyPart,
  outcome,
  retry: record({ kind: fc.constant("retry" as const), id: uint53, voidBelow: uint32, giveUp: fc.boolean() }),
  request: record({
    kind: fc.constant("request" as const),
    id: uint32,
    ask: fc.oneof(ask, compareAsk, sumsAsks, limboAsk, hashedForeign),
  }),
  reply,
  farewell: record({ kind: fc.constant("farewell" as const), failure }),
} satisfies Record<WireMessage["kind"], fc.Arbitrary<WireMessage>>;

export const messages: fc.Arbitrary<WireMessage> = fc.oneof(...Object.values<fc.Arbitrary<WireMessage>>(messageByKind));
