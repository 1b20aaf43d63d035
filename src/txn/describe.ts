/**
 * A transaction in words for people, as `--dry-run`, logs and the rejection list show it.
 */
import { unreachable } from "../base/assert.js";
import { displayRaw } from "../base/raw-name.js";
import { formatBytes } from "../base/text-format.js";
import type { Change, Structure, Transaction } from "./transaction.js";

/** Up to this many changes of one kind are told one by one. */
const TOLD_MAX = 4;

/** One line without a line break: "alice/Maildir/.Sent: deliver UID 17 (12.3 kB)". */
export function describeTransaction(transaction: Transaction): string {
  const { path, structure, changes } = transaction;
  const words = structure === undefined ? [] : [describeStructure(structure)];
  for (const kind of ["expunge", "marks", "rebind", "save"] as const) {
    words.push(...describeKind(changes.filter((change) => change.kind === kind)));
  }
  const what = words.length === 0 ? `raise the next UID to ${transaction.uidNext}` : words.join("; ");
  return `${path === "" ? "INBOX" : displayRaw(path)}: ${what}`;
}

/** One change: "expunge UID 17". */
export function describeChange(change: Change): string {
  switch (change.kind) {
    case "save": {
      const { uid, size } = change.message;
      return `${change.origin === undefined ? "deliver" : "copy"} UID ${uid} (${formatBytes(size)})`;
    }
    case "marks":
      return `mark UID ${change.uid} (${describeMarks(change)})`;
    case "expunge":
      return `expunge UID ${change.uid}`;
    case "rebind": {
      const { fromUid, message } = change;
      return fromUid === message.uid
        ? `rename the file of UID ${fromUid}`
        : `move UID ${fromUid} to UID ${message.uid}`;
    }
    default:
      return unreachable(change);
  }
}

function describeKind(changes: readonly Change[]): string[] {
  const [first] = changes;
  if (first === undefined) return [];
  if (changes.length <= TOLD_MAX) return changes.map(describeChange);
  const verb = { save: "deliver", marks: "mark", expunge: "expunge", rebind: "move or rename" }[first.kind];
  const sizes = changes.reduce((sum, change) => sum + (change.kind === "save" ? change.message.size : 0), 0);
  const total = first.kind === "save" ? ` (${formatBytes(sizes)})` : "";
  return [`${verb} ${changes.length} messages, UID ${range(changes)}${total}`];
}

function range(changes: readonly Change[]): string {
  let least = Number.POSITIVE_INFINITY;
  let most = 0;
  for (const change of changes) {
    const uid = uidOf(change);
    least = Math.min(least, uid);
    most = Math.max(most, uid);
  }
  return `${least}..${most}`;
}

function uidOf(change: Change): number {
  if (change.kind === "save") return change.message.uid;
  return change.kind === "rebind" ? change.fromUid : change.uid;
}

const FLAG_WORDS = ["draft", "flagged", "passed", "answered", "seen", "deleted"];

/** Of a bit set of flags: "seen", "answered", ... */
export function flagWordsOf(flags: number): string[] {
  return FLAG_WORDS.filter((_, bit) => ((flags >> bit) & 1) === 1);
}

/** "+seen -flagged +$Junk": what the change adds and takes. */
function describeMarks({ before, after }: Extract<Change, { kind: "marks" }>): string {
  const words = FLAG_WORDS.flatMap((word, bit) => sign(word, (before.flags >> bit) & 1, (after.flags >> bit) & 1));
  for (const name of after.keywords) if (!before.keywords.includes(name)) words.push(`+${displayRaw(name)}`);
  for (const name of before.keywords) if (!after.keywords.includes(name)) words.push(`-${displayRaw(name)}`);
  if (before.odd !== after.odd || before.tail !== after.tail) words.push("other characters of its name");
  return words.length === 0 ? "unchanged" : words.join(" ");
}

function sign(word: string, before: number, after: number): string[] {
  if (before === after) return [];
  return [after === 1 ? `+${word}` : `-${word}`];
}

function describeStructure(structure: Structure): string {
  switch (structure.kind) {
    case "create":
      return "create the mailbox";
    case "rename":
      return `rename it from ${displayRaw(structure.from)}${structure.displaces === undefined ? "" : ", where the one in its way goes"}`;
    case "delete":
      return "delete the mailbox";
    case "reset":
      return `begin anew: its UIDVALIDITY was ${structure.before}`;
    default:
      return unreachable(structure);
  }
}
