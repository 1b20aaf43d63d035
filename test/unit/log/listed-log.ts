/** A log as a list, for what decides about it. */
import type { LogExtent } from "../../../src/log/trim.js";

export interface ListedEntry {
  readonly bytes: number;
  readonly capturedMs: number;
}

/** `firstLsn`: of the first entry, or the next LSN if there is none. */
export function listedLog(firstLsn: number, entries: readonly ListedEntry[]): LogExtent {
  const after = (lsn: number) => entries.slice(Math.max(0, lsn + 1 - firstLsn));
  return {
    firstLsn: () => firstLsn,
    lastLsn: () => firstLsn + entries.length - 1,
    logBytes: (lsn = 0) => after(lsn).reduce((sum, { bytes }) => sum + bytes, 0),
    oldestEntryMs: (lsn = 0) => after(lsn)[0]?.capturedMs,
  };
}
