/**
 * What the thread that applies records itself: intent and effect of a transaction that nothing else is under way beside, without
 * the way to the state writer's thread and back, twice. Each call is a database transaction of its own.
 *
 * INVARIANT: nothing that the state writer was given before about the same mailboxes is still on its way: whoever calls sees to
 * that (agent/session.ts). The two connections exclude each other, but they keep no order between them.
 */
import { type Db, transact } from "./db.js";
import { openStateForWriting } from "./state-file.js";
import type { EffectCommit } from "./state-types.js";
import { StateWrites } from "./state-writes.js";

/** Synchronous. Throws as `StateWriter` rejects; then nothing of the call is there. */
export interface EffectWrites {
  /** Returns its number. On stable storage when it returns, as the next. */
  putIntent(bytes: Uint8Array): number;
  recordEffect(effect: EffectCommit): void;
}

/** `path`: a state database that a state writer has opened. It is opened again with the first write. */
export class LateEffectWrites implements EffectWrites, Disposable {
  readonly #path: string;
  #opened: { readonly db: Db; readonly writes: StateWrites } | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  putIntent(bytes: Uint8Array): number {
    const { db, writes } = this.#open();
    return transact(db, () => writes.putIntent(bytes));
  }

  recordEffect(effect: EffectCommit): void {
    const { db, writes } = this.#open();
    transact(db, () => writes.recordEffect(effect));
  }

  [Symbol.dispose](): void {
    this.#opened?.db[Symbol.dispose]();
    this.#opened = undefined;
  }

  #open() {
    if (this.#opened !== undefined) return this.#opened;
    const db = openStateForWriting(this.#path, { create: false });
    this.#opened = { db, writes: new StateWrites(db) };
    return this.#opened;
  }
}
