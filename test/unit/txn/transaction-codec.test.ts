/** What the encoding of a transaction refuses, tolerates, and looks like. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { MailtwinError } from "../../../src/base/errors.js";
import {
  ChangeSchema,
  type Transaction as PbTransaction,
  StructureSchema,
  TransactionSchema,
} from "../../../src/txn/gen/transaction_pb.js";
import type { MessageState } from "../../../src/txn/message-state.js";
import type { Change, Transaction } from "../../../src/txn/transaction.js";
import { decodeTransaction, encodeTransaction } from "../../../src/txn/transaction-codec.js";
import { save, transaction } from "./txn-fixtures.js";

function refusalOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof MailtwinError && error.code === "transaction-invalid") return error.message;
    throw error;
  }
  return "accepted";
}

const encoding = (more: Partial<Transaction>): string => refusalOf(() => encodeTransaction(transaction(more)));
const saving = (more: Partial<MessageState>): string => encoding({ changes: [save(3, more)] });

/** Decodes what another program could have written. */
function decoding(edit: (pb: PbTransaction) => void, changes: readonly Change[] = [save(3)]): string {
  const pb = fromBinary(TransactionSchema, encodeTransaction(transaction({ changes })));
  edit(pb);
  return refusalOf(() => decodeTransaction(toBinary(TransactionSchema, pb)));
}

describe("rules of both directions", () => {
  test("at most 512 changes", () => {
    const changes = Array.from({ length: 513 }, (_, i) => save(i + 1));
    expect(encoding({ changes, uidNext: 999 })).toMatch(/too many changes \(513\)/);
    expect(encoding({ changes: changes.slice(1), uidNext: 999 })).toBe("accepted");
  });

  test.each([[[5, 4]], [[5, 5]]])("saves ascend by UID: %j", (uids) => {
    expect(encoding({ changes: uids.map((uid) => save(uid)), uidNext: 9 })).toMatch(/do not ascend/);
  });

  test("what is placed is below the next UID", () => {
    expect(encoding({ changes: [save(10)], uidNext: 10 })).toMatch(/at or above its next UID \(10\)/);
    expect(encoding({ changes: [save(10)], uidNext: 11 })).toBe("accepted");
    expect(encoding({ uidNext: 0 })).toMatch(/next UID is out of range/);
  });

  test.each([
    [{ fields: "S3 :other,S=3" }, /record fields/],
    [{ fields: ":x" }, /record fields/],
    [{ fields: "S3\n9 :evil" }, /record fields/],
    [{ fields: "S".repeat(2049) }, /record fields/],
    [{ odd: "/" }, /unknown flag characters/],
    [{ odd: "S" }, /unknown flag characters/],
    [{ odd: "a" }, /unknown flag characters/],
    [{ odd: "X,Y" }, /unknown flag characters/],
    [{ tail: "x" }, /tail/],
    [{ tail: ",\0" }, /tail/],
    [{ tail: ",a/../b" }, /tail/],
    [{ flags: 64 }, /flags that do not exist/],
    [{ keywords: ["b", "a"] }, /do not ascend/],
    [{ keywords: ["a", "a"] }, /do not ascend/],
    [{ keywords: ["a b"] }, /keyword's name/],
    [{ keywords: ["a\n1 b"] }, /keyword's name/],
    [{ keywords: ["k".repeat(256)] }, /keyword's name/],
    [{ keywords: Array.from({ length: 27 }, (_, i) => `k${100 + i}`) }, /too many keywords/],
    [{ size: -1 }, /size/],
    [{ size: 1.5 }, /size/],
    [{ mtimeS: Number.NaN }, /date/],
    [{ mtimeS: 1e15 }, /date/],
  ])("a message with %j is refused", (more, why) => {
    expect(saving(more)).toMatch(why);
  });

  test("a keyword may have a slash, as any IMAP client can set it", () => {
    expect(saving({ keywords: ["a/b"] })).toBe("accepted");
  });

  test("owners, header fields and times are checked", () => {
    expect(encoding({ fileOwner: { uid: -1, gid: 0, mode: 0 } })).toMatch(/owner/);
    expect(encoding({ fileOwner: { uid: 1, gid: 0, mode: 0o10000 } })).toMatch(/mode/);
    expect(encoding({ headerExtra: "P1\n1 :x" })).toMatch(/header/);
    expect(encoding({ capturedMs: -1 })).toMatch(/time/);
  });
});

describe("decoding what another program wrote", () => {
  const inSave = (pb: PbTransaction) => {
    const kind = pb.changes[0]?.kind;
    if (kind?.case !== "save" || kind.value.message === undefined) throw new Error("not a save");
    return { save: kind.value, message: kind.value.message, marks: kind.value.message.marks };
  };
  const bytes = (text: string) => Buffer.from(text, "latin1");

  test.each<[string, (pb: PbTransaction) => void, RegExp]>([
    ["a GUID of another length", (pb) => (pb.mailbox = bytes("short")), /GUID/],
    ["an absolute path", (pb) => (pb.path = bytes("/etc")), /path/],
    ["a path that climbs", (pb) => (pb.path = bytes("a/../../b")), /path/],
    ["UIDVALIDITY 0", (pb) => (pb.uidValidity = 0), /UIDVALIDITY/],
    ["no owner", (pb) => delete pb.fileOwner, /owner is missing/],
    ["a change of unknown kind", (pb) => pb.changes.push(create(ChangeSchema)), /change of unknown kind/],
    ["a structure of unknown kind", (pb) => (pb.structure = create(StructureSchema)), /structure is of unknown kind/],
    ["a save without a message", (pb) => delete inSave(pb).save.message, /message is missing/],
    ["a message without marks", (pb) => delete inSave(pb).message.marks, /marks are missing/],
    ["UID 0", (pb) => (inSave(pb).message.uid = 0), /UID is out of range/],
    ["a UID that Dovecot would not survive", (pb) => (inSave(pb).message.uid = 0xffff_fffe), /UID is out of range/],
    ["a base name with a slash", (pb) => (inSave(pb).message.base = bytes("../x")), /base name/],
    ["a base name with flags", (pb) => (inSave(pb).message.base = bytes("x:2,S")), /base name/],
    ["an empty base name", (pb) => (inSave(pb).message.base = bytes("")), /base name/],
    ["a keyword without a name", (pb) => inSave(pb).marks?.keywords.push(7), /not in the table/],
    ["a huge size", (pb) => (inSave(pb).message.size = 2n ** 63n), /size/],
    ["too many keywords", (pb) => pb.keywords.push(...Array.from({ length: 1025 }, () => bytes("k"))), /too many/],
  ])("%s is refused", (_name, edit, why) => {
    expect(decoding(edit)).toMatch(why);
  });

  test("more bytes than any transaction has are refused unread", () => {
    expect(refusalOf(() => decodeTransaction(new Uint8Array(4 * 1024 * 1024 + 1)))).toMatch(/too long/);
  });

  test("bytes that are no message are refused with the cause", () => {
    expect(refusalOf(() => decodeTransaction(Uint8Array.of(0xff)))).toMatch(/not of its format/);
  });

  test("fields of a newer version are ignored", () => {
    const given = transaction({ changes: [save(3)] });
    const newer = Uint8Array.of(...encodeTransaction(given), 0xfa, 0x01, 1, 42); // field 31, one byte long.
    expect(decodeTransaction(newer)).toStrictEqual(given);
  });
});

test("the layout of a delivery is frozen", () => {
  const given = transaction({ changes: [save(3, { flags: 16, keywords: ["$Junk"] })] });
  // Changed on purpose? Logs and replicas hold the old bytes: fields may only be added.
  expect(Buffer.from(encodeTransaction(given)).toString("hex")).toMatchInlineSnapshot(
    `"0a100123456789abcdef0123456789abcdef1213616c6963652f4d61696c6469722f2e53656e741880e2cfaa062064320908e80710e80718800338bbc9a18bab334205244a756e6b52270a250a23080312076d332c533d31321a050810120100200c28d0b499920d320753313220573133"`,
  );
});
