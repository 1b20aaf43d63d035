/**
 * Takes back, in reverse order, what a failed write had done before it failed: a full disk leaves nothing half visible.
 *
 * INVARIANT: nothing is taken back after a crash point: the process counts as dead from there on.
 */
import type { Dir } from "../base/disk.js";
import { errnoOf } from "../base/errors.js";
import { applyError } from "./errors.js";

export class UndoLog implements Disposable {
  readonly #steps: (() => void)[] = [];
  readonly #held: Dir[] = [];

  /** Keeps a directory open until the log is disposed of: steps may need it. Returns it. */
  hold<D extends Dir>(dir: D): D {
    this.#held.push(dir);
    return dir;
  }

  [Symbol.dispose](): void {
    for (const dir of this.#held.splice(0)) dir.close();
  }

  /** `step` takes back what is about to be done, and does no harm if that never happened. */
  push(step: () => void): void {
    this.#steps.push(step);
  }

  /** For a rename that is about to be made: moves `name` in `from` back to `toName` in `to`, if it got there. */
  pushRename(from: Dir, name: string, to: Dir, toName: string): void {
    this.push(() => {
      try {
        from.rename(name, to, toName);
      } catch (error) {
        if (errnoOf(error) !== "ENOENT") throw error; // it never got there.
      }
    });
  }

  /** What was about to be done last was not done, and the caller goes on. */
  dropLast(): void {
    this.#steps.pop();
  }

  /** What was done stays done. */
  keep(): void {
    this.#steps.length = 0;
  }

  /** Throws: undo-incomplete, with what failed as its cause. Every step is tried. */
  undo(cause: unknown): void {
    const failures: unknown[] = [];
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        step();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length === 0) return;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw applyError(
      "undo-incomplete",
      `taking back a batch that failed (${why}): ${failures.length} of its steps could not be taken back`,
      { failures: failures.length },
      new AggregateError([cause, ...failures], why),
    );
  }
}

/** Runs `run`, and takes back what it did if it throws, unless a crash point was reached: then the process counts as dead. */
export function undoing<T>(life: { readonly hasEnded: boolean }, run: (undo: UndoLog) => T): T {
  using undo = new UndoLog();
  try {
    return run(undo);
  } catch (error) {
    if (!life.hasEnded) undo.undo(error);
    throw error;
  }
}
