/**
 * Keeps the sums of mailboxes between two looks at a store, in a small database of its own. It is a cache and nothing else: one that is
 * gone, damaged or not to be written costs time, and what it says counts only for a mailbox whose fingerprint is the same.
 */
import { isRawPath, type RawPath } from "../base/raw-name.js";
import { type Db, openDb, transact } from "../log/db.js";
import { isMailboxGuid, isUidValidity, type MailboxGuid, type UidValidity } from "../maildir/ids.js";
import { ChunkSums } from "./chunk-sums.js";

/** What is kept of one mailbox. */
export interface KeptMailbox {
  readonly path: RawPath;
  readonly fingerprint: string;
  /** Which directory it is: another one under its path has other files, whatever their names are. */
  readonly directory: string;
  readonly guid: MailboxGuid;
  readonly uidValidity: UidValidity;
  readonly uidNext: number;
  readonly unnumbered: number;
  /** As in `KnownSums`. */
  readonly letters: string | undefined;
  readonly sums: ChunkSums;
}

/** Another number: what an older or newer program wrote is thrown away. */
const VERSION = 3;
const SCHEMA = `CREATE TABLE mailbox (
  path BLOB PRIMARY KEY, fingerprint TEXT NOT NULL, directory TEXT NOT NULL, guid TEXT NOT NULL,
  uid_validity INTEGER NOT NULL, uid_next INTEGER NOT NULL, unnumbered INTEGER NOT NULL, letters BLOB, sums BLOB NOT NULL
) WITHOUT ROWID`;

interface KeptRow {
  readonly [column: string]: string | number | Uint8Array | null;
  readonly path: Uint8Array;
  readonly fingerprint: string;
  readonly directory: string;
  readonly guid: string;
  readonly uid_validity: number;
  readonly uid_next: number;
  readonly unnumbered: number;
  readonly letters: Uint8Array | null;
  readonly sums: Uint8Array;
}

export class SumCache implements Disposable {
  readonly #db: Db | undefined;

  /** `path` undefined: nothing is kept. Never throws for what the file is. */
  constructor(path: string | undefined) {
    this.#db = path === undefined ? undefined : openCache(path);
  }

  read(path: RawPath): KeptMailbox | undefined {
    const row = this.#quietly((db) =>
      db.prepare<KeptRow>("SELECT * FROM mailbox WHERE path = ?").get(Buffer.from(path, "latin1")),
    );
    return row === undefined ? undefined : keptOf(path, row);
  }

  /** Writes what was looked at anew, and drops what is not there any more, in one go. */
  write(kept: readonly KeptMailbox[], gone: readonly RawPath[]): void {
    if (kept.length === 0 && gone.length === 0) return;
    this.#quietly((db) =>
      transact(db, () => {
        const drop = db.prepare("DELETE FROM mailbox WHERE path = ?");
        const put = db.prepare("INSERT OR REPLACE INTO mailbox VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
        for (const path of gone) drop.run(Buffer.from(path, "latin1"));
        for (const it of kept) {
          const letters = it.letters === undefined ? null : Buffer.from(it.letters, "latin1");
          const { fingerprint, directory, guid, uidValidity, uidNext, unnumbered, sums } = it;
          put.run(
            Buffer.from(it.path, "latin1"),
            fingerprint,
            directory,
            guid,
            uidValidity,
            uidNext,
            unnumbered,
            letters,
            sums.bytes,
          );
        }
      }),
    );
  }

  /** Paths of all that is kept. */
  paths(): readonly RawPath[] {
    const rows = this.#quietly((db) => db.prepare<{ path: Uint8Array }>("SELECT path FROM mailbox").all()) ?? [];
    return rows.map(({ path }) => Buffer.from(path).toString("latin1")).filter(isRawPath);
  }

  [Symbol.dispose](): void {
    this.#db?.[Symbol.dispose]();
  }

  #quietly<T>(use: (db: Db) => T): T | undefined {
    if (this.#db === undefined) return undefined;
    try {
      return use(this.#db);
    } catch {
      return undefined; // a full disk, another process, a damaged file: the mailbox is looked at.
    }
  }
}

function openCache(path: string): Db | undefined {
  let db: Db | undefined;
  try {
    db = openDb(path, "create");
    const version = db.prepare<{ user_version: number }>("PRAGMA user_version").get()?.user_version ?? 0;
    // The last of it may be lost, and nobody waits for the disk.
    db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
    if (version !== VERSION) {
      transact(db, () => db?.exec(`DROP TABLE IF EXISTS mailbox; ${SCHEMA}; PRAGMA user_version = ${VERSION}`));
    }
    return db;
  } catch {
    db?.[Symbol.dispose]();
    return undefined;
  }
}

function keptOf(path: RawPath, row: KeptRow): KeptMailbox | undefined {
  const { fingerprint, directory, guid, uid_validity: uidValidity, uid_next: uidNext, unnumbered, letters } = row;
  const sums = ChunkSums.parse(row.sums);
  if (sums === undefined || !isMailboxGuid(guid) || !isUidValidity(uidValidity)) return undefined;
  return {
    ...{ path, fingerprint, directory, guid, uidValidity, uidNext, unnumbered, sums },
    letters: letters === null ? undefined : Buffer.from(letters).toString("latin1"),
  };
}
