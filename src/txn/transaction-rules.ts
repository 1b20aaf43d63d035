/**
 * What makes a transaction valid, beyond what its brands already say: limits, grammar of texts, and order.
 *
 * Checked before encoding and after decoding, so that a transaction which one side can write the other can read. The
 * texts end up in lines of dovecot-uidlist and in file names, so these rules are also what keeps a peer from writing a
 * second record into a line, or a path into a name.
 *
 * INVARIANT: UIDs of saves ascend, and every UID that a transaction places is below its `uidNext`.
 */
import { type MailboxGuid, UID_MAX } from "../maildir/ids.js";
import { isKeywordName, KEYWORDS_MAX } from "../maildir/keywords.js";
import { txnError } from "./errors.js";
import type { FileOwner, MessageMarks, MessageState } from "./message-state.js";
import { type Change, type Structure, TRANSACTION_CHANGES_MAX, type Transaction } from "./transaction.js";

/** An encoded transaction is at most this long: 512 changes with every text at its limit are shorter. */
export const TRANSACTION_BYTES_MAX = 4 * 1024 * 1024;
/** Distinct keyword names in one transaction; a mailbox has 26 at a time. */
export const TRANSACTION_KEYWORDS_MAX = 1024;

const NAME_BYTES_MAX = 255;
/** Of a record's fields. */
export const FIELDS_BYTES_MAX = 2048;
const HEADER_BYTES_MAX = 4096;
const PARENTS_MAX = 128;
const FLAG_BITS_ALL = 0x3f;
const MODE_BITS_ALL = 0o7777;
const U32_MAX = 0xffff_ffff;
/** What a Date can hold; file systems hold less. */
const TIME_S_MAX = 8_640_000_000_000;

/** Throws: transaction-invalid, naming the first rule that is broken. */
export function checkTransaction(transaction: Transaction): void {
  const { changes, headerExtra, fileOwner, uidNext, capturedMs, structure } = transaction;
  must(changes.length <= TRANSACTION_CHANGES_MAX, "it has too many changes", changes.length);
  must(Number.isInteger(uidNext) && uidNext >= 1 && uidNext <= UID_MAX + 1, "its next UID is out of range", uidNext);
  must(isLineText(headerExtra, HEADER_BYTES_MAX), "its header fields do not fit in a line", headerExtra.length);
  must(Number.isInteger(capturedMs) && capturedMs >= 0 && capturedMs <= TIME_S_MAX * 1000, "its time is no time");
  checkOwner(fileOwner);
  if (structure !== undefined) checkStructure(structure, transaction.mailbox);
  let lastSaved = 0;
  for (const change of changes) {
    checkChange(change, uidNext);
    if (change.kind !== "save") continue;
    must(change.message.uid > lastSaved, "its saves do not ascend by UID", change.message.uid);
    lastSaved = change.message.uid;
  }
}

export function isMessageSize(size: number): boolean {
  return Number.isSafeInteger(size) && size >= 0;
}

export function isMessageTime(mtimeS: number): boolean {
  return Number.isInteger(mtimeS) && Math.abs(mtimeS) <= TIME_S_MAX;
}

/** Throws: transaction-invalid, for what no transaction can say of a message. */
export function checkMessageState(message: MessageState): void {
  checkMessage(message, UID_MAX + 1);
}

/** Ends the check: `what` completes "checking a transaction: ...". */
export function refuse(what: string, value?: number): never {
  const shown = value === undefined ? "" : ` (${value})`;
  throw txnError("transaction-invalid", `checking a transaction: ${what}${shown}`);
}

function must(condition: boolean, what: string, value?: number): void {
  if (!condition) refuse(what, value);
}

function checkChange(change: Change, uidNext: number): void {
  switch (change.kind) {
    case "save":
      checkMessage(change.message, uidNext);
      if (change.owner !== undefined) checkOwner(change.owner);
      return;
    case "rebind":
      checkMessage(change.message, uidNext);
      return;
    case "marks":
      checkMarks(change.before);
      checkMarks(change.after);
      return;
    case "expunge":
      return;
  }
}

function checkMessage(message: MessageState, uidNext: number): void {
  must(message.uid < uidNext, "it places a UID at or above its next UID", message.uid);
  checkMarks(message);
  must(isMessageSize(message.size), "a size is out of range", message.size);
  must(isMessageTime(message.mtimeS), "a date is out of range", message.mtimeS);
  must(areRecordFields(message.fields), "a message's record fields do not fit in a record", message.uid);
}

function checkMarks(marks: MessageMarks): void {
  const { flags, keywords, odd, tail } = marks;
  must((flags & FLAG_BITS_ALL) === flags, "it has flags that do not exist", flags);
  must(keywords.length <= KEYWORDS_MAX, "a message has too many keywords", keywords.length);
  for (let i = 0; i < keywords.length; i++) {
    const name = keywords[i] ?? "";
    must(isKeywordName(name), "a keyword's name is not one");
    must(i === 0 || (keywords[i - 1] ?? "") < name, "keyword names do not ascend");
  }
  must(odd === "" || isOddText(odd), "unknown flag characters of a file name are not usable there");
  must(tail === "" || (tail.startsWith(",") && isNameText(tail)), "the tail of a file name is not usable there");
}

function checkOwner(owner: FileOwner): void {
  must(isU32(owner.uid) && isU32(owner.gid), "an owner is out of range");
  must((owner.mode & MODE_BITS_ALL) === owner.mode, "a mode has more than permission bits", owner.mode);
}

function checkStructure(structure: Structure, mailbox: MailboxGuid): void {
  if (structure.kind === "rename") must(structure.displaces !== mailbox, "a mailbox changes places with itself");
  if (structure.kind === "delete" || structure.kind === "reset") return;
  const { parents = [] } = structure;
  must(parents.length <= PARENTS_MAX, "it makes too many directories", parents.length);
  for (const parent of parents) checkOwner(parent);
  if (structure.kind !== "create") return;
  for (const owner of [structure.owner, ...(structure.messageDirs ?? [])]) checkOwner(owner);
}

function isU32(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= U32_MAX;
}

/** Fields of a record end where a word begins with ":"; so none may, or the rest would become the base name. */
function areRecordFields(text: string): boolean {
  if (text === "") return true;
  return isLineText(text, FIELDS_BYTES_MAX) && !text.startsWith(":") && !text.includes(" :");
}

function isLineText(text: string, bytesMax: number): boolean {
  if (text.length > bytesMax) return false;
  for (let i = 0; i < text.length; i++) {
    const byte = text.charCodeAt(i);
    if (byte === 0 || byte === 0x0a || byte === 0x0d || byte > 0xff) return false;
  }
  return true;
}

function isNameText(text: string): boolean {
  return isLineText(text, NAME_BYTES_MAX) && !text.includes("/");
}

/** Not a flag, not a keyword letter, not the comma that ends the flags. */
function isOddText(text: string): boolean {
  return isNameText(text) && !/[DFPRSTa-z,]/.test(text);
}
