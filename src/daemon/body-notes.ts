/**
 * What the bodies of a source are as they are read, kept for later (log/known-bodies.ts): gathered here, and written by the thread that reads
 * bodies, some at a time. Nothing waits for it; what a kill takes along is noted when those bodies are read the next time.
 */
import type { Clock, Timer } from "../base/clock.js";
import { MailtwinError } from "../base/errors.js";
import type { WorkerClient } from "../base/worker-rpc.js";
import type { KnownBodyMethods } from "../capture/body-types.js";
import { decodeChunk } from "../log/baseline-chunk.js";
import type { BodyName, CopiedBody, KnownBody, NotedBody } from "../log/known-bodies.js";
import type { StateReader } from "../log/state-ports.js";
import type { BaselineRecord, MailboxRow } from "../log/state-types.js";
import type { MailboxGuid } from "../maildir/ids.js";
import type { JudgingPorts } from "../resync/judge-bodies.js";
import type { AreWritten } from "../resync/local-side.js";
import { chunkOf } from "../txn/chunks.js";
import type { Transaction } from "../txn/transaction.js";

const WRITE_MS = 1_000;
/** Some hundred kilobytes. */
const HELD_MAX = 1_024;

export class BodyNotes implements AsyncDisposable {
  readonly #worker: Pick<WorkerClient<KnownBodyMethods>, "call">;
  readonly #clock: Pick<Clock, "setTimer">;
  #held: NotedBody[] = [];
  /** Of what may be among those, or was noted before. */
  #copies: CopiedBody[] = [];
  #timer: Timer | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(worker: Pick<WorkerClient<KnownBodyMethods>, "call">, clock: Pick<Clock, "setTimer">) {
    this.#worker = worker;
    this.#clock = clock;
  }

  /** For whoever reads bodies. Returns at once. */
  readonly onRead = (bodies: readonly NotedBody[]): void => {
    this.#held.push(...bodies);
    this.#writeSoon();
  };

  /** For whoever ships: bodies of messages that were copied or moved are not read, and known all the same. Returns at once. */
  onShipped({ mailbox, changes }: Pick<Transaction, "mailbox" | "changes">): void {
    for (const change of changes) {
      if (change.kind !== "save" || change.origin === undefined) continue;
      const { uid, base, size } = change.message;
      this.#copies.push({ mailbox, uid, base, size, origin: change.origin });
    }
    this.#writeSoon();
  }

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

  #writeSoon(): void {
    const count = this.#held.length + this.#copies.length;
    if (count >= HELD_MAX) this.#write();
    else if (count > 0) this.#timer ??= this.#clock.setTimer(WRITE_MS, () => this.#write());
  }

  #write(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const [bodies, copies] = [this.#held, this.#copies];
    if (bodies.length + copies.length === 0) return;
    this.#held = [];
    this.#copies = [];
    const write = async (): Promise<void> => {
      if (bodies.length > 0) await this.#worker.call("note", { bodies, instead: false });
      if (copies.length > 0) await this.#worker.call("noteCopies", { copies });
    };
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
export function loggedSize(reader: Logged, mailbox: MailboxGuid, { uid, base }: BodyName): number | undefined {
  const row = reader.mailboxByGuid(mailbox);
  const record = row === undefined ? undefined : loggedRecords(reader, row, [uid]).get(uid);
  return record?.base === base ? record.size : undefined;
}

/** Of these messages those that the log has, by UID. Throws: state-corrupt. */
export function loggedRecords(
  reader: Pick<Logged, "chunk">,
  { id, keywords }: Pick<MailboxRow, "id" | "keywords">,
  uids: readonly number[],
): ReadonlyMap<number, BaselineRecord> {
  const wanted = new Set(uids);
  const records = new Map<number, BaselineRecord>();
  for (const chunk of new Set(uids.map(chunkOf))) {
    const bytes = reader.chunk(id, chunk);
    for (const record of bytes === undefined ? [] : decodeChunk(bytes, keywords))
      if (wanted.has(record.uid)) records.set(record.uid, record);
  }
  return records;
}

/** What a replica's state says it has of its source. */
export function writtenIn(reader: Logged): AreWritten {
  return (mailbox, messages) => {
    const row = reader.mailboxByGuid(mailbox);
    const uids = messages.map(({ uid }) => uid);
    const records = row === undefined ? new Map<number, BaselineRecord>() : loggedRecords(reader, row, uids);
    return messages.map(({ uid, base }) => records.get(uid)?.base === base);
  };
}

type Logged = Pick<StateReader, "mailboxByGuid" | "chunk">;
