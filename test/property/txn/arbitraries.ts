/**
 * Arbitrary message states, histories and transactions: small alphabets, so that names meet each other again.
 */
import { fc } from "@fast-check/vitest";
import { isRawPath, type RawPath } from "../../../src/base/raw-name.js";
import { type BaseName, isBaseName, parseMailboxGuid, parseUid, parseUidValidity } from "../../../src/maildir/ids.js";
import { isKeywordName } from "../../../src/maildir/keywords.js";
import type { FileOwner, MessageMarks, MessageState } from "../../../src/txn/message-state.js";
import type { BodyOrigin, Change, Structure, Transaction } from "../../../src/txn/transaction.js";

/** Plain objects, as the program makes them. */
function record<T, K extends keyof T = keyof T>(
  model: { [Key in keyof T]: fc.Arbitrary<T[Key]> },
  constraints: { requiredKeys?: K[] } = {},
): fc.Arbitrary<fc.RecordValue<T, K>> {
  return fc.record(model, { ...constraints, noNullPrototype: true });
}

/** Any character that is one byte. */
const byteChar = fc.integer({ min: 1, max: 255 }).map((code) => String.fromCharCode(code));
const byteText = (lengthMax: number): fc.Arbitrary<string> => fc.string({ unit: byteChar, maxLength: lengthMax });

export const keywordNames: fc.Arbitrary<string[]> = fc
  .uniqueArray(
    fc.oneof(fc.constantFrom("$Junk", "$Label1", "NonJunk", "z\u00e9"), byteText(20).filter(isKeywordName)),
    { maxLength: 4 },
  )
  .map((names) => names.sort((a, b) => (a < b ? -1 : 1)));

export const marks: fc.Arbitrary<MessageMarks> = record({
  flags: fc.integer({ min: 0, max: 63 }),
  keywords: keywordNames,
  odd: fc.constantFrom("", "", "X", "XY\u00ff"),
  tail: fc.constantFrom("", "", ",", ",extra"),
});

export const baseNames: fc.Arbitrary<BaseName> = fc
  .oneof({ weight: 4, arbitrary: fc.constantFrom("a", "b", "c", "d", "e,S=3", "f.host,S=5,W=6") }, byteText(40))
  .filter(isBaseName);

const fields = fc.constantFrom("", "S309 W323", "Ga", "Gb S3", "P12:3 Xy");

export function messageState(uid: number, base: BaseName): fc.Arbitrary<MessageState> {
  return record({
    marks,
    size: fc.oneof(fc.constantFrom(0, 5, 2 ** 40), fc.nat(100)),
    mtimeS: fc.oneof(fc.constantFrom(-1, 0, 1_763_913_000), fc.integer({ min: -(2 ** 40), max: 2 ** 40 })),
    fields,
  }).map(({ marks: held, ...rest }) => ({ uid: parseUid(uid), base, ...held, ...rest }));
}

/** One state of a mailbox: ascending UIDs, unique base names. */
export const mailboxState: fc.Arbitrary<MessageState[]> = fc
  .uniqueArray(fc.tuple(fc.integer({ min: 1, max: 12 }), baseNames), { maxLength: 8, selector: ([uid]) => uid })
  .map((pairs) => pairs.filter(([, base], at) => pairs.findIndex(([, other]) => other === base) === at))
  .map((pairs) => pairs.sort(([a], [b]) => a - b))
  .chain((pairs) => fc.tuple(...pairs.map(([uid, base]) => messageState(uid, base))));

/** States that follow each other; diffs of neighbours are a valid history. */
export const mailboxHistory: fc.Arbitrary<MessageState[][]> = fc.array(mailboxState, { minLength: 2, maxLength: 6 });

const owner: fc.Arbitrary<FileOwner> = record({
  uid: fc.integer({ min: 0, max: 0xffff_ffff }),
  gid: fc.nat(70_000),
  mode: fc.integer({ min: 0, max: 0o7777 }),
});

const guid = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map((bytes) => parseMailboxGuid(Buffer.from(bytes).toString("hex")));

const path: fc.Arbitrary<RawPath> = fc
  .oneof(fc.constantFrom("", "alice/Maildir", "alice/Maildir/.Sent"), byteText(30))
  .filter(isRawPath);

const uidValidity = fc.integer({ min: 1, max: 0xffff_ffff }).map(parseUidValidity);
const uids = fc.integer({ min: 1, max: 0xffff_0000 - 1000 }).map(parseUid);

const structure: fc.Arbitrary<Structure> = fc.oneof(
  record(
    {
      kind: fc.constant("create" as const),
      owner,
      parents: fc.array(owner, { maxLength: 3 }),
      messageDirs: fc.tuple(owner, owner, owner),
      maildirFolder: fc.boolean(),
    },
    { requiredKeys: ["kind", "owner", "parents", "maildirFolder"] },
  ),
  record({ kind: fc.constant("rename" as const), from: path }),
  record({
    kind: fc.constant("rename" as const),
    from: path,
    parents: fc.array(owner, { minLength: 1, maxLength: 3 }),
  }),
  record({ kind: fc.constant("rename" as const), from: path, displaces: guid }),
  fc.constant({ kind: "delete" as const }),
  record({ kind: fc.constant("reset" as const), before: uidValidity }),
);

const origin: fc.Arbitrary<BodyOrigin> = record({ mailbox: guid, uid: uids, base: baseNames });

function changeAt(uid: number): fc.Arbitrary<Change> {
  const message = baseNames.chain((base) => messageState(uid, base));
  return fc.oneof(
    record({ kind: fc.constant("save" as const), message, origin, owner }, { requiredKeys: ["kind", "message"] }),
    record({
      kind: fc.constant("marks" as const),
      uid: fc.constant(parseUid(uid)),
      base: baseNames,
      before: marks,
      after: marks,
    }),
    record({ kind: fc.constant("expunge" as const), uid: fc.constant(parseUid(uid)), base: baseNames }),
    record({ kind: fc.constant("rebind" as const), fromUid: uids, fromBase: baseNames, message }),
  );
}

export const transactions: fc.Arbitrary<Transaction> = record(
  {
    mailbox: guid,
    path,
    uidValidity,
    uidNext: fc.constant(0xffff_0000),
    headerExtra: fc.constantFrom("", "P1 Xabc"),
    fileOwner: owner,
    structure,
    changes: fc
      .uniqueArray(uids, { maxLength: 6 })
      .map((list) => list.sort((a, b) => a - b))
      .chain((list) => fc.tuple(...list.map(changeAt))),
    capturedMs: fc.integer({ min: 0, max: 2 ** 45 }),
  },
  {
    requiredKeys: ["mailbox", "path", "uidValidity", "uidNext", "headerExtra", "fileOwner", "changes", "capturedMs"],
  },
);
