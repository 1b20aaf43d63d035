/**
 * The bodies of new small mail, read by the thread that found it and kept for the replay agents, which send them a moment later: live
 * mail comes one by one, and to have another thread open the mailbox again costs more than to read the file.
 *
 * Nothing rests on it: an agent that finds none has them read (body-reader.ts).
 */
import type { MailboxGuid } from "../maildir/ids.js";
import type { Transaction } from "../txn/transaction.js";
import { ALONG_BODIES_MAX, ALONG_BYTES_MAX } from "../wire/messages.js";
import type { BodyItem, BodyRead } from "./body-types.js";
import type { FreshBody } from "./capture-types.js";

/** Some dozen mails: whoever sends them does so at once, or reads them. */
const BYTES_MAX = 1024 * 1024;
/** So many times bodies were kept and nobody asked: then no more are read until somebody does. */
const UNASKED_MAX = 8;

export class FreshBodies {
  /** Oldest first. */
  readonly #bodyByKey = new Map<string, FreshBody>();
  #bytes = 0;
  #unasked = UNASKED_MAX;

  /** Whether anybody sends bodies. */
  get isWanted(): boolean {
    return this.#unasked < UNASKED_MAX;
  }

  put(mailbox: MailboxGuid, bodies: readonly FreshBody[]): void {
    this.#unasked += 1;
    for (const body of bodies) {
      this.#drop(keyOf(mailbox, body));
      this.#bodyByKey.set(keyOf(mailbox, body), body);
      this.#bytes += body.bytes.length;
    }
    for (const key of this.#bodyByKey.keys()) {
      if (this.#bytes <= BYTES_MAX) break;
      this.#drop(key);
    }
  }

  /** All of them, or undefined. The bytes are for reading only: another replica may get the same. */
  get(mailbox: MailboxGuid, items: readonly BodyItem[]): readonly BodyRead[] | undefined {
    this.#unasked = 0;
    const reads: BodyRead[] = [];
    for (const item of items) {
      const body = this.#bodyByKey.get(keyOf(mailbox, item));
      if (body === undefined) return undefined;
      reads.push({ index: item.index, kind: "body", bytes: body.bytes, sha256: body.sha256 });
    }
    return reads;
  }

  #drop(key: string): void {
    this.#bytes -= this.#bodyByKey.get(key)?.bytes.length ?? 0;
    this.#bodyByKey.delete(key);
  }
}

function keyOf(mailbox: MailboxGuid, { uid, base }: Pick<FreshBody, "uid" | "base">): string {
  return `${mailbox} ${uid} ${base}`;
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
