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

/** `path`: a state database that a state writer has opened. It is opened again with the first write. */
export class OwnWrites implements EffectWrites, CaptureWrites, Disposable {
  readonly #path: string;
  #opened: { readonly db: Db; readonly writes: StateWrites } | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  putIntent(bytes: Uint8Array): number {
    return this.#transact((writes) => writes.putIntent(bytes));
  }

  recordEffect(effect: EffectCommit): void {
    this.#transact((writes) => writes.recordEffect(effect));
  }

  appendCaptured(commit: CaptureCommit): readonly number[] {
    return this.#transact((writes) => writes.appendCaptured(commit));
  }

  [Symbol.dispose](): void {
    this.#opened?.db[Symbol.dispose]();
    this.#opened = undefined;
  }

  #transact<T>(write: (writes: StateWrites) => T): T {
    this.#opened ??= open(this.#path);
    const { db, writes } = this.#opened;
    return transact(db, () => write(writes));
  }
}

function open(path: string) {
  const db = openStateForWriting(path, { create: false });
  return { db, writes: new StateWrites(db) };
}
