/**
 * A source's state with what a run would capture on top of it, in memory: nothing of that is written.
 *
 * Memory: of what would be captured the rows of the baseline, 100 bytes or so a message.
 */
import type { PlanReader } from "../agent/planned-comparison.js";
import type { CaptureCommit, ChunkDigest, ChunkWrite, MailboxRow } from "../log/state-types.js";
import type { MailboxGuid } from "../maildir/ids.js";

export class DryState implements PlanReader {
  readonly #under: PlanReader;
  readonly #rowByGuid: Map<MailboxGuid, MailboxRow>;
  /** Mailboxes, by id, of which what lies under this counts no more. */
  readonly #removed = new Set<number>();
  /** By mailbox id; those of `count` 0 are gone. */
  readonly #writes = new Map<number, Map<number, ChunkWrite>>();

  constructor(under: PlanReader) {
    this.#under = under;
    this.#rowByGuid = new Map(under.mailboxes().map((row) => [row.guid, row]));
  }

  /** As if it were recorded. In the order in which it was found. */
  add({
    mailboxes,
    removedMailboxIds,
    chunks,
  }: Pick<CaptureCommit, "mailboxes" | "removedMailboxIds" | "chunks">): void {
    const removed = new Set(removedMailboxIds);
    for (const { guid, id } of [...this.#rowByGuid.values()]) if (removed.has(id)) this.#rowByGuid.delete(guid);
    for (const id of removed) {
      this.#removed.add(id);
      this.#writes.delete(id);
    }
    for (const row of mailboxes) this.#rowByGuid.set(row.guid, row);
    for (const write of chunks) {
      const writes = this.#writes.get(write.mailboxId) ?? new Map<number, ChunkWrite>();
      this.#writes.set(write.mailboxId, writes);
      writes.set(write.chunk, write);
    }
  }

  mailboxes(): readonly MailboxRow[] {
    return [...this.#rowByGuid.values()];
  }

  mailboxByGuid(guid: MailboxGuid): MailboxRow | undefined {
    return this.#rowByGuid.get(guid);
  }

  digests(mailboxId: number): readonly ChunkDigest[] {
    const writes = this.#writes.get(mailboxId) ?? new Map<number, ChunkWrite>();
    const under = this.#removed.has(mailboxId) ? [] : this.#under.digests(mailboxId);
    const own = [...writes.values()].flatMap(({ chunk, count, digest }): ChunkDigest[] =>
      count > 0 ? [{ chunk, count, digest }] : [],
    );
    return [...under.filter(({ chunk }) => !writes.has(chunk)), ...own].sort((a, b) => a.chunk - b.chunk);
  }

  chunk(mailboxId: number, chunk: number): Uint8Array | undefined {
    const write = this.#writes.get(mailboxId)?.get(chunk);
    if (write !== undefined) return write.count === 0 ? undefined : write.bytes;
    return this.#removed.has(mailboxId) ? undefined : this.#under.chunk(mailboxId, chunk);
  }

  /** Nothing comes while it is read. */
  snapshot<T>(read: () => T): T {
    return this.#under.snapshot(read);
  }

  lastLsn(): number {
    return this.#under.lastLsn();
  }

  entriesAfter(...args: Parameters<PlanReader["entriesAfter"]>): ReturnType<PlanReader["entriesAfter"]> {
    return this.#under.entriesAfter(...args);
  }

  logBytes(...args: Parameters<PlanReader["logBytes"]>): number {
    return this.#under.logBytes(...args);
  }
}
