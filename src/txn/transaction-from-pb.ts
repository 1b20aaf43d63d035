/**
 * From what the generated code read to a transaction: here untrusted numbers and bytes pass the doors of their brands.
 *
 * Anything missing, of an unknown kind, or refused at a door ends in `refuse`; limits and order are checked afterwards
 * (transaction-rules.ts).
 */
import { isRawPath, type RawPath } from "../base/raw-name.js";
import {
  type BaseName,
  isBaseName,
  isMailboxGuid,
  isUid,
  isUidValidity,
  type MailboxGuid,
  type Uid,
  type UidValidity,
} from "../maildir/ids.js";
import type * as pb from "./gen/transaction_pb.js";
import type { FileOwner, MessageMarks, MessageState } from "./message-state.js";
import type { BodyOrigin, Change, MessageDirOwners, SaveChange, Structure, Transaction } from "./transaction.js";
import { refuse, TRANSACTION_KEYWORDS_MAX } from "./transaction-rules.js";

/** Throws: transaction-invalid. */
export function transactionOfPb(read: pb.Transaction): Transaction {
  if (read.keywords.length > TRANSACTION_KEYWORDS_MAX) refuse("it names too many keywords", read.keywords.length);
  const names = read.keywords.map(textOf);
  return {
    mailbox: guidOf(read.mailbox),
    path: pathOf(read.path),
    uidValidity: uidValidityOf(read.uidValidity),
    uidNext: read.uidNext,
    headerExtra: textOf(read.headerExtra),
    fileOwner: ownerOf(read.fileOwner),
    ...(read.structure === undefined ? {} : { structure: structureOf(read.structure) }),
    changes: read.changes.map((change) => changeOf(change, names)),
    capturedMs: Number(read.capturedMs),
  };
}

function changeOf({ kind }: pb.Change, names: readonly string[]): Change {
  switch (kind.case) {
    case "save":
      return saveOf(kind.value, names);
    case "marks": {
      const { uid, base, before, after } = kind.value;
      const marks = { before: marksOf(before, names), after: marksOf(after, names) };
      return { kind: "marks", uid: uidOf(uid), base: baseOf(base), ...marks };
    }
    case "expunge":
      return { kind: "expunge", uid: uidOf(kind.value.uid), base: baseOf(kind.value.base) };
    case "rebind": {
      const { fromUid, fromBase, message } = kind.value;
      const from = { fromUid: uidOf(fromUid), fromBase: baseOf(fromBase) };
      return { kind: "rebind", ...from, message: messageOf(message, names) };
    }
    case undefined:
      return refuse("it has a change of unknown kind");
  }
}

function saveOf({ message, origin, owner }: pb.Save, names: readonly string[]): SaveChange {
  return {
    kind: "save",
    message: messageOf(message, names),
    ...(origin === undefined ? {} : { origin: originOf(origin) }),
    ...(owner === undefined ? {} : { owner: ownerOf(owner) }),
  };
}

function messageOf(read: pb.Message | undefined, names: readonly string[]): MessageState {
  if (read === undefined) return refuse("a message is missing");
  const { flags, keywords, odd, tail } = marksOf(read.marks, names);
  return {
    uid: uidOf(read.uid),
    base: baseOf(read.base),
    flags,
    keywords,
    odd,
    tail,
    size: Number(read.size),
    mtimeS: Number(read.mtimeS),
    fields: textOf(read.fields),
  };
}

function marksOf(read: pb.Marks | undefined, names: readonly string[]): MessageMarks {
  if (read === undefined) return refuse("marks are missing");
  const keywords = read.keywords.map((index) => names[index] ?? refuse("a keyword is not in the table", index));
  return { flags: read.flags, keywords, odd: textOf(read.odd), tail: textOf(read.tail) };
}

function originOf(read: pb.Save_Origin): BodyOrigin {
  return { mailbox: guidOf(read.mailbox), uid: uidOf(read.uid), base: baseOf(read.base) };
}

function ownerOf(read: pb.FileOwner | undefined): FileOwner {
  if (read === undefined) return refuse("an owner is missing");
  return { uid: read.uid, gid: read.gid, mode: read.mode };
}

function messageDirsOf(read: readonly pb.FileOwner[]): MessageDirOwners {
  const [cur, fresh, tmp, ...more] = read.map(ownerOf);
  if (cur === undefined || fresh === undefined || tmp === undefined || more.length > 0)
    return refuse("it has not three message directories", read.length);
  return [cur, fresh, tmp];
}

function structureOf({ kind }: pb.Structure): Structure {
  switch (kind.case) {
    case "create": {
      const { owner, parents, maildirFolder, messageDirs } = kind.value;
      const own = messageDirs.length === 0 ? {} : { messageDirs: messageDirsOf(messageDirs) };
      return { kind: "create", owner: ownerOf(owner), parents: parents.map(ownerOf), maildirFolder, ...own };
    }
    case "rename": {
      const { from, displaces, parents } = kind.value;
      const other = displaces.length === 0 ? {} : { displaces: guidOf(displaces) };
      const above = parents.length === 0 ? {} : { parents: parents.map(ownerOf) };
      return { kind: "rename", from: pathOf(from), ...other, ...above };
    }
    case "delete":
      return { kind: "delete" };
    case "reset":
      return { kind: "reset", before: uidValidityOf(kind.value.before) };
    case undefined:
      return refuse("its structure is of unknown kind");
  }
}

function uidOf(value: number): Uid {
  return isUid(value) ? value : refuse("a UID is out of range", value);
}

function uidValidityOf(value: number): UidValidity {
  return isUidValidity(value) ? value : refuse("a UIDVALIDITY is out of range", value);
}

function baseOf(bytes: Uint8Array): BaseName {
  const text = textOf(bytes);
  return isBaseName(text) ? text : refuse("a base name is not one");
}

function guidOf(bytes: Uint8Array): MailboxGuid {
  const text = viewOf(bytes).toString("hex");
  return isMailboxGuid(text) ? text : refuse("a mailbox GUID is not 16 bytes long", bytes.length);
}

function pathOf(bytes: Uint8Array): RawPath {
  const text = textOf(bytes);
  return isRawPath(text) ? text : refuse("a path is not a relative path of valid names");
}

function textOf(bytes: Uint8Array): string {
  return bytes.length === 0 ? "" : viewOf(bytes).toString("latin1");
}

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
