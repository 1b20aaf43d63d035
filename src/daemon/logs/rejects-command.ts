/** `mailtwin rejects list|show|export`: what replicas of a store have refused. Reads only, while the daemon runs. */
import { EX } from "../../base/errors.js";
import { displayRaw } from "../../base/raw-name.js";
import type { StateReader } from "../../log/state-ports.js";
import type { RejectionRow } from "../../log/state-types.js";
import { describeTransaction } from "../../txn/describe.js";
import { daemonError } from "../errors.js";
import type { Output } from "../output.js";
import { hintOfRejection, isRefused } from "../run/daemon-hints.js";
import { mailboxName } from "../words.js";
import { type ReadEntry, readOne } from "./entry-reading.js";
import { findLog, type LogFlags } from "./find-log.js";
import { openLog } from "./open-log.js";
import { alignColumns, shownNumber, shownText, shownTime } from "./shown.js";

export interface RejectsFlags extends LogFlags {
  readonly replica?: string;
}

const HEADINGS = ["REPLICA", "NUMBER", "CODE", "ATTEMPTS", "FIRST", "LAST", "MAILBOX", "REASON"];

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
export function showReject(number: string, flags: RejectsFlags, output: Output): number {
  const lsn = lsnOf(number);
  using reader = openLog(findLog(flags, output));
  const rows = rowsFor(reader, flags).filter((row) => row.lsn === lsn);
  if (rows.length === 0) {
    const who =
      flags.replica === undefined ? "no replica refuses" : `replica ${shownText(flags.replica)} does not refuse`;
    throw daemonError("not-rejected", `showing what was rejected: ${who} ${wordsOfNumber(lsn)}`);
  }
  const entry = lsn < 1 ? undefined : readOne(reader, lsn);
  if (flags.json === true) for (const row of rows) output.out(`${JSON.stringify(jsonOf(row))}\n`);
  else output.out(rows.map((row) => storyOf(row, entry)).join("\n"));
  return EX.OK;
}

/**
 * What a replica refuses of a comparison is in no transaction: such a row has a number below all of them. People write and read it as
 * "c1"; a program finds it as -1. Throws: usage.
 */
function lsnOf(number: string): number {
  const [, sign = "", digits = ""] = /^([c-]?)([1-9]\d{0,14})$/.exec(number) ?? [];
  if (digits !== "") return sign === "" ? Number(digits) : -Number(digits);
  const shown = JSON.stringify(shownText(number));
  throw daemonError(
    "usage",
    `reading the command line: ${shown} is no number of \`mailtwin rejects list\`: an LSN (17), or that of a comparison (c1)`,
  );
}

function wordsOfNumber(lsn: number): string {
  return lsn < 0 ? `comparison ${shownNumber(lsn)}` : `transaction ${lsn}`;
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
    shownNumber(lsn),
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
    lsn < 0
      ? [
          "comparison",
          `${shownNumber(lsn)}: what the two sides have is compared, and no transaction of the log is meant`,
        ]
      : ["transaction", `${lsn}, ${wordsOf(entry)}`],
    ["code", shownText(code)],
    ["reason", shownText(message)],
    ["attempts", `${attempts}, the first at ${shownTime(firstMs)}, the last at ${shownTime(lastMs)}`],
    ["what to do", hintOf(row)],
  ]);
  return lines.map((line) => `${line}\n`).join("");
}

/** Of a wish to compare a mailbox nothing is to be done. */
function hintOf({ code }: RejectionRow): string {
  return isRefused(code) ? hintOfRejection(code) : "Nothing: it is compared as soon as the replica is connected.";
}

function wordsOf(entry: ReadEntry | undefined): string {
  if (entry === undefined) return "which is not in the log any more";
  if ("problem" in entry) return "which this version cannot read";
  return `captured at ${shownTime(entry.capturedMs)}: ${describeTransaction(entry.transaction)}`;
}

function jsonOf(row: RejectionRow) {
  const { path, message, firstMs, lastMs, ...rest } = row;
  const times = { first: shownTime(firstMs), firstMs, last: shownTime(lastMs), lastMs };
  return {
    ...rest,
    number: shownNumber(row.lsn),
    path: displayRaw(path),
    reason: message,
    hint: hintOf(row),
    ...times,
  };
}
