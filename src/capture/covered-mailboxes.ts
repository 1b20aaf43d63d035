/**
 * Which mailboxes the log covers, by identity and by path, as the capture thread records them.
 */
import type { RawPath } from "../base/raw-name.js";
import type { MailboxRow } from "../log/state-types.js";
import type { MailboxGuid } from "../maildir/ids.js";
import type { Recorded } from "./capture-types.js";

export class CoveredMailboxes {
  readonly #rows = new Map<MailboxGuid, MailboxRow>();
  readonly #guidByPath = new Map<RawPath, MailboxGuid>();
  #messages = 0;
  /**
   * Called when a mailbox has another path now, or none: watches follow the directory and would name the old path. With the
   * same path twice: another mailbox stands there.
   */
  onMoved: (from: RawPath, to: RawPath | undefined) => void = () => undefined;

  constructor(rows: readonly MailboxRow[]) {
    for (const row of rows) this.#remember(row);
  }

  get rows(): readonly MailboxRow[] {
    return [...this.#rows.values()];
  }

  /** Of all mailboxes together. */
  get messages(): number {
    return this.#messages;
  }

  row(guid: MailboxGuid): MailboxRow | undefined {
    return this.#rows.get(guid);
  }

  guidAt(path: RawPath): MailboxGuid | undefined {
    return this.#guidByPath.get(path);
  }

  /** Takes over what was recorded. */
  take({ mailboxes, removedMailboxIds }: Pick<Recorded, "mailboxes" | "removedMailboxIds">): void {
    for (const id of removedMailboxIds) this.#drop(id);
    const moves = mailboxes.map((row) => ({ from: this.#rows.get(row.guid)?.path, to: row.path }));
    for (const row of mailboxes) this.#remember(row);
    this.#tellMoves(moves);
  }

  /** Where mailboxes changed places the watches of both paths are another's. */
  #tellMoves(moves: readonly { readonly from: RawPath | undefined; readonly to: RawPath }[]): void {
    const taken = new Set(moves.map(({ to }) => to));
    for (const { from, to } of moves) {
      if (from === undefined || from === to) continue;
      if (!taken.has(from)) this.onMoved(from, to);
      else for (const path of [from, to]) this.onMoved(path, path);
    }
  }

  #remember(row: MailboxRow): void {
    const before = this.#rows.get(row.guid);
    const hasMoved = before !== undefined && before.path !== row.path;
    if (hasMoved && this.#guidByPath.get(before.path) === row.guid) this.#guidByPath.delete(before.path);
    this.#messages += row.messages - (before?.messages ?? 0);
    this.#rows.set(row.guid, row);
    this.#guidByPath.set(row.path, row.guid);
  }

  #drop(id: number): void {
    const row = this.rows.find((candidate) => candidate.id === id);
    if (row === undefined) return;
    this.#messages -= row.messages;
    this.#rows.delete(row.guid);
    if (this.#guidByPath.get(row.path) !== row.guid) return;
    this.#guidByPath.delete(row.path);
    this.onMoved(row.path, undefined);
  }
}
