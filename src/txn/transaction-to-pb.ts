/**
 * From a transaction to the plain objects that the generated code writes. No rules here: they were checked before.
 */

import type * as pb from "./gen/transaction_pb.js";
import type { FileOwner, MessageMarks, MessageState } from "./message-state.js";
import type { BodyOrigin, Change, Structure, Transaction } from "./transaction.js";

/** Index of a keyword name in the transaction's table. */
type IndexByName = ReadonlyMap<string, number>;

export function pbOfTransaction(transaction: Transaction): pb.Transaction {
  const names = keywordNamesOf(transaction.changes);
  const indexByName: IndexByName = new Map(names.map((name, index) => [name, index]));
  const { structure } = transaction;
  return {
    $typeName: "mailtwin.txn.Transaction",
    mailbox: Buffer.from(transaction.mailbox, "hex"),
    path: bytesOf(transaction.path),
    uidValidity: transaction.uidValidity,
    uidNext: transaction.uidNext,
    headerExtra: bytesOf(transaction.headerExtra),
    fileOwner: pbOfOwner(transaction.fileOwner),
    capturedMs: BigInt(transaction.capturedMs),
    keywords: names.map(bytesOf),
    ...(structure === undefined ? {} : { structure: pbOfStructure(structure) }),
    changes: transaction.changes.map((change) => pbOfChange(change, indexByName)),
  };
}

/** Every keyword name in the changes, ascending, each once. */
function keywordNamesOf(changes: readonly Change[]): readonly string[] {
  const names = new Set<string>();
  for (const change of changes) {
    if (change.kind === "expunge") continue;
    const lists = change.kind === "marks" ? [change.before, change.after] : [change.message];
    for (const { keywords } of lists) for (const name of keywords) names.add(name);
  }
  return [...names].sort((a, b) => (a < b ? -1 : 1));
}

function pbOfChange(change: Change, indexByName: IndexByName): pb.Change {
  return { $typeName: "mailtwin.txn.Change", kind: pbOfKind(change, indexByName) };
}

function pbOfKind(change: Change, indexByName: IndexByName): pb.Change["kind"] {
  switch (change.kind) {
    case "save": {
      const { message, origin, owner } = change;
      const value: pb.Save = {
        $typeName: "mailtwin.txn.Save",
        message: pbOfMessage(message, indexByName),
        ...(origin === undefined ? {} : { origin: pbOfOrigin(origin) }),
        ...(owner === undefined ? {} : { owner: pbOfOwner(owner) }),
      };
      return { case: "save", value };
    }
    case "marks": {
      const { uid, base } = change;
      const [before, after] = [pbOfMarks(change.before, indexByName), pbOfMarks(change.after, indexByName)];
      return {
        case: "marks",
        value: { $typeName: "mailtwin.txn.MarksChange", uid, base: bytesOf(base), before, after },
      };
    }
    case "expunge":
      return {
        case: "expunge",
        value: { $typeName: "mailtwin.txn.Expunge", uid: change.uid, base: bytesOf(change.base) },
      };
    case "rebind": {
      const { fromUid } = change;
      const [fromBase, message] = [bytesOf(change.fromBase), pbOfMessage(change.message, indexByName)];
      return { case: "rebind", value: { $typeName: "mailtwin.txn.Rebind", fromUid, fromBase, message } };
    }
  }
}

function pbOfMessage(message: MessageState, indexByName: IndexByName): pb.Message {
  return {
    $typeName: "mailtwin.txn.Message",
    uid: message.uid,
    base: bytesOf(message.base),
    marks: pbOfMarks(message, indexByName),
    size: BigInt(message.size),
    mtimeS: BigInt(message.mtimeS),
    fields: bytesOf(message.fields),
  };
}

function pbOfMarks(marks: MessageMarks, indexByName: IndexByName): pb.Marks {
  return {
    $typeName: "mailtwin.txn.Marks",
    flags: marks.flags,
    keywords: marks.keywords.map((name) => indexByName.get(name) ?? 0),
    odd: bytesOf(marks.odd),
    tail: bytesOf(marks.tail),
  };
}

function pbOfOrigin(origin: BodyOrigin): pb.Save_Origin {
  const mailbox = Buffer.from(origin.mailbox, "hex");
  return { $typeName: "mailtwin.txn.Save.Origin", mailbox, uid: origin.uid, base: bytesOf(origin.base) };
}

function pbOfOwner(owner: FileOwner): pb.FileOwner {
  return { $typeName: "mailtwin.txn.FileOwner", uid: owner.uid, gid: owner.gid, mode: owner.mode };
}

function pbOfStructure(structure: Structure): pb.Structure {
  return { $typeName: "mailtwin.txn.Structure", kind: pbOfStructureKind(structure) };
}

function pbOfStructureKind(structure: Structure): pb.Structure["kind"] {
  switch (structure.kind) {
    case "create": {
      const { maildirFolder } = structure;
      const [owner, parents] = [pbOfOwner(structure.owner), structure.parents.map(pbOfOwner)];
      const messageDirs = (structure.messageDirs ?? []).map(pbOfOwner);
      const $typeName = "mailtwin.txn.Structure.Create";
      return { case: "create", value: { $typeName, owner, parents, maildirFolder, messageDirs } };
    }
    case "rename": {
      const [from, displaces] = [bytesOf(structure.from), Buffer.from(structure.displaces ?? "", "hex")];
      const parents = (structure.parents ?? []).map(pbOfOwner);
      return { case: "rename", value: { $typeName: "mailtwin.txn.Structure.Rename", from, displaces, parents } };
    }
    case "delete":
      return { case: "delete", value: { $typeName: "mailtwin.txn.Structure.Delete" } };
    case "reset":
      return { case: "reset", value: { $typeName: "mailtwin.txn.Structure.Reset", before: structure.before } };
  }
}

const EMPTY = new Uint8Array(0);

function bytesOf(raw: string): Uint8Array {
  return raw === "" ? EMPTY : Buffer.from(raw, "latin1");
}
