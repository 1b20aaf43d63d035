/**
 * What the bodies of a source were when they were first read: their SHA-256 and size, in a small database of its own. It is a witness, for
 * when two copies of a body differ, and nothing rests on it: one that is gone, or damaged, is begun anew and knows nothing.
 *
 * INVARIANT: of a message the first word stays, until somebody says otherwise (`instead`): what a file is later is what is judged by it.
 * INVARIANT: what is known counts for the message with that UID and that base name only. A UID that came to another message has no word.
 */
import { sha256 } from "../base/hash.js";
import { removePrivateFile } from "../base/private-file.js";
import type { BaseName, MailboxGuid, Uid } from "../maildir/ids.js";
import { CHUNK_UIDS, chunkOf } from "../txn/chunks.js";
import { type Db, openDb, transact } from "./db.js";

/** In the state directory, beside source.db. */
export const KNOWN_BODIES = "source-bodies.db";

/** SHA-256 in hex, and bytes. */
export interface KnownBody {
  readonly sha256: string;
  readonly size: number;
}

export interface NotedBody extends KnownBody {
  readonly mailbox: MailboxGuid;
  readonly uid: Uid;
  readonly base: BaseName;
}

/** Which message of a mailbox. */
export interface BodyName {
  readonly uid: Uid;
  readonly base: BaseName;
}

/** A second name of a file that is, or was, a message elsewhere (COPY, MOVE). `size`: as the log has it, bytes. */
export interface CopiedBody extends BodyName {
  readonly mailbox: MailboxGuid;
  readonly size: number;
  readonly origin: BodyName & { readonly mailbox: MailboxGuid };
}

/** "mtbd": no state database is taken for one of these, nor the other way round. */
const APPLICATION_ID = 0x6d746264;
/** Another number: what an older or newer program wrote is thrown away. */
const VERSION = 1;
const SCHEMA = `CREATE TABLE body (
  mailbox TEXT NOT NULL, chunk INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (mailbox, chunk)
) STRICT`;

/** Of one message in a chunk's bytes: its UID's place in the chunk, its base name (8 bytes of a hash), size, SHA-256. */
const BASE_AT = 1;
const BASE_BYTES = 8;
const SIZE_AT = BASE_AT + BASE_BYTES;
const HASH_AT = SIZE_AT + 8;
const HASH_BYTES = 32;
const ENTRY_BYTES = HASH_AT + HASH_BYTES;

export class KnownBodies implements Disposable {
  readonly #db: Db | undefined;

  /** `path` undefined: nothing is known or kept. Never throws for what the file is; with "read" that stays as it is. */
  constructor(path: string | undefined, mode: "write" | "read" = "write") {
    if (path !== undefined) this.#db = mode === "write" ? openKnown(path) : openForReading(path);
  }

  /** Keeps the first word of each message; with `instead` the last. What cannot be written is not known: it never throws for that. */
  note(bodies: readonly NotedBody[], { instead = false }: { readonly instead?: boolean } = {}): void {
    if (bodies.length === 0) return;
    this.#quietly((db) =>
      transact(db, () => {
        const get = db.prepare<{ bytes: Uint8Array }>("SELECT bytes FROM body WHERE mailbox = ? AND chunk = ?");
        const put = db.prepare("INSERT OR REPLACE INTO body VALUES (?, ?, ?)");
        for (const [mailbox, chunk, own] of byChunk(bodies)) {
          const before = get.get(mailbox, chunk)?.bytes;
          const after = withBodies(before, own, instead);
          if (after !== undefined) put.run(mailbox, chunk, after);
        }
      }),
    );
  }

  /** In the order in which they were made: what is known of the one that was copied is known of the copy. Else as `note`. */
  noteCopies(copies: readonly CopiedBody[]): void {
    const wordByMessage = new Map<string, KnownBody>();
    const noted: NotedBody[] = [];
    for (const { origin, mailbox, uid, base, size } of copies) {
      const word = wordByMessage.get(keyOf(origin)) ?? this.read(origin.mailbox, [origin])[0];
      if (word?.size !== size) continue;
      wordByMessage.set(keyOf({ mailbox, uid, base }), word);
      noted.push({ mailbox, uid, base, ...word });
    }
    this.note(noted);
  }

  /** In the order of `names`; undefined: nothing is known. */
  read(mailbox: MailboxGuid, names: readonly BodyName[]): readonly (KnownBody | undefined)[] {
    const chunks = new Map<number, Buffer>();
    const bytesOf = (chunk: number): Buffer => {
      const kept = chunks.get(chunk) ?? this.#chunk(mailbox, chunk);
      chunks.set(chunk, kept);
      return kept;
    };
    return names.map(({ uid, base }) => {
      const bytes = bytesOf(chunkOf(uid));
      const at = find(bytes, uid);
      return at === undefined || !isOf(bytes, at, base) ? undefined : bodyAt(bytes, at);
    });
  }

  /** Of whichever message was noted last under that UID. */
  underUid(mailbox: MailboxGuid, uid: Uid): KnownBody | undefined {
    const bytes = this.#chunk(mailbox, chunkOf(uid));
    const at = find(bytes, uid);
    return at === undefined ? undefined : bodyAt(bytes, at);
  }

  /** All of a mailbox, by base names: what each was, under whatever UIDs. Some 150 bytes of memory a message. */
  byBase(mailbox: MailboxGuid): (base: BaseName) => readonly KnownBody[] {
    const rows = this.#quietly((db) =>
      db.prepare<{ bytes: Uint8Array }>("SELECT bytes FROM body WHERE mailbox = ?").all(mailbox),
    );
    const whole = (rows ?? []).filter(({ bytes }) => bytes.length % ENTRY_BYTES === 0);
    const bytes = Buffer.concat(whole.map((row) => row.bytes));
    const places = new Map<string, number[]>();
    for (let at = 0; at < bytes.length; at += ENTRY_BYTES) {
      const key = bytes.toString("latin1", at + BASE_AT, at + SIZE_AT);
      const known = places.get(key);
      if (known === undefined) places.set(key, [at]);
      else known.push(at);
    }
    return (base) => (places.get(hashOfBase(base).toString("latin1")) ?? []).map((at) => bodyAt(bytes, at));
  }

  /** Forgets all mailboxes but these. */
  keepOnly(mailboxes: ReadonlySet<string>): void {
    this.#quietly((db) => {
      const known = db.prepare<{ mailbox: string }>("SELECT DISTINCT mailbox FROM body").all();
      const drop = db.prepare("DELETE FROM body WHERE mailbox = ?");
      for (const { mailbox } of known) if (!mailboxes.has(mailbox)) drop.run(mailbox);
    });
  }

  [Symbol.dispose](): void {
    this.#db?.[Symbol.dispose]();
  }

  #chunk(mailbox: MailboxGuid, chunk: number): Buffer {
    const row = this.#quietly((db) =>
      db.prepare<{ bytes: Uint8Array }>("SELECT bytes FROM body WHERE mailbox = ? AND chunk = ?").get(mailbox, chunk),
    );
    const bytes = row === undefined ? Buffer.alloc(0) : Buffer.from(row.bytes);
    return bytes.length % ENTRY_BYTES === 0 ? bytes : Buffer.alloc(0);
  }

  #quietly<T>(use: (db: Db) => T): T | undefined {
    if (this.#db === undefined) return undefined;
    try {
      return use(this.#db);
    } catch {
      return undefined; // a full disk, a damaged file: less is known.
    }
  }
}

function keyOf({ mailbox, uid, base }: CopiedBody["origin"]): string {
  return `${mailbox} ${uid} ${base}`;
}

function openKnown(path: string): Db | undefined {
  const opened = tryOpen(path);
  if (opened !== "foreign") return opened;
  for (const suffix of ["", "-wal", "-shm"]) removePrivateFile(path + suffix);
  const anew = tryOpen(path);
  return anew === "foreign" ? undefined : anew;
}

function openForReading(path: string): Db | undefined {
  let db: Db | undefined;
  try {
    db = openDb(path, "read");
    if (isOurs(db)) return db;
  } catch {
    // Nothing is known then.
  }
  db?.[Symbol.dispose]();
  return undefined;
}

function isOurs(db: Db): boolean {
  const id = db.prepare<{ application_id: number }>("PRAGMA application_id").get()?.application_id;
  const version = db.prepare<{ user_version: number }>("PRAGMA user_version").get()?.user_version;
  return id === APPLICATION_ID && version === VERSION;
}

/** "foreign": it is damaged, or not of this version. */
function tryOpen(path: string): Db | "foreign" | undefined {
  let db: Db | undefined;
  try {
    db = openDb(path, "create");
    const isMade = isOurs(db);
    const tables = db.prepare<{ count: number }>("SELECT count(*) AS count FROM sqlite_schema").get()?.count ?? 0;
    if (!isMade && tables > 0) throw new TypeError("it is another program's");
    // The last of it may be lost, and nobody waits for the disk.
    db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
    if (isMade) return db;
    const made = db;
    transact(made, () => {
      made.exec(`${SCHEMA}; PRAGMA user_version = ${VERSION}; PRAGMA application_id = ${APPLICATION_ID}`);
    });
    return db;
  } catch (error) {
    db?.[Symbol.dispose]();
    const code = error instanceof TypeError ? "state-foreign" : (error as { readonly code?: unknown }).code;
    return code === "state-foreign" || code === "state-corrupt" ? "foreign" : undefined;
  }
}

function byChunk(bodies: readonly NotedBody[]): readonly (readonly [MailboxGuid, number, readonly NotedBody[]])[] {
  const found = new Map<string, [MailboxGuid, number, NotedBody[]]>();
  for (const body of bodies) {
    const chunk = chunkOf(body.uid);
    const key = `${body.mailbox} ${chunk}`;
    const entry = found.get(key) ?? [body.mailbox, chunk, []];
    entry[2].push(body);
    found.set(key, entry);
  }
  return [...found.values()];
}

/** Undefined where nothing is new. */
function withBodies(
  before: Uint8Array | undefined,
  bodies: readonly NotedBody[],
  instead: boolean,
): Uint8Array | undefined {
  const isWhole = before !== undefined && before.length % ENTRY_BYTES === 0;
  let bytes: Buffer = isWhole ? Buffer.from(before) : Buffer.alloc(0);
  let isNew = false;
  for (const body of bodies) {
    const at = find(bytes, body.uid);
    if (at !== undefined && !instead && isOf(bytes, at, body.base)) continue;
    isNew = true;
    if (at === undefined) bytes = Buffer.concat([bytes, entryOf(body)]);
    else entryOf(body).copy(bytes, at);
  }
  return isNew ? bytes : undefined;
}

function entryOf({ uid, base, size, sha256: hash }: NotedBody): Buffer {
  const entry = Buffer.alloc(ENTRY_BYTES);
  entry[0] = uid % CHUNK_UIDS;
  hashOfBase(base).copy(entry, BASE_AT);
  entry.writeBigUInt64LE(BigInt(size), SIZE_AT);
  Buffer.from(hash, "hex").copy(entry, HASH_AT);
  return entry;
}

function find(bytes: Buffer, uid: Uid): number | undefined {
  for (let at = 0; at < bytes.length; at += ENTRY_BYTES) if (bytes[at] === uid % CHUNK_UIDS) return at;
  return undefined;
}

function isOf(bytes: Buffer, at: number, base: BaseName): boolean {
  return hashOfBase(base).equals(bytes.subarray(at + BASE_AT, at + SIZE_AT));
}

function hashOfBase(base: BaseName): Buffer {
  return sha256(Buffer.from(base, "latin1")).subarray(0, BASE_BYTES);
}

function bodyAt(bytes: Buffer, at: number): KnownBody {
  return {
    sha256: bytes.subarray(at + HASH_AT, at + ENTRY_BYTES).toString("hex"),
    size: Number(bytes.readBigUInt64LE(at + SIZE_AT)),
  };
}
