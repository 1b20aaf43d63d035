/**
 * Whether a body is on this file system already, so that it need not cross the link: in the mailbox that the source
 * copied or moved it from, or in the limbo, if the expunge came before the save.
 *
 * A base name is unique in the world as far as Dovecot makes it; with the size and a mailbox that the source named, it
 * is taken for the body's identity. Without such a mailbox nothing is.
 */
import type { Dir } from "../base/disk.js";
import type { BodyOrigin, Transaction } from "../txn/transaction.js";
import { fileAt, findFiles, type Sighting } from "./find-files.js";
import { closeBelow, locateMailbox } from "./locate.js";
import { MailboxDirs } from "./mailbox-place.js";
import type { BodyNeed } from "./mailbox-view.js";
import type { StoreContext } from "./store-context.js";

export interface FoundBody {
  readonly dir: Dir;
  readonly name: string;
}

export class LocalBodies {
  readonly #context: StoreContext;
  readonly #root: Dir;
  readonly #txn: Transaction;
  readonly #sightings = new Map<string, Sighting | undefined>();

  constructor(context: StoreContext, root: Dir, txn: Transaction) {
    this.#context = context;
    this.#root = root;
    this.#txn = txn;
  }

  /** Calls `use` with the file, if there is one; true when `use` took it. */
  offer(need: BodyNeed, use: (body: FoundBody) => boolean): boolean {
    const change = this.#txn.changes[need.index];
    const origin = change?.kind === "save" ? change.origin : undefined;
    if (origin !== undefined && this.#offerOrigin(origin, need, use)) return true;
    for (const row of this.#context.limbo.rowsOf(origin?.base ?? need.base)) {
      const isNamed = row.mailbox === this.#txn.mailbox || row.mailbox === origin?.mailbox;
      if (!isNamed || row.size !== need.size || row.uid === 0) continue;
      if (this.#context.limbo.withFile(row.name, (dir, name) => use({ dir, name })) === true) return true;
    }
    return false;
  }

  #offerOrigin(origin: BodyOrigin, need: BodyNeed, use: (body: FoundBody) => boolean): boolean {
    const known = this.#context.cache.get(origin.mailbox);
    const row = known.baseline?.row;
    if (row === undefined) return false;
    const { structure: _, ...rest } = this.#txn;
    const located = locateMailbox(this.#root, known, { ...rest, mailbox: origin.mailbox, path: row.path });
    if (located.kind !== "found") return false;
    try {
      if (!located.hasCur) return false;
      using dirs = new MailboxDirs(located.dir);
      const info = known.baseline?.record(origin.uid)?.info;
      const sought = [{ base: origin.base, infos: info === undefined ? [] : [info] }];
      const before = this.#sightings.get(origin.mailbox);
      const { fileByBase, sighting } = findFiles(dirs, sought, { before, nowMs: this.#context.clock.nowMs() });
      this.#sightings.set(origin.mailbox, sighting);
      const file = fileByBase.get(origin.base);
      if (file === undefined || file.size !== need.size || fileAt(dirs, file) === undefined) return false;
      return use({ dir: dirs.of(file.dir), name: file.name });
    } finally {
      closeBelow(this.#root, located.dir);
    }
  }
}
