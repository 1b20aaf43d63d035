/**
 * The limbo of a store of this host, as it is told to the source of that store: its rows, and what they name.
 *
 * INVARIANT: of mail that only this store had no row is told and no byte is read, whatever name is asked for; nor of mailboxes that
 * whoever asks may not write to.
 */
import type { LimboSide } from "../../agent/limbo-side.js";
import { COPY_CAUSE } from "../../apply/confirm-copies.js";
import { readEntryName } from "../../apply/limbo-names.js";
import type { LimboReaderMethods, LimboReaderOptions } from "../../apply/limbo-reader-types.js";
import { type Clock, nextTurn } from "../../base/clock.js";
import type { RawPath } from "../../base/raw-name.js";
import { startWorker, type WorkerClient } from "../../base/worker-rpc.js";
import type { StateReader } from "../../log/state-ports.js";
import type { LimboRow } from "../../log/state-types.js";
import { isBaseName, UID_MAX } from "../../maildir/ids.js";
import {
  isLimboEntry,
  LIMBO_FILES_MAX,
  LIMBO_PAGE_MAX,
  type LimboFile,
  type LimboMark,
  type LimboPart,
} from "../../wire/limbo.js";
import { WorkerOnDemand } from "../worker-on-demand.js";

/** What the source has sent: it was applied here, or has the source's bytes. All else is foreign mail. */
const SENT = new Set(["expunge", "delete", "reset", COPY_CAUSE]);
const FIRST: LimboMark = { removedMs: Number.MIN_SAFE_INTEGER, name: "" };

/** The caller disposes of it. */
export function limboOnDemand(
  options: LimboReaderOptions,
  clock: Pick<Clock, "setTimer">,
): WorkerOnDemand<LimboReaderMethods> {
  const url = new URL("../apply/limbo-worker.js", import.meta.url);
  return new WorkerOnDemand(() => startWorker<LimboReaderMethods>({ url, name: "limbo", workerData: options }), clock);
}

export interface ToldLimboPorts {
  readonly rows: Pick<StateReader, "oldestLimbo" | "limboRow">;
  readonly thread: Pick<WorkerOnDemand<LimboReaderMethods>, "take" | "giveBack">;
  /** Whether whoever asks may know of the mailbox at that path; undefined: of all. */
  readonly mayKnow?: ((path: RawPath) => boolean) | undefined;
}

export class ToldLimbo implements LimboSide {
  readonly #ports: ToldLimboPorts;

  constructor(ports: ToldLimboPorts) {
    this.#ports = ports;
  }

  /** A page that has something, unless it is the last. */
  async page(after: LimboMark | undefined, signal: AbortSignal) {
    for (let mark = after ?? FIRST; ; ) {
      await nextTurn(); // the limbo may be full of what is not told.
      signal.throwIfAborted();
      const rows = this.#ports.rows.oldestLimbo(mark, LIMBO_PAGE_MAX);
      const told = rows.filter((row) => this.#isTold(row));
      const [last, isLast] = [rows.at(-1), rows.length < LIMBO_PAGE_MAX];
      if (told.length > 0 || isLast || last === undefined) {
        const there = told.length === 0 ? [] : await this.#use((thread) => thread.call("there", told.map(nameOf)));
        return { rows: told.map((row, at) => toldOf(row, there[at] === true)), more: !isLast && told.length > 0 };
      }
      mark = last;
    }
  }

  async files({ name, after }: Parameters<LimboSide["files"]>[0]) {
    const row = this.#rowOf(name);
    if (row === undefined || !isMailbox(row)) return { files: [], more: false };
    return this.#use((thread) => thread.call("files", { name, after, max: LIMBO_FILES_MAX }));
  }

  async parts({
    files,
    offset,
  }: {
    readonly files: readonly LimboFile[];
    readonly offset: number;
  }): Promise<readonly LimboPart[]> {
    const allowed = files.map(({ name, file }) => {
      const row = this.#rowOf(name);
      return row !== undefined && isMailbox(row) === (file !== "") ? { name, file } : undefined;
    });
    return this.#use((thread) => thread.call("parts", { files: allowed, offset }));
  }

  #rowOf(name: string): LimboRow | undefined {
    const row = this.#ports.rows.limboRow(name);
    return row !== undefined && this.#isTold(row) ? row : undefined;
  }

  #isTold({ name, path, uid, cause, removedMs }: LimboRow): boolean {
    const { mayKnow } = this.#ports;
    const isSound = isLimboEntry(name) && entryOf(name) !== undefined && uid <= UID_MAX && removedMs >= 0;
    return isSound && SENT.has(cause) && (mayKnow === undefined || mayKnow(path));
  }

  async #use<T>(work: (thread: WorkerClient<LimboReaderMethods>) => Promise<T>): Promise<T> {
    const thread = this.#ports.thread.take();
    try {
      return await work(thread);
    } finally {
      this.#ports.thread.giveBack();
    }
  }
}

function nameOf({ name }: LimboRow): string {
  return name;
}

function toldOf({ name, mailbox, path, uid, base, size, cause, removedMs }: LimboRow, isThere: boolean) {
  return { name, mailbox, path, uid, base: isBaseName(base) ? base : "", size, cause, removedMs, isThere };
}

function entryOf(name: string) {
  return readEntryName(name.slice(name.indexOf("/") + 1));
}

function isMailbox({ name }: LimboRow): boolean {
  return entryOf(name)?.uid === undefined;
}
