/**
 * The mailboxes that the log covers, by identity and by path: the database's rows, with what was sealed since.
 */
import type { RawPath } from "../base/raw-name.js";
import type { StateReader } from "../log/state-ports.js";
import type { MailboxRow } from "../log/state-types.js";
import type { MailboxGuid } from "../maildir/ids.js";

export class MailboxRows {
  readonly #byGuid = new Map<MailboxGuid, MailboxRow>();
  readonly #guidByPath = new Map<RawPath, MailboxGuid>();
  #nextId: number;
  #messages = 0;

  constructor(reader: Pick<StateReader, "mailboxes" | "nextMailboxId">) {
    this.#nextId = reader.nextMailboxId();
    for (const row of reader.mailboxes()) this.put(row);
  }

  byGuid(guid: MailboxGuid): MailboxRow | undefined {
    return this.#byGuid.get(guid);
  }

  byPath(path: RawPath): MailboxRow | undefined {
    const guid = this.#guidByPath.get(path);
    return guid === undefined ? undefined : this.#byGuid.get(guid);
  }

  all(): IterableIterator<MailboxRow> {
    return this.#byGuid.values();
  }

  /** Of all of them. */
  get messages(): number {
    return this.#messages;
  }

  /** Never the same twice, also if what it was for fails. */
  takeId(): number {
    return this.#nextId++;
  }

  put(row: MailboxRow): void {
    this.remove(row.guid);
    this.#byGuid.set(row.guid, row);
    this.#messages += row.messages;
    this.#guidByPath.set(row.path, row.guid);
  }

  remove(guid: MailboxGuid): void {
    const row = this.#byGuid.get(guid);
    if (row === undefined) return;
    this.#byGuid.delete(guid);
    this.#messages -= row.messages;
    if (this.#guidByPath.get(row.path) === guid) this.#guidByPath.delete(row.path);
  }
}
