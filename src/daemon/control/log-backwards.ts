/**
 * The replication log read backwards, in windows.
 *
 * INVARIANT: bounded work. A window has so many entries and bytes at most, no more bytes are read than the caller allows, and other work
 * of the thread gets its turn between two windows.
 */
import { nextTurn } from "../../base/clock.js";
import type { StateReader } from "../../log/state-ports.js";
import type { LogEntry } from "../../log/state-types.js";

export type LogReader = Pick<StateReader, "entriesAfter" | "logBytes" | "lastLsn" | "firstLsn">;

export interface LogWindow {
  /** Newest first. */
  readonly entries: readonly LogEntry[];
  /** All from here to the window before is in it. */
  readonly fromLsn: number;
}

export interface LogExtent {
  readonly firstLsn: number;
  readonly lastLsn: number;
}

interface Bounds {
  readonly bytesMax: number;
  readonly windowBytes?: number;
}

const WINDOW_LSNS = 512;
/** Held at once, unless one entry alone has more. */
const WINDOW_BYTES = 8 * 1024 * 1024;
const READ_BYTES = 64 * 1024;

/**
 * Newest first, until all was read, or `bytesMax` (at least one window). `windowBytes`: less than WINDOW_BYTES for who works on each
 * entry. Throws: the abort reason.
 */
export async function* windowsBackwards(
  reader: LogReader,
  { firstLsn, lastLsn, bytesMax, windowBytes = WINDOW_BYTES }: LogExtent & Bounds,
  signal: AbortSignal,
): AsyncGenerator<LogWindow> {
  let [highLsn, bytesLeft] = [lastLsn, bytesMax];
  while (highLsn >= firstLsn && bytesLeft > 0) {
    signal.throwIfAborted();
    const lowLsn = lowOf(reader, { firstLsn, highLsn, windowBytes });
    const { entries, bytesRead } = readWindow(reader, lowLsn, highLsn);
    bytesLeft -= bytesRead;
    yield { entries: entries.reverse(), fromLsn: lowLsn + 1 };
    highLsn = lowLsn;
    await nextTurn();
  }
}

/** Where a window ends that begins at `highLsn`: as low as its count and its bytes allow. */
function lowOf(
  reader: LogReader,
  {
    firstLsn,
    highLsn,
    windowBytes,
  }: { readonly firstLsn: number; readonly highLsn: number; readonly windowBytes: number },
): number {
  const bytesAbove = reader.logBytes(highLsn);
  for (let lsns = WINDOW_LSNS; lsns > 1; lsns /= 2) {
    const lowLsn = Math.max(firstLsn - 1, highLsn - lsns);
    if (reader.logBytes(lowLsn) - bytesAbove <= windowBytes) return lowLsn;
  }
  return highLsn - 1;
}

/** Entries with `lowLsn` < LSN <= `highLsn`, ascending. */
function readWindow(reader: LogReader, lowLsn: number, highLsn: number) {
  const entries: LogEntry[] = [];
  let [afterLsn, bytesRead] = [lowLsn, 0];
  while (afterLsn < highLsn) {
    const some = reader.entriesAfter(afterLsn, READ_BYTES);
    if (some.length === 0) break; // trimmed meanwhile.
    bytesRead += some.reduce((sum, { bytes }) => sum + bytes.length, 0);
    entries.push(...some.filter(({ lsn }) => lsn <= highLsn));
    afterLsn = some.at(-1)?.lsn ?? highLsn;
  }
  return { entries, bytesRead };
}
