/** `mailtwin rejects list|show|export`: what replicas of a store have refused. Reads only, while the daemon runs. */
import { EX } from "../../base/errors.js";
import { displayRaw } from "../../base/raw-name.js";
import type { StateReader } from "../../log/state-ports.js";
import type { RejectionRow } from "../../log/state-types.js";
import { describeTransaction } from "../../txn/describe.js";
import { daemonError } from "../errors.js";
import type { Output } from "../output.js";
import { mailboxName } from "../words.js";
import { type ReadEntry, readOne } from "./entry-reading.js";
import { numberOf } from "./log-command.js";
import { findLog, type LogFlags, openLog } from "./open-log.js";
import { alignColumns, shownText, shownTime } from "./shown.js";

export interface RejectsFlags extends LogFlags {
  readonly replica?: string;
}

const HEADINGS = ["REPLICA", "LSN", "CODE", "ATTEMPTS", "FIRST", "LAST", "MAILBOX", "REASON"];

/** Returns the exit code. */
export function listRejects(flags: RejectsFlags, output: Output): number {
  using reader = openLog(findLog(flags, output));
  const rows = rowsFor(reader, flags);
  if (flags.json === true) for (const row of rows) output.out(`${JSON.stringify(jsonOf(row))}\n`);
  else if (rows.length === 0) output.out("nothing is rejected\n");
  else for (const line of alignColumns([HEADINGS, ...rows.map(cellsOf)])) output.out(`${line}\n`);
  return EX.OK;
}

/** Returns the exit code. Throws: not-rejected. */
export function showReject(lsnText: string, flags: RejectsFlags, output: Output): number {
  const lsn = numberOf(lsnText, "LSN", 1);
  using reader = openLog(findLog(flags, output));
  const rows = rowsFor(reader, flags).filter((row) => row.lsn === lsn);
  if (rows.length === 0) {
    const who =
      flags.replica === undefined ? "no replica refuses" : `replica ${shownText(flags.replica)} does not refuse`;
    throw daemonError("not-rejected", `showing what was rejected: ${who} transaction ${lsn}`);
  }
  const entry = readOne(reader, lsn);
  if (flags.json === true) for (const row of rows) output.out(`${JSON.stringify(jsonOf(row))}\n`);
  else output.out(rows.map((row) => storyOf(row, entry)).join("\n"));
  return EX.OK;
}

/** JSON lines, also without `--json`. Returns the exit code. */
export function exportRejects(flags: RejectsFlags, output: Output): number {
  return listRejects({ ...flags, json: true }, output);
}

/** Throws: usage, for a replica that the store does not have. */
function rowsFor(reader: StateReader, { replica }: RejectsFlags): readonly RejectionRow[] {
  const rows = reader.rejections(replica);
  const names = reader.replicas().map((row) => row.replica);
  if (replica === undefined || rows.length > 0 || names.includes(replica)) return rows;
  const known = names.length === 0 ? "it has none" : `it has ${names.map(shownText).join(", ")}`;
  throw daemonError("usage", `reading the command line: the store has no replica ${shownText(replica)} (${known})`);
}

function cellsOf({ replica, lsn, code, attempts, firstMs, lastMs, path, message }: RejectionRow): string[] {
  const times = [shownTime(firstMs), shownTime(lastMs)];
  return [
    shownText(replica),
    String(lsn),
    shownText(code),
    String(attempts),
    ...times,
    mailboxName(path),
    shownText(message),
  ];
}

function storyOf(row: RejectionRow, entry: ReadEntry | undefined): string {
  const { replica, lsn, mailbox, path, code, message, attempts, firstMs, lastMs } = row;
  const lines = alignColumns([
    ["replica", shownText(replica)],
    ["mailbox", `${mailboxName(path)} (${mailbox})`],
    ["transaction", `${lsn}, ${wordsOf(entry)}`],
    ["code", shownText(code)],
    ["reason", shownText(message)],
    ["attempts", `${attempts}, the first at ${shownTime(firstMs)}, the last at ${shownTime(lastMs)}`],
  ]);
  return lines.map((line) => `${line}\n`).join("");
}

function wordsOf(entry: ReadEntry | undefined): string {
  if (entry === undefined) return "which is not in the log any more";
  if ("problem" in entry) return "which this version cannot read";
  return `captured at ${shownTime(entry.capturedMs)}: ${describeTransaction(entry.transaction)}`;
}

function jsonOf(row: RejectionRow) {
  const { path, message, firstMs, lastMs, ...rest } = row;
  const times = { first: shownTime(firstMs), firstMs, last: shownTime(lastMs), lastMs };
  return { ...rest, path: displayRaw(path), reason: message, ...times };
}
