/**
 * What the bodies of a source are as they are read, kept for later (log/known-bodies.ts): gathered here, and written by the thread that reads
 * bodies, some at a time. Nothing waits for it; what a kill takes along is noted when those bodies are read the next time.
 */
import type { Clock, Timer } from "../base/clock.js";
import { MailtwinError } from "../base/errors.js";
import type { WorkerClient } from "../base/worker-rpc.js";
import type { KnownBodyMethods } from "../capture/body-types.js";
import { decodeChunk } from "../log/baseline-chunk.js";
import type { BodyName, KnownBody, NotedBody } from "../log/known-bodies.js";
import type { StateReader } from "../log/state-ports.js";
import type { MailboxGuid } from "../maildir/ids.js";
import type { JudgingPorts } from "../resync/judge-bodies.js";
import { chunkOf } from "../txn/chunks.js";

const WRITE_MS = 1_000;
/** Some hundred kilobytes. */
const HELD_MAX = 1_024;

export class BodyNotes implements AsyncDisposable {
  readonly #worker: Pick<WorkerClient<KnownBodyMethods>, "call">;
  readonly #clock: Pick<Clock, "setTimer">;
  #held: NotedBody[] = [];
  #timer: Timer | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(worker: Pick<WorkerClient<KnownBodyMethods>, "call">, clock: Pick<Clock, "setTimer">) {
    this.#worker = worker;
    this.#clock = clock;
  }

  /** For whoever reads bodies. Returns at once. */
  readonly onRead = (bodies: readonly NotedBody[]): void => {
    this.#held.push(...bodies);
    if (this.#held.length >= HELD_MAX) this.#write();
    else if (this.#held.length > 0) this.#timer ??= this.#clock.setTimer(WRITE_MS, () => this.#write());
  };

  /** In the order of `names`; undefined: nothing is known of it. */
  async known(mailbox: MailboxGuid, names: readonly BodyName[]): Promise<readonly (KnownBody | undefined)[]> {
    this.#write();
    await this.#writing;
    return this.#worker.call("known", { mailbox, names });
  }

  /** `instead`: of what was known before. Written when it returns. */
  async note(bodies: readonly NotedBody[], instead = false): Promise<void> {
    this.#write();
    await this.#writing;
    if (bodies.length > 0) await this.#worker.call("note", { bodies, instead });
  }

  /** Forgets all mailboxes but these. */
  async keepOnly(mailboxes: readonly MailboxGuid[]): Promise<void> {
    await this.#worker.call("keepKnown", { mailboxes });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#write();
    await this.#writing;
  }

  #write(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const bodies = this.#held;
    if (bodies.length === 0) return;
    this.#held = [];
    const write = () => this.#worker.call("note", { bodies, instead: false });
    this.#writing = this.#writing.then(write).catch((error: unknown) => {
      if (!(error instanceof MailtwinError)) throw error; // the worker has ended: that is told elsewhere.
    });
  }
}

/** Who speaks for the source's bodies where two copies differ: what was noted, and its log. */
export function witnessesOf({
  notes,
  reader,
}: {
  readonly notes: Pick<BodyNotes, "known">;
  readonly reader: Pick<StateReader, "mailboxByGuid" | "chunk">;
}): Pick<JudgingPorts, "known" | "loggedSize"> {
  return {
    known: (mailbox, names) => notes.known(mailbox, names),
    loggedSize: (mailbox, name) => loggedSize(reader, mailbox, name),
  };
}

/** Bytes; undefined: the log does not know the message. Throws: state-corrupt. */
export function loggedSize(
  reader: Pick<StateReader, "mailboxByGuid" | "chunk">,
  mailbox: MailboxGuid,
  { uid, base }: BodyName,
): number | undefined {
  const row = reader.mailboxByGuid(mailbox);
  const bytes = row === undefined ? undefined : reader.chunk(row.id, chunkOf(uid));
  if (row === undefined || bytes === undefined) return undefined;
  return decodeChunk(bytes, row.keywords).find((it) => it.uid === uid && it.base === base)?.size;
}
