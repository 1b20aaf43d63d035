/**
 * The bodies of new small mail, read by the thread that found it and kept for the replay agents, which send them a moment later: live
 * mail comes one by one, and to have another thread open the mailbox again costs more than to read the file.
 *
 * Nothing rests on it: an agent that finds none has them read (body-reader.ts).
 */
import type { Clock } from "../base/clock.js";
import type { Uid } from "../maildir/ids.js";
import type { Transaction } from "../txn/transaction.js";
import { ALONG_BODIES_MAX, ALONG_BYTES_MAX } from "../wire/messages.js";
import type { BodyItem, BodyRead } from "./body-types.js";
import type { FreshBody } from "./capture-types.js";

/** Some dozen mails. */
const BYTES_MAX = 1024 * 1024;
/** What an entry takes beside the bytes, about. */
const ENTRY_BYTES = 512;
/**
 * Whoever sends them does so at once. What is older is read anew: a file that is replaced under its name is told from what was recorded
 * then, and is not sent as it was.
 */
const AGE_MS_MAX = 2_000;
/** So many times bodies were kept and nobody asked: then no more are read until somebody does. */
const UNASKED_MAX = 8;

/** Of the log. */
interface LsnRange {
  readonly firstLsn: number;
  readonly lsn: number;
}

interface Kept {
  readonly bodies: readonly FreshBody[];
  readonly bytes: number;
  readonly atMs: number;
}

/**
 * INVARIANT: a body serves that transaction only with which it was recorded. A mailbox's GUID, UIDs and file names are its owner's to choose,
 * and another's mail may have had them before.
 */
export class FreshBodies {
  readonly #clock: Pick<Clock, "monotonicMs">;
  /** Oldest first. */
  readonly #keptByLsn = new Map<number, Kept>();
  #bytes = 0;
  #unasked = UNASKED_MAX;

  constructor(clock: Pick<Clock, "monotonicMs">) {
    this.#clock = clock;
  }

  /** Whether anybody sends bodies. */
  get isWanted(): boolean {
    return this.#unasked < UNASKED_MAX;
  }

  /** Of the transaction with that LSN. */
  put(lsn: number, bodies: readonly FreshBody[]): void {
    this.#unasked += 1;
    const bytes = bodies.reduce((sum, body) => sum + ENTRY_BYTES + body.bytes.buffer.byteLength, 0);
    this.#keptByLsn.set(lsn, { bodies, bytes, atMs: this.#clock.monotonicMs() });
    this.#bytes += bytes;
    this.#dropOld();
  }

  /** All of them, or undefined. The bytes are for reading only: another replica may get the same. */
  get({ firstLsn, lsn: lastLsn }: LsnRange, items: readonly BodyItem[]): readonly BodyRead[] | undefined {
    this.#unasked = 0;
    this.#dropOld();
    const bodyByUid = new Map<Uid, FreshBody>();
    for (const [lsn, { bodies }] of this.#keptByLsn)
      if (lsn >= firstLsn && lsn <= lastLsn) for (const body of bodies) bodyByUid.set(body.uid, body);
    const reads: BodyRead[] = [];
    for (const { index, uid, base } of items) {
      const body = bodyByUid.get(uid);
      if (body?.base !== base) return undefined;
      reads.push({ index, kind: "body", bytes: body.bytes, sha256: body.sha256 });
    }
    return reads;
  }

  #dropOld(): void {
    const dueMs = this.#clock.monotonicMs() - AGE_MS_MAX;
    for (const [lsn, { bytes, atMs }] of this.#keptByLsn) {
      if (atMs > dueMs && this.#bytes <= BYTES_MAX) return;
      this.#keptByLsn.delete(lsn);
      this.#bytes -= bytes;
    }
  }
}

/**
 * The bodies that go with a transaction: of new small mail. None where they are too many or too large, or where the replica may have them
 * already: what COPY or MOVE made, mail of a mailbox that comes or moves.
 */
export function freshItems({ changes, structure }: Transaction): readonly BodyItem[] {
  if (structure !== undefined) return [];
  const items: BodyItem[] = [];
  let bytes = 0;
  for (const [index, change] of changes.entries()) {
    if (change.kind !== "save" || change.origin !== undefined) continue;
    const { uid, base, size } = change.message;
    items.push({ index, uid, base, sizeBytes: size, isFresh: true });
    bytes += size;
    if (items.length > ALONG_BODIES_MAX || bytes > ALONG_BYTES_MAX) return [];
  }
  return items;
}
