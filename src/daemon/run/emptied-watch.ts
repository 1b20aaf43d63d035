/**
 * Looks while a link is live whether anything that was written to a replica still stands: of a store that is emptied nothing tells until
 * mail comes for it. What follows is the source's to decide, which looks at all that was written whenever a link begins.
 *
 * INVARIANT: two looks in a row have to find nothing: a mailbox that is being deleted is gone before that is recorded.
 */
import type { Clock, Timer } from "../../base/clock.js";

/** A look costs that of one mailbox while the store is not emptied. */
const LOOK_MS = 5_000;

export interface EmptiedWatchPorts {
  readonly clock: Pick<Clock, "setTimer">;
  /** May reject: that it cannot be looked at ends the watch. */
  readonly isEmptied: () => Promise<boolean>;
  /** Called at most once. */
  readonly onEmptied: () => void;
  /** Called at most once: why it cannot be looked at any more. */
  readonly onFailed: (error: unknown) => void;
}

/** Looks until it is disposed of, or has called one of the two. */
export function watchEmptied({ clock, isEmptied, onEmptied, onFailed }: EmptiedWatchPorts): Disposable {
  let [wasEmptied, hasEnded] = [false, false];
  let timer: Timer | undefined;
  const look = async (): Promise<void> => {
    try {
      const emptied = await isEmptied();
      if (hasEnded) return;
      if (emptied && wasEmptied) return onEmptied();
      wasEmptied = emptied;
      next();
    } catch (error) {
      if (!hasEnded) onFailed(error);
    }
  };
  const next = (): void => {
    timer = clock.setTimer(LOOK_MS, () => void look());
  };
  next();
  return {
    [Symbol.dispose](): void {
      hasEnded = true;
      timer?.cancel();
    },
  };
}
