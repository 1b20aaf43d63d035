/** A store of this host as one side of a comparison: the rows of its own last look, and questions to the thread that looks. */
import type { RawPath } from "../base/raw-name.js";
import { startWorker, type WorkerClient } from "../base/worker-rpc.js";
import type { MailboxGuid } from "../maildir/ids.js";
import {
  MAILBOX_SUMS_MAX,
  type MailboxSum,
  type MessagePart,
  type MessagesOf,
  type NamedMessage,
  type PartsOf,
  type SpansOf,
  type StoreSum,
  type SummedMailbox,
} from "../wire/sums.js";
import { resyncError } from "./errors.js";
import { sumOfStore } from "./store-digest.js";
import type { ReadSide, SumsMethods, SumsOptions, SumsPort } from "./sums-types.js";

/** For each message whether replication has written it, and it was not expunged since, as this side's own state has it. */
export type AreWritten = (mailbox: MailboxGuid, messages: readonly NamedMessage[]) => readonly boolean[];

export function startSums(options: SumsOptions): WorkerClient<SumsMethods> {
  const url = new URL("../resync/sums-worker.js", import.meta.url);
  return startWorker<SumsMethods>({ url, name: "sums", workerData: options });
}

export class LocalSide implements ReadSide {
  readonly #sums: SumsPort;
  /** Whether whoever asks may know of the mailbox at that path. */
  readonly #mayKnow: (path: RawPath) => boolean;
  readonly #kept: () => Promise<readonly SummedMailbox[] | undefined>;
  readonly #areWritten: AreWritten | undefined;
  /** Of the last look, by path. */
  #rows: readonly SummedMailbox[] = [];
  #paths: ReadonlySet<RawPath> = new Set();

  /** `kept`: the whole store if it needs no thread to know it. Without `areWritten` nobody may have bytes of messages. */
  constructor(
    sums: SumsPort,
    mayKnow: (path: RawPath) => boolean = () => true,
    kept: () => Promise<readonly SummedMailbox[] | undefined> = async () => undefined,
    areWritten?: AreWritten,
  ) {
    this.#sums = sums;
    this.#kept = kept;
    this.#mayKnow = mayKnow;
    this.#areWritten = areWritten;
  }

  async store(): Promise<StoreSum> {
    const found = (await this.#kept()) ?? (await this.#use((worker) => worker.call("look")));
    this.#rows = found.filter(({ path }) => this.#mayKnow(path)).sort((a, b) => (a.path < b.path ? -1 : 1));
    this.#paths = new Set(this.#rows.map(({ path }) => path));
    return sumOfStore(this.#rows);
  }

  async mailboxes(after: RawPath | undefined): Promise<readonly SummedMailbox[]> {
    const first = after === undefined ? 0 : this.#rows.findIndex(({ path }) => path > after);
    if (first < 0) return [];
    const end = first + MAILBOX_SUMS_MAX;
    // A mailbox, and why something below it could not be read, have one path: the next page begins above it.
    const isTorn = this.#rows[end - 1]?.path === this.#rows[end]?.path;
    return this.#rows.slice(first, isTorn ? end - 1 : end);
  }

  async ranges(of: SpansOf) {
    return this.#use((worker) => worker.call("ranges", this.#known(of)));
  }

  async marks(of: SpansOf) {
    return this.#use((worker) => worker.call("marks", this.#known(of)));
  }

  async states(of: MessagesOf) {
    return this.#use((worker) => worker.call("states", this.#known(of)));
  }

  async hashes(of: MessagesOf) {
    return this.#use((worker) => worker.call("hashes", this.#known(of)));
  }

  /** Nothing but what replication has written: whoever asks gets back what a source has sent. */
  async parts(of: PartsOf): Promise<readonly MessagePart[]> {
    const areWritten = this.#areWritten;
    const known = this.#known(of);
    if (areWritten === undefined)
      throw resyncError(
        "compared-unsupported",
        "reading messages of the replica: it has no record of what this source has sent",
      );
    const row = this.#rows.find((it): it is MailboxSum => it.kind === "sum" && it.path === of.path);
    const may = row === undefined ? [] : areWritten(row.guid, of.messages);
    const messages = of.messages.map((message, index) => (may[index] === true ? message : undefined));
    return this.#use((worker) => worker.call("parts", { ...known, messages }));
  }

  async #use<T>(work: (worker: WorkerClient<SumsMethods>) => Promise<T>): Promise<T> {
    const worker = this.#sums.take();
    try {
      return await work(worker);
    } finally {
      this.#sums.giveBack();
    }
  }

  /** Throws: compared-unknown. No other path is ever opened. */
  #known<T extends { readonly path: RawPath }>(of: T): T {
    if (this.#paths.has(of.path)) return of;
    throw resyncError("compared-unknown", "comparing a mailbox: it is none of those that were looked at");
  }
}
