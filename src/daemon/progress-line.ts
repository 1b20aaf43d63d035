/**
 * The line that a terminal shows while a run is on its way: as much as fits, the counts last to go. While the source is still
 * being read nobody knows the whole, and no share of it is shown. Pure.
 */
import { formatBytes, formatCount, formatDuration } from "../base/text-format.js";
import type { Progress } from "./reporter.js";

const BAR_CHARS_MAX = 40;
const BAR_CHARS_MIN = 10;

/** Whether a line can be drawn over and over: else there is one every few seconds. */
export function canRedraw(
  streams: readonly { readonly isTTY?: boolean | undefined }[],
  term: string | undefined,
): boolean {
  return term !== "dumb" && streams.every(({ isTTY }) => isTTY === true);
}

/** What share is done, in whole percent; undefined while that is not known. */
export function percentOf({ counting, messagesDone, messagesTotal }: Progress): number | undefined {
  if (counting || messagesTotal === 0) return undefined;
  return Math.min(100, Math.floor((messagesDone / messagesTotal) * 100));
}

/** "1.50 MB sent, 30.0 s left" */
export function noteOf({ messagesTotal, counting, messagesDone, bytesDone, elapsedMs }: Progress): string {
  const bytes = `${formatBytes(bytesDone)} sent`;
  if (counting || messagesDone === 0) return `${bytes}, still reading the source`;
  const leftMs = (elapsedMs / messagesDone) * Math.max(0, messagesTotal - messagesDone);
  return `${bytes}, ${formatDuration(leftMs)} left`;
}

/** "5,000 of 20,000 messages" */
export function countsOf({ messagesDone, messagesTotal }: Progress): string {
  return `${formatCount(messagesDone)} of ${formatCount(messagesTotal)} messages`;
}

/** At most `columns` long. */
export function drawProgress(progress: Progress, percent: number | undefined, columns: number): string {
  const counts = countsOf(progress);
  const short = percent === undefined ? counts : `${percent}% ${counts}`;
  const whole = `${short}, ${noteOf(progress)}`;
  const barChars = Math.min(BAR_CHARS_MAX, columns - whole.length - 1);
  if (percent !== undefined && barChars >= BAR_CHARS_MIN) return `${barOf(percent, barChars)} ${whole}`;
  return [whole, short].find((line) => line.length <= columns) ?? short.slice(0, Math.max(0, columns));
}

function barOf(percent: number, chars: number): string {
  const full = Math.round((percent / 100) * chars);
  return "█".repeat(full) + "░".repeat(chars - full);
}
