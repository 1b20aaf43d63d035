/**
 * The writer of a state database: a worker thread behind the `StateWriter` port. One thread can serve several databases.
 */
import { startWorker, type WorkerClient } from "../base/worker-rpc.js";
import type { MailboxGuid } from "../maildir/ids.js";
import type { StateWriter } from "./state-ports.js";
import type { CaptureCommit, EffectCommit, RejectionRow, TrimCommit } from "./state-types.js";
import type { StateWriterMethods } from "./state-writer-worker.js";

/** A thread that state databases can be opened on; it outlives them. */
export interface StateThread extends AsyncDisposable {
  readonly worker: WorkerClient<StateWriterMethods>;
  /** Another number for each database. */
  readonly nextDb: () => number;
}

/** Returns at once, as `startWorker`. */
export function startStateThread(): StateThread {
  const url = new URL("../log/state-writer-worker.js", import.meta.url);
  const worker = startWorker<StateWriterMethods>({ url, name: "state-writer" });
  let lastDb = 0;
  const nextDb = (): number => {
    lastDb += 1;
    return lastDb;
  };
  return { worker, nextDb, [Symbol.asyncDispose]: () => worker[Symbol.asyncDispose]() };
}

export interface StateWriterOptions {
  readonly create: boolean;
  /** Default: a thread of its own, which ends with it. */
  readonly thread?: StateThread | undefined;
}

/**
 * Resolves once the database is open and its schema is this version's. A new database gets the meta value "log-id".
 * Throws: state-foreign, state-too-new, state-unreachable, state-corrupt, state-disk-full, state-busy.
 */
export async function openStateWriter(path: string, { create, thread }: StateWriterOptions): Promise<StateWriter> {
  const own = thread === undefined ? startStateThread() : undefined;
  const { worker, nextDb } = thread ?? (own as StateThread);
  const db = nextDb();
  try {
    await worker.call("open", { db, value: { path, create } });
  } catch (error) {
    await own?.[Symbol.asyncDispose]();
    throw error;
  }
  return new WorkerStateWriter(worker, db, own);
}

class WorkerStateWriter implements StateWriter {
  readonly #worker: WorkerClient<StateWriterMethods>;
  readonly #db: number;
  readonly #own: AsyncDisposable | undefined;
  #closed: Promise<void> | undefined;

  constructor(worker: WorkerClient<StateWriterMethods>, db: number, own: AsyncDisposable | undefined) {
    this.#worker = worker;
    this.#db = db;
    this.#own = own;
  }

  appendCaptured(commit: CaptureCommit): Promise<readonly number[]> {
    return this.#worker.call("appendCaptured", this.#of(commit));
  }

  setCursor(replica: string, lsn: number): Promise<void> {
    return this.#worker.call("setCursor", this.#of({ replica, lsn }));
  }

  trimLog(lsn: number): Promise<void> {
    return this.#worker.call("trimLog", this.#of(lsn));
  }

  trim(commit: TrimCommit): Promise<void> {
    return this.#worker.call("trim", this.#of(commit));
  }

  addReplica(replica: string, nowMs: number): Promise<void> {
    return this.#worker.call("addReplica", this.#of({ replica, nowMs }));
  }

  forgetReplica(replica: string): Promise<void> {
    return this.#worker.call("forgetReplica", this.#of(replica));
  }

  clearResync(replica: string, lsn: number): Promise<boolean> {
    return this.#worker.call("clearResync", this.#of({ replica, lsn }));
  }

  putIntent({ bytes }: { readonly bytes: Uint8Array }): Promise<number> {
    return this.#worker.call("putIntent", this.#of(bytes));
  }

  recordEffect(effect: EffectCommit): Promise<void> {
    return this.#worker.call("recordEffect", this.#of(effect));
  }

  dropLimbo(names: readonly string[]): Promise<void> {
    return this.#worker.call("dropLimbo", this.#of(names));
  }

  putRejection(row: RejectionRow): Promise<void> {
    return this.#worker.call("putRejection", this.#of(row));
  }

  dropRejections(replica: string, mailbox: MailboxGuid): Promise<void> {
    return this.#worker.call("dropRejections", this.#of({ replica, mailbox }));
  }

  setMeta(key: string, value: string): Promise<void> {
    return this.#worker.call("setMeta", this.#of({ key, value }));
  }

  /** Waits for the writes that were called, then closes the database. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    try {
      await this.#worker.call("close", { db: this.#db });
    } finally {
      await this.#own?.[Symbol.asyncDispose]();
    }
  }

  #of<T>(value: T): { readonly db: number; readonly value: T } {
    return { db: this.#db, value };
  }
}
