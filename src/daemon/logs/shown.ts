/** How values look in the output of these commands, whatever bytes a mail user put into a name. */
import { displayRaw, rawFromText } from "../../base/raw-name.js";

/** Beyond this a Date has no value. */
const DATE_MS_MAX = 8.64e15;

/** "2026-11-29T09:05:52Z", UTC. */
export function shownTime(ms: number): string {
  return Math.abs(ms) > DATE_MS_MAX ? `${ms} ms` : `${new Date(ms).toISOString().slice(0, -5)}Z`;
}

/** Of what was refused: an LSN, or "c1" of a comparison, which is in no transaction and has -1. */
export function shownNumber(lsn: number): string {
  return lsn < 0 ? `c${-lsn}` : String(lsn);
}

/** A text, which is no name in bytes: what is not seen, or steers a terminal, is escaped. */
export function shownText(text: string): string {
  return displayRaw(rawFromText(text)).replaceAll("\\\\", "\\");
}

/** Columns beside each other, two blanks apart. The last one is not filled up. */
export function alignColumns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows)
    for (const [column, text] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, lengthOf(text));
  return rows.map((row) =>
    row
      .map((text, column) => filled(text, widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}

function filled(text: string, width: number): string {
  return text + " ".repeat(width - lengthOf(text));
}

function lengthOf(text: string): number {
  return [...text].length;
}
