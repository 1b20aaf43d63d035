/** Plain values of the vocabulary of change, for tests to vary. */
import { isRawPath, type RawPath } from "../../../src/base/raw-name.js";
import { parseBaseName, parseMailboxGuid, parseUid, parseUidValidity } from "../../../src/maildir/ids.js";
import type { MessageMarks, MessageState } from "../../../src/txn/message-state.js";
import type { Change, SaveChange, Transaction } from "../../../src/txn/transaction.js";

export function rawPath(text: string): RawPath {
  if (!isRawPath(text)) throw new Error(`not a path: ${text}`);
  return text;
}

export function message(uid: number, more: Partial<MessageState> = {}): MessageState {
  const marks: MessageMarks = { flags: 0, keywords: [], odd: "", tail: "" };
  const base = parseBaseName(`m${uid},S=12`);
  return { uid: parseUid(uid), base, ...marks, size: 12, mtimeS: 1_763_913_000, fields: "S12 W13", ...more };
}

export function save(uid: number, more: Partial<MessageState> = {}): SaveChange {
  return { kind: "save", message: message(uid, more) };
}

export function expunge(uid: number, base = `m${uid},S=12`): Change {
  return { kind: "expunge", uid: parseUid(uid), base: parseBaseName(base) };
}

export function marks(uid: number, before: Partial<MessageMarks>, after: Partial<MessageMarks>): Change {
  const none: MessageMarks = { flags: 0, keywords: [], odd: "", tail: "" };
  const { base } = message(uid);
  return { kind: "marks", uid: parseUid(uid), base, before: { ...none, ...before }, after: { ...none, ...after } };
}

export function rebind(fromUid: number, to: MessageState, fromBase = `m${fromUid},S=12`): Change {
  return { kind: "rebind", fromUid: parseUid(fromUid), fromBase: parseBaseName(fromBase), message: to };
}

export function transaction(more: Partial<Transaction> = {}): Transaction {
  return {
    mailbox: parseMailboxGuid("0123456789abcdef0123456789abcdef"),
    path: rawPath("alice/Maildir/.Sent"),
    uidValidity: parseUidValidity(1_700_000_000),
    uidNext: 100,
    headerExtra: "",
    fileOwner: { uid: 1000, gid: 1000, mode: 0o600 },
    changes: [],
    capturedMs: 1_763_913_000_123,
    ...more,
  };
}
