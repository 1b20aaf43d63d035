/**
 * Whether a body is on this file system already, so that it need not cross the link: in the mailbox that the source
 * copied or moved it from, or in the limbo, if the expunge came before the save, or if a copy of the mailbox that was here
 * at first contact gave way to it.
 *
 * A base name is unique in the world as far as Dovecot makes it; with the size and a mailbox that the source named, it
 * makes a candidate. Without such a mailbox nothing is one, but for a confirmed copy. What is known of its bytes is said by
 * `isChecked`.
 *
 * INVARIANT: what was in the limbo of one user becomes no mail of another one, whatever a source says: but for a mailbox that stands
 * here and that the source named, to which it has a right (session-rights.ts), mail stays with its user.
 */
import type { Dir } from "../base/disk.js";
import type { RawPath } from "../base/raw-name.js";
import type { LimboRow } from "../log/state-types.js";
import type { MailboxGuid } from "../maildir/ids.js";
import type { BodyOrigin, Transaction } from "../txn/transaction.js";
import { COPY_CAUSE } from "./confirm-copies.js";
import { fileAt, findFiles } from "./find-files.js";
import { isSameFile } from "./held-bodies.js";
import { closeBelow, locateMailbox } from "./locate.js";
import { MailboxDirs } from "./mailbox-place.js";
import type { BodyNeed, PresentFile } from "./mailbox-view.js";
import type { StoreContext } from "./store-context.js";

export interface FoundBody {
  readonly dir: Dir;
  readonly name: string;
  /** It is the file that was placed here, whose bytes were checked. */
  readonly isChecked: boolean;
}

export class LocalBodies {
  readonly #context: StoreContext;
  readonly #root: Dir;
  readonly #txn: Transaction;
  readonly #originsByMailbox: ReadonlyMap<MailboxGuid, readonly BodyOrigin[]>;
  readonly #filesByMailbox = new Map<MailboxGuid, ReadonlyMap<string, PresentFile>>();

  constructor(context: StoreContext, root: Dir, txn: Transaction) {
    this.#context = context;
    this.#root = root;
    this.#txn = txn;
    const origins = txn.changes.flatMap((change) => (change.kind === "save" && change.origin ? [change.origin] : []));
    this.#originsByMailbox = groupByMailbox(origins);
  }

  /** Calls `use` with the file, if there is one; true when `use` took it. */
  offer(need: BodyNeed, use: (body: FoundBody) => boolean): boolean {
    const change = this.#txn.changes[need.index];
    const origin = change?.kind === "save" ? change.origin : undefined;
    if (origin !== undefined && this.#offerOrigin(origin, need, use)) return true;
    const { limbo } = this.#context;
    for (const row of limbo.rowsOf(origin?.base ?? need.base)) {
      if (row.size !== need.size || !this.#isBodyOf(row, origin)) continue;
      const isChecked = row.cause === COPY_CAUSE; // compared with the source's message when it came there.
      if (limbo.withFile(row.name, (dir, name) => use({ dir, name, isChecked })) === true) return true;
    }
    return false;
  }

  /** Foreign mail has its name and size from whoever put it here: not believed. */
  #isBodyOf(row: LimboRow, origin: BodyOrigin | undefined): boolean {
    const { mailbox, path } = this.#txn;
    if (row.cause === COPY_CAUSE) return row.path === path || (row.mailbox === mailbox && this.#isOfUserOf(path, row));
    if (row.cause === "foreign" || row.uid === 0) return false;
    if (row.mailbox === mailbox && this.#isOfUserOf(path, row)) return true;
    if (origin === undefined || row.mailbox !== origin.mailbox) return false;
    const known = this.#context.cache.rowOf(origin.mailbox)?.path;
    return this.#isOfUserOf(known ?? path, row);
  }

  /**
   * A GUID says nothing of the user: that of a mailbox which is gone is known to whoever it was shared with, and may be named, or given
   * to a mailbox of his own, by a source that has no right to what the other one had.
   */
  #isOfUserOf(path: RawPath, row: LimboRow): boolean {
    return row.path === path || this.#context.whereabouts.areOfOne(this.#root, row.path, path);
  }

  #offerOrigin(origin: BodyOrigin, need: BodyNeed, use: (body: FoundBody) => boolean): boolean {
    return this.#inMailbox(origin.mailbox, (dirs) => {
      const file = this.#filesOf(origin.mailbox, dirs).get(origin.base);
      if (file === undefined || file.size !== need.size || fileAt(dirs, file) === undefined) return false;
      const record = this.#context.cache.get(origin.mailbox).baseline?.record(origin.uid);
      const isChecked = record?.base === origin.base && isSameFile(record, file);
      return use({ dir: dirs.of(file.dir), name: file.name, isChecked });
    });
  }

  /** All origins of one mailbox are looked for together: one listing at most. */
  #filesOf(mailbox: MailboxGuid, dirs: MailboxDirs): ReadonlyMap<string, PresentFile> {
    const found = this.#filesByMailbox.get(mailbox);
    if (found !== undefined) return found;
    const { baseline } = this.#context.cache.get(mailbox);
    const sought = (this.#originsByMailbox.get(mailbox) ?? []).flatMap(({ uid, base }) => {
      const record = baseline?.record(uid);
      return record?.base === base ? [{ base, infos: [record.info] }] : [];
    });
    const { fileByBase } = findFiles(dirs, sought, { before: undefined, nowMs: this.#context.clock.nowMs() });
    this.#filesByMailbox.set(mailbox, fileByBase);
    return fileByBase;
  }

  #inMailbox(mailbox: MailboxGuid, use: (dirs: MailboxDirs) => boolean): boolean {
    const known = this.#context.cache.get(mailbox);
    const path = known.baseline?.row.path;
    if (path === undefined) return false;
    const { structure: _, ...rest } = this.#txn;
    const located = locateMailbox(this.#root, known, { ...rest, mailbox, path });
    if (located.kind !== "found") return false;
    try {
      using dirs = new MailboxDirs(located.dir);
      return located.hasCur && use(dirs);
    } finally {
      closeBelow(this.#root, located.dir);
    }
  }
}

/**
 * Of `needs` those that have to come, in order; up to the first with which they are more than `bytesMax` (but a single one): there is the `cut`,
 * the index of its change, and nothing is said of the needs from there on.
 */
export function lackingAmong(
  needs: readonly BodyNeed[],
  bytesMax: number,
  isLacking: (need: BodyNeed) => boolean,
): { readonly lacking: readonly BodyNeed[]; readonly cut: number | undefined } {
  const lacking: BodyNeed[] = [];
  let bytes = 0;
  for (const need of needs.toSorted((a, b) => a.index - b.index)) {
    if (!isLacking(need)) continue;
    bytes += need.size;
    if (bytes > bytesMax && lacking.length > 0) return { lacking, cut: need.index };
    lacking.push(need);
  }
  return { lacking, cut: undefined };
}

function groupByMailbox(origins: readonly BodyOrigin[]): Map<MailboxGuid, BodyOrigin[]> {
  const byMailbox = new Map<MailboxGuid, BodyOrigin[]>();
  for (const origin of origins) {
    const group = byMailbox.get(origin.mailbox);
    if (group === undefined) byMailbox.set(origin.mailbox, [origin]);
    else group.push(origin);
  }
  return byMailbox;
}
