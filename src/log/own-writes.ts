/**
 * What a thread that works on one state database records itself, without the way to the state writer's thread and back: the capture
 * thread what it has found, the thread that applies the intent and the effect of a transaction beside which nothing is under way. Each
 * call is a database transaction of its own.
 *
 * INVARIANT: nothing that the state writer was given before about the same mailboxes is still on its way: whoever calls sees to
 * that (agent/session.ts; of captured mailboxes it is given nothing). The connections exclude each other, but keep no order.
 */
import { type Db, transact } from "./db.js";
import { openStateForWriting } from "./state-file.js";
import type { CaptureCommit, EffectCommit } from "./state-types.js";
import { StateWrites } from "./state-writes.js";

/** Synchronous; on stable storage when they return. Throws as `StateWriter` rejects; then nothing of the call is there. */
export interface EffectWrites {
  /** Returns its number. */
  putIntent(bytes: Uint8Array): number;
  recordEffect(effect: EffectCommit): void;
}

/** As `EffectWrites`. */
export interface CaptureWrites {
  /** As `StateWriter.appendCaptured`. */
  appendCaptured(commit: CaptureCommit): readonly number[];
}

/** `path`: a state database that a state writer has opened. Throws: what opening it throws. */
export class OwnWrites implements EffectWrites, CaptureWrites, Disposable {
  readonly #db: Db;
  readonly #writes: StateWrites;

  constructor(path: string) {
    this.#db = openStateForWriting(path, { create: false });
    this.#writes = new StateWrites(this.#db);
  }

  putIntent(bytes: Uint8Array): number {
    return transact(this.#db, () => this.#writes.putIntent(bytes));
  }

  recordEffect(effect: EffectCommit): void {
    transact(this.#db, () => this.#writes.recordEffect(effect));
  }

  appendCaptured(commit: CaptureCommit): readonly number[] {
    return transact(this.#db, () => this.#writes.appendCaptured(commit));
  }

  [Symbol.dispose](): void {
    this.#db[Symbol.dispose]();
  }
}
