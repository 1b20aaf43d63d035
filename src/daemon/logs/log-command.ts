/** `mailtwin log tail|show|export`: the replication log of a store, while it is written. Reads only. */
import { systemClock } from "../../base/clock.js";
import { EX } from "../../base/errors.js";
import type { StateReader } from "../../log/state-ports.js";
import { noSuchMailbox } from "../control/find-mailbox.js";
import { daemonError } from "../errors.js";
import { STOP_SIGNALS } from "../interruption.js";
import type { Output } from "../output.js";
import { jsonOf } from "./entry-json.js";
import { type LsnRange, type ReadEntry, readOne, readPages } from "./entry-reading.js";
import { lineOf, storyOf } from "./entry-words.js";
import { findLog, type LogFlags } from "./find-log.js";
import { entriesMeant, isMailboxThere } from "./meant.js";
import { openLog } from "./open-log.js";
import { endOfReading, untilPassedOn } from "./reading-end.js";
import { follow, type IsMeant, startOfTail } from "./tail.js";

export interface TailFlags extends LogFlags {
  readonly lines?: string;
  readonly follow?: boolean;
  readonly user?: string;
  readonly mailbox?: string;
}

export interface ExportFlags extends LogFlags {
  readonly from?: string;
  readonly to?: string;
}

const TAIL_LINES = 10;

/** Returns the exit code. Throws: target-unknown, where no mailbox has, or had, that name; with --follow that is told: it may come. */
export async function tailLog(flags: TailFlags, output: Output): Promise<number> {
  const count = flags.lines === undefined ? TAIL_LINES : numberOf(flags.lines, "-n", 0);
  const path = findLog(flags, output);
  const lineFor = flags.json === true ? (entry: ReadEntry) => JSON.stringify(jsonOf(entry)) : lineOf;
  const tell = (words: string) => output.err(`mailtwin: ${words}\n`);
  let unread = 0;
  using end = endOfReading(process.stdout, flags.follow === true ? STOP_SIGNALS : []);
  const showOf = (isMeant: IsMeant | undefined) => async (page: readonly ReadEntry[]) => {
    for (const entry of page) {
      if (isMeant?.(entry) === false) continue;
      unread += "problem" in entry ? 1 : 0;
      output.out(`${lineFor(entry)}\n`);
    }
    await untilPassedOn(process.stdout, end.signal);
  };
  const shown = await showTail(path, { count, flags, showOf, signal: end.signal });
  if (shown.missing !== undefined && flags.follow !== true) throw shown.missing;
  if (shown.missing !== undefined) tell(shown.missing.message);
  else if (shown.isEmpty && flags.follow !== true && flags.json !== true) tell(shown.words);
  const following = { path, fromLsn: shown.nextLsn, clock: systemClock, show: shown.show, tell };
  if (flags.follow === true) await follow(following, end.signal);
  return unread === 0 ? EX.OK : EX.PARTIAL;
}

interface TailWork {
  readonly count: number;
  readonly flags: TailFlags;
  readonly showOf: (isMeant: IsMeant | undefined) => (page: readonly ReadEntry[]) => Promise<void>;
  readonly signal: AbortSignal;
}

async function showTail(path: string, { count, flags, showOf, signal }: TailWork) {
  using reader = openLog(path);
  const toLsn = reader.lastLsn();
  const wish = { user: flags.user, mailbox: flags.mailbox };
  const known = reader.mailboxes();
  const isMeant = entriesMeant(wish, known);
  const show = showOf(isMeant);
  const fromLsn = startOfTail(reader, count, isMeant);
  for (const page of readPages(reader, { fromLsn, toLsn })) {
    if (signal.aborted) break;
    await show(page);
  }
  const isEmpty = fromLsn > toLsn && count > 0;
  // All of the log was looked at then: no mailbox in it had that name either.
  const isMissing = isEmpty && isMeant !== undefined && !isMailboxThere(wish, known);
  const missing = isMissing ? noSuchMailbox(known, wish) : undefined;
  const words = `no transaction of that is in the log (${extentOf(reader)})`;
  return { isEmpty, missing, show, nextLsn: toLsn + 1, words };
}

/** Returns the exit code. Throws: not-in-log. */
export function showEntry(lsnText: string, flags: LogFlags, output: Output): number {
  const lsn = numberOf(lsnText, "LSN", 1);
  using reader = openLog(findLog(flags, output));
  const entry = readOne(reader, lsn);
  if (entry === undefined) {
    const why = lsn > reader.lastLsn() ? "it is not there yet" : "it was trimmed";
    throw daemonError("not-in-log", `showing transaction ${lsn}: ${why} (${extentOf(reader)})`);
  }
  if (flags.json === true) output.out(`${JSON.stringify(jsonOf(entry))}\n`);
  else for (const line of storyOf(entry, reader)) output.out(`${line}\n`);
  return "transaction" in entry ? EX.OK : EX.DATAERR;
}

/** Returns the exit code. Throws: not-in-log, if the log has nothing of what was asked for by its numbers. */
export async function exportLog(flags: ExportFlags, output: Output): Promise<number> {
  const from = flags.from === undefined ? undefined : numberOf(flags.from, "--from", 1);
  const to = flags.to === undefined ? undefined : numberOf(flags.to, "--to", 1);
  if (from !== undefined && to !== undefined && to < from)
    throw daemonError("usage", `reading the command line: --to ${to} is before --from ${from}`);
  using reader = openLog(findLog(flags, output));
  const range = rangeOf(reader, from, to);
  using end = endOfReading(process.stdout, []);
  let [unread, next] = [0, range.fromLsn];
  const tellGap = (upTo: number) => {
    if (upTo >= next)
      output.err(
        `mailtwin: ${next === upTo ? `transaction ${next} is` : `transactions ${next} to ${upTo} are`} not in the log any more\n`,
      );
  };
  for (const page of readPages(reader, range)) {
    if (end.signal.aborted) return EX.OK;
    tellGap((page[0]?.lsn ?? next) - 1);
    for (const entry of page) output.out(`${JSON.stringify(jsonOf(entry))}\n`);
    unread += page.filter((entry) => "problem" in entry).length;
    next = (page.at(-1)?.lsn ?? next) + 1;
    await untilPassedOn(process.stdout, end.signal);
  }
  tellGap(range.toLsn);
  return unread === 0 ? EX.OK : EX.PARTIAL;
}

function rangeOf(reader: StateReader, from: number | undefined, to: number | undefined): LsnRange {
  const [firstLsn, lastLsn] = [reader.firstLsn(), reader.lastLsn()];
  const range = { fromLsn: from ?? firstLsn, toLsn: Math.min(to ?? lastLsn, lastLsn) };
  const isNothing = range.fromLsn > lastLsn || range.toLsn < firstLsn;
  if (isNothing && (from !== undefined || to !== undefined)) {
    const asked = `${from ?? "the beginning"} to ${to ?? "the end"}`;
    throw daemonError("not-in-log", `exporting transactions ${asked}: none of them is there (${extentOf(reader)})`);
  }
  return range;
}

function extentOf(reader: StateReader): string {
  const [firstLsn, lastLsn] = [reader.firstLsn(), reader.lastLsn()];
  if (lastLsn === 0) return "the log has had none so far";
  return firstLsn > lastLsn ? `the log is empty, the last one was ${lastLsn}` : `the log has ${firstLsn} to ${lastLsn}`;
}

/** Throws: usage. */
function numberOf(text: string, name: string, least: number): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least) return value;
  const shown = JSON.stringify(text);
  throw daemonError("usage", `reading the command line: ${name} is ${shown}, and has to be a number from ${least} on`);
}
