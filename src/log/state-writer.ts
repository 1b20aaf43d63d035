/**
 * The one writer of the state database: a worker thread behind the `StateWriter` port.
 */
import { startWorker, type WorkerClient } from "../base/worker-rpc.js";
import type { MailboxGuid } from "../maildir/ids.js";
import type { StateWriter } from "./state-ports.js";
import type { CaptureCommit, EffectCommit, RejectionRow } from "./state-types.js";
import type { StateWriterMethods, StateWriterStart } from "./state-writer-worker.js";

/**
 * Resolves once the database is open and its schema is this version's. A new database gets the meta value "log-id".
 * Throws: state-foreign, state-too-new, state-unreachable, state-corrupt, state-disk-full, state-busy.
 */
export async function openStateWriter(path: string, { create }: { readonly create: boolean }): Promise<StateWriter> {
  const workerData: StateWriterStart = { path, create };
  const url = new URL("../log/state-writer-worker.js", import.meta.url);
  const worker = startWorker<StateWriterMethods>({ url, name: "state-writer", workerData });
  try {
    await worker.call("open");
  } catch (error) {
    await worker[Symbol.asyncDispose]();
    throw error;
  }
  return new WorkerStateWriter(worker);
}

class WorkerStateWriter implements StateWriter {
  readonly #worker: WorkerClient<StateWriterMethods>;
  #closed: Promise<void> | undefined;

  constructor(worker: WorkerClient<StateWriterMethods>) {
    this.#worker = worker;
  }

  appendCaptured(commit: CaptureCommit): Promise<readonly number[]> {
    return this.#worker.call("appendCaptured", commit);
  }

  setCursor(replica: string, lsn: number): Promise<void> {
    return this.#worker.call("setCursor", { replica, lsn });
  }

  trimLog(lsn: number): Promise<void> {
    return this.#worker.call("trimLog", lsn);
  }

  putIntent({ bytes }: { readonly bytes: Uint8Array }): Promise<number> {
    return this.#worker.call("putIntent", bytes);
  }

  recordEffect(effect: EffectCommit): Promise<void> {
    return this.#worker.call("recordEffect", effect);
  }

  dropLimbo(names: readonly string[]): Promise<void> {
    return this.#worker.call("dropLimbo", names);
  }

  putRejection(row: RejectionRow): Promise<void> {
    return this.#worker.call("putRejection", row);
  }

  dropRejections(replica: string, mailbox: MailboxGuid): Promise<void> {
    return this.#worker.call("dropRejections", { replica, mailbox });
  }

  setMeta(key: string, value: string): Promise<void> {
    return this.#worker.call("setMeta", { key, value });
  }

  /** Waits for the writes that were called, then closes the database. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    try {
      await this.#worker.call("close");
    } finally {
      await this.#worker[Symbol.asyncDispose]();
    }
  }
}
