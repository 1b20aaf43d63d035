/** An entry of the log in words: one line, or all that it says. */
import { unreachable } from "../../base/assert.js";
import { displayRaw } from "../../base/raw-name.js";
import type { StateReader } from "../../log/state-ports.js";
import type { ReplicaRow } from "../../log/state-types.js";
import { describeChange, describeTransaction, flagWordsOf } from "../../txn/describe.js";
import type { MessageMarks } from "../../txn/message-state.js";
import type { Change, Transaction } from "../../txn/transaction.js";
import { rightsKey } from "../run/replica-notes.js";
import { rightsNoted } from "../run/user-rights.js";
import { countOf, mailboxName } from "../words.js";
import type { ReadEntry } from "./entry-reading.js";
import { alignColumns, shownText, shownTime } from "./shown.js";

/** "    17  2026-11-29T09:05:52Z  alice/Maildir: deliver UID 17 (12.3 kB)". */
export function lineOf(entry: ReadEntry): string {
  const what =
    "problem" in entry ? `mailbox ${entry.mailbox}: ${unreadable(entry)}` : describeTransaction(entry.transaction);
  return `${String(entry.lsn).padStart(6)}  ${shownTime(entry.capturedMs)}  ${what}`;
}

/** Several lines: the transaction, each of its changes, and which replicas have it. */
export function storyOf(entry: ReadEntry, reader: Pick<StateReader, "replicas" | "meta">): string[] {
  const { lsn, mailbox, capturedMs } = entry;
  const head = [
    ["transaction", String(lsn)],
    ["captured", shownTime(capturedMs)],
  ];
  const known = reader.replicas().map((row): [string, string] => {
    const isMeant =
      !("transaction" in entry) || rightsNoted(reader.meta(rightsKey(row.replica)))(entry.transaction.path);
    return ["replica", `${shownText(row.replica)}: ${isMeant ? standing(row, lsn) : NO_RIGHT}`];
  });
  if ("problem" in entry) return alignColumns([...head, ["GUID", mailbox], ["problem", unreadable(entry)], ...known]);
  const { transaction } = entry;
  const { path, uidValidity, uidNext, headerExtra, structure, changes } = transaction;
  const whole = describeTransaction({ ...transaction, changes: [] }).slice(mailboxName(path).length + 2);
  const rows: [string, string][] = [
    ["mailbox", mailboxName(path)],
    ["GUID", mailbox],
    ["UIDVALIDITY", `${uidValidity}, next UID ${uidNext}`],
  ];
  if (headerExtra !== "") rows.push(["header", displayRaw(headerExtra)]);
  if (structure !== undefined) rows.push(["mailbox as a whole", whole]);
  rows.push(...known, ["changes", countOf(changes.length, "change")]);
  return [...alignColumns([...head, ...rows]), ...changes.flatMap((change) => linesOf(change, transaction))];
}

const NO_RIGHT = "may not have it (users of its [peer.NAME])";

/** Whether a replica has what was captured as `lsn`. Its rights may have been others when its cursor passed. */
function standing({ lsn: cursor, needsResyncSinceMs }: ReplicaRow, lsn: number): string {
  if (cursor >= lsn && needsResyncSinceMs === undefined) return "has it, or has refused it (mailtwin rejects list)";
  if (needsResyncSinceMs === undefined) return `lacks it still; it has all up to ${cursor}`;
  const comes = `${cursor >= lsn ? "has it, or " : ""}will get it by a comparison`;
  return `${comes}: it needs resync since ${shownTime(needsResyncSinceMs)}`;
}

function linesOf(change: Change, { fileOwner }: Transaction): string[] {
  const lines = [`  ${describeChange(change)}`];
  switch (change.kind) {
    case "save": {
      const { message, origin, owner = fileOwner } = change;
      lines.push(`file ${displayRaw(message.base)}`, `date ${shownTime(message.mtimeS * 1000)}; ${marksOf(message)}`);
      lines.push(`owner ${owner.uid}:${owner.gid}, mode ${owner.mode.toString(8).padStart(4, "0")}`);
      if (origin !== undefined) lines.push(`the same body as UID ${origin.uid} of mailbox ${origin.mailbox}`);
      break;
    }
    case "marks":
      lines.push(`file ${displayRaw(change.base)}`, marksOf(change.after));
      break;
    case "expunge":
      lines.push(`file ${displayRaw(change.base)}`);
      break;
    case "rebind":
      lines.push(`file ${displayRaw(change.fromBase)}, then ${displayRaw(change.message.base)}`);
      break;
    default:
      unreachable(change);
  }
  return lines.map((line, i) => (i === 0 ? line : `      ${line}`));
}

function marksOf({ flags, keywords }: MessageMarks): string {
  const words = [...flagWordsOf(flags), ...keywords.map(displayRaw)];
  return words.length === 0 ? "no flags" : words.join(" ");
}

function unreadable({ problem }: Extract<ReadEntry, { problem: string }>): string {
  return `this version cannot read it (${shownText(problem)})`;
}
