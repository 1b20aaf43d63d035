/** How far the reading of all messages is, on a terminal: one line that is drawn over. Nothing where it goes elsewhere. */
import type { Clock } from "../../base/clock.js";
import { formatCount, formatDuration } from "../../base/text-format.js";
import type { Output } from "../output.js";

const EVERY_MS = 200;
const CLEAR_LINE = "\r\u001b[K";

export interface DeepProgress {
  readonly onProgress: (done: number, total: number) => void;
  /** Takes the line away. */
  readonly end: () => void;
}

export function openDeepProgress(
  output: Pick<Output, "err">,
  isShown: boolean,
  clock: Pick<Clock, "monotonicMs">,
): DeepProgress {
  const startMs = clock.monotonicMs();
  let [shownMs, isDrawn] = [0, false];
  return {
    onProgress(done, total) {
      const nowMs = clock.monotonicMs();
      if (!isShown || total === 0 || nowMs - shownMs < EVERY_MS) return;
      [shownMs, isDrawn] = [nowMs, true];
      const leftMs = ((nowMs - startMs) / Math.max(1, done)) * Math.max(0, total - done);
      const counts = `${formatCount(done)} of ${formatCount(total)} messages`;
      output.err(`${CLEAR_LINE}${Math.floor((done / total) * 100)}% ${counts} read, ${formatDuration(leftMs)} left`);
    },
    end() {
      if (isDrawn) output.err(CLEAR_LINE);
      isDrawn = false;
    },
  };
}
