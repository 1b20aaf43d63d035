/**
 * A replica in a temporary directory: a real store on disk, and its state database in memory (committed rows only, so
 * that a lost commit can be played by not recording an effect).
 */
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type {
  AppliedEffect,
  ApplyOptions,
  ExecuteOutcome,
  StageOutcome,
  WantedBody,
} from "../../../src/apply/apply-types.js";
import { BodyStager } from "../../../src/apply/body-stager.js";
import { ReplicaStore } from "../../../src/apply/replica-store.js";
import type { CrashPoint } from "../../../src/base/crash-points.js";
import type { Disk } from "../../../src/base/disk.js";
import { openNodeDisk } from "../../../src/base/disk-node.js";
import { openHash, sha256 } from "../../../src/base/hash.js";
import type { RawPath } from "../../../src/base/raw-name.js";
import { MailboxBaseline } from "../../../src/log/baseline.js";
import { stateOfRecord } from "../../../src/log/baseline-chunk.js";
import type { StateReader } from "../../../src/log/state-ports.js";
import type { ChunkWrite, IntentRow, LimboRow, MailboxRow } from "../../../src/log/state-types.js";
import { parseBaseName, parseMailboxGuid, parseUid, parseUidValidity } from "../../../src/maildir/ids.js";
import { FLAG_BITS } from "../../../src/maildir/message-name.js";
import { StateDigester } from "../../../src/txn/digest.js";
import { type FileOwner, type MessageMarks, type MessageState, NO_MARKS } from "../../../src/txn/message-state.js";
import type { Change, Structure, Transaction } from "../../../src/txn/transaction.js";
import { encodeTransaction } from "../../../src/txn/transaction-codec.js";

export const GUID = parseMailboxGuid("0123456789abcdef0123456789abcdef");
export const OTHER_GUID = parseMailboxGuid("fedcba9876543210fedcba9876543210");
export const VALIDITY = parseUidValidity(1_700_000_000);
export const HOST = "replica.test";
/** No process has it: Linux gives out no number above 4194304. */
export const DEAD_PID = 4_999_999;

const NO_EFFECT: AppliedEffect = { mailboxes: [], removedMailboxIds: [], chunks: [], limbo: [] };

/** What was committed. */
export class MemoryState {
  readonly mailboxes = new Map<number, MailboxRow>();
  readonly chunks = new Map<string, ChunkWrite>();
  limbo: LimboRow[] = [];
  intents: IntentRow[] = [];
  /** Called before each commit: throws where the process is killed before it. */
  beforeCommit: () => void = () => undefined;
  #lastMailbox = 0;

  putIntent(intent: IntentRow): void {
    this.beforeCommit();
    this.intents.push(intent);
  }

  record(effect: AppliedEffect, intents: readonly number[] = []): void {
    this.beforeCommit();
    this.intents = this.intents.filter(({ id }) => !intents.includes(id));
    for (const id of effect.removedMailboxIds) {
      this.mailboxes.delete(id);
      for (const [key, chunk] of this.chunks) if (chunk.mailboxId === id) this.chunks.delete(key);
    }
    for (const row of effect.mailboxes) {
      this.mailboxes.set(row.id, row);
      this.#lastMailbox = Math.max(this.#lastMailbox, row.id);
    }
    for (const chunk of effect.chunks) this.chunks.set(`${chunk.mailboxId}.${chunk.chunk}`, chunk);
    const names = new Set(effect.limbo.map(({ name }) => name));
    this.limbo = [...this.limbo.filter(({ name }) => !names.has(name)), ...effect.limbo];
  }

  get reader(): StateReader {
    const partial: Partial<StateReader> = {
      mailboxes: () => [...this.mailboxes.values()],
      mailboxByGuid: (guid) => [...this.mailboxes.values()].find((row) => row.guid === guid),
      nextMailboxId: () => this.#lastMailbox + 1,
      chunk: (mailboxId, chunk) => {
        const found = this.chunks.get(`${mailboxId}.${chunk}`);
        return found === undefined || found.count === 0 ? undefined : found.bytes;
      },
      looks: (mailboxId) => {
        const chunks = [...this.chunks.values()].filter((chunk) => chunk.mailboxId === mailboxId && chunk.count > 0);
        return chunks.sort((a, b) => a.chunk - b.chunk);
      },
      intents: () => this.intents,
      limbo: () => this.limbo,
      limboRow: (name) => this.limbo.find((row) => row.name === name),
      oldestLimbo: ({ removedMs, name }, countMax) =>
        this.limbo
          .filter((row) => row.removedMs > removedMs || (row.removedMs === removedMs && row.name > name))
          .sort((a, b) => (a.removedMs === b.removedMs ? (a.name < b.name ? -1 : 1) : a.removedMs - b.removedMs))
          .slice(0, countMax),
      uncountedLimbo: (after, countMax) =>
        this.limbo
          .filter(({ uid, size, name }) => uid === 0 && size === 0 && name > after)
          .sort((a, b) => (a.name < b.name ? -1 : 1))
          .slice(0, countMax),
      limboBytes: () => this.limbo.reduce((sum, { size }) => sum + size, 0),
    };
    return partial as StateReader;
  }
}

export interface StoreOptions {
  readonly crashPoint?: CrashPoint;
  readonly disk?: Disk;
  /** Default: the real one. */
  readonly stagerDisk?: Disk;
  readonly pid?: number;
  /** Added to the wall clock. */
  readonly laterMs?: number;
  readonly foreign?: ApplyOptions["foreign"];
}

export class Replica {
  readonly root: string;
  readonly storeRoot: string;
  readonly scratchRoot: string;
  readonly state = new MemoryState();
  readonly #digester: StateDigester;
  store: ReplicaStore;
  /** What the other thread has. */
  stager: BodyStager;
  /** Transactions that want more bodies have them staged by `stager`. */
  apartAbove = Number.POSITIVE_INFINITY;
  /** Plays a session that asks the source about bodies which are here already. */
  verifies = false;
  /** Plays a source that has given the messages below it other UIDs. */
  voidBelow = 0;
  #key = 0;

  constructor(digester: StateDigester, base: string) {
    this.#digester = digester;
    this.root = mkdtempSync(join(base, "mailtwin-apply-"));
    this.storeRoot = join(this.root, "store");
    this.scratchRoot = join(this.root, "scratch");
    mkdirSync(this.storeRoot);
    mkdirSync(this.scratchRoot);
    this.store = this.open();
    this.stager = new BodyStager(openNodeDisk());
  }

  /** A new process, as it were: nothing is remembered. */
  open(options: StoreOptions = {}): ReplicaStore {
    const {
      crashPoint,
      disk = openNodeDisk(),
      stagerDisk = openNodeDisk(),
      pid = process.pid,
      laterMs = 0,
      foreign,
    } = options;
    const clock = { nowMs: () => (Date.now() + laterMs) as never, monotonicMs: () => performance.now() };
    const ports = { disk, reader: this.state.reader, digester: this.#digester, clock };
    const { storeRoot, scratchRoot } = this;
    this.stager = new BodyStager(stagerDisk);
    const places = { storeRoot, scratchRoot, statePath: "", hostname: HOST, pid };
    this.store = new ReplicaStore(
      crashPoint === undefined ? ports : { ...ports, crashPoint },
      foreign === undefined ? places : { ...places, foreign },
    );
    return this.store;
  }

  /** What the program does first after a start, and what it records of that. */
  recover(): void {
    const { intentIds, limbo } = this.store.recover();
    if (intentIds.length + limbo.length > 0) this.state.record({ ...NO_EFFECT, limbo }, intentIds);
  }

  /** Prepare, stage what is wanted, execute, record. Throws what a call throws. */
  apply(txn: Transaction, bodyOf: (base: string) => Uint8Array | undefined = bodyOfBase): ExecuteOutcome {
    const key = this.nextKey();
    const staged = this.stage(key, txn, bodyOf);
    if (staged.kind === "diverged") return staged;
    return this.execute(key);
  }

  nextKey(): number {
    this.#key += 1;
    return this.#key;
  }

  stage(key: number, txn: Transaction, bodyOf: (base: string) => Uint8Array | undefined = bodyOfBase): StageOutcome {
    const { verifies, apartAbove, voidBelow } = this;
    const bytes = encodeTransaction(txn);
    const prepared = this.store.prepare({ key, bytes, voidBelow, verifies, apartAbove });
    if (prepared.kind === "diverged") return prepared;
    if (prepared.kind === "misnamed") throw new Error("it was given no name");
    const { ticket } = prepared;
    if (ticket !== undefined) this.stager.begin({ key, ticket });
    const wants = [...prepared.wants, ...this.#differing(key, prepared.held ?? [], bodyOf)];
    const outcome = this.stageWanted({ key, isApart: ticket !== undefined }, wants, bodyOf);
    if (ticket !== undefined) this.store.adoptStaged({ key, bodies: this.stager.handOver({ key }) });
    if (outcome.kind === "diverged") return outcome;
    this.store.syncStaged({ key });
    this.state.putIntent({ id: key, bytes: prepared.intent });
    return { kind: "staged" };
  }

  /** One call for each body, as if they came one by one. */
  stageWanted(
    { key, isApart }: { readonly key: number; readonly isApart: boolean },
    wants: readonly WantedBody[],
    bodyOf: (base: string) => Uint8Array | undefined = bodyOfBase,
  ): StageOutcome {
    const thread = isApart ? this.stager : this.store;
    for (const { index, base } of wants) {
      const bytes = bodyOf(base);
      if (bytes === undefined) {
        this.store.gone({ key, index });
        continue;
      }
      const outcome = thread.stageMany({ key, bodies: [{ index, bytes, sha256: sha256(bytes).toString("hex") }] });
      if (outcome.kind === "diverged") return outcome;
    }
    return { kind: "staged" };
  }

  /** Files that are on their way in, in the mailbox and in the scratch directory. */
  stagedNames(mailbox = "box"): string[] {
    const list = (dir: string): string[] => (existsSync(dir) ? readdirSync(dir) : []);
    const scratch = list(join(this.scratchRoot, "stage")).flatMap((guid) =>
      list(join(this.scratchRoot, "stage", guid)),
    );
    return [...list(this.path(mailbox, "tmp")), ...scratch].filter((name) => name.startsWith("mailtwin.")).sort();
  }

  /** Confirms bodies that are the source's; returns the others. */
  #differing(
    key: number,
    held: readonly WantedBody[],
    bodyOf: (base: string) => Uint8Array | undefined,
  ): readonly WantedBody[] {
    const hashes = this.store.hashHeld({ key, indexes: held.map(({ index }) => index) });
    const hashByIndex = new Map(hashes.map((hash) => [hash.index, hash.sha256]));
    const isSame = ({ index, base }: WantedBody): boolean => {
      const body = bodyOf(base);
      return body !== undefined && hashByIndex.get(index) === sha256(body).toString("hex");
    };
    this.store.confirmHeld({ key, indexes: held.filter(isSame).map(({ index }) => index) });
    return held.filter((body) => !isSame(body));
  }

  execute(key: number): ExecuteOutcome {
    const outcome = this.store.execute({ key });
    if (outcome.kind === "applied") {
      this.state.record(outcome.effect, [key, ...(outcome.effect.settles ?? [])]);
    }
    return outcome;
  }

  path(...parts: readonly string[]): string {
    return join(this.storeRoot, ...parts);
  }

  text(...parts: readonly string[]): string {
    return readFileSync(this.path(...parts), "latin1");
  }

  /** Names in cur/ and new/, sorted. */
  names(mailbox: string): string[] {
    const list = (dir: string): string[] => readdirSync(this.path(mailbox, dir)).map((name) => `${dir}/${name}`);
    return [...list("cur"), ...list("new")].sort();
  }

  /** File names in cur/, as bytes-in-strings. */
  rawNames(mailbox: string): string[] {
    return readdirSync(this.path(mailbox, "cur"), { encoding: "latin1" });
  }

  /** What the committed baseline of the only mailbox says. */
  appliedStates(): MessageState[] {
    const [row] = this.state.mailboxes.values();
    if (row === undefined) return [];
    const baseline = new MailboxBaseline({ reader: this.state.reader, digester: this.#digester }, row);
    return baseline.looks().flatMap(({ chunk }) => baseline.records(chunk).map(stateOfRecord));
  }

  /** Everything below the store with contents and mtimes, for "nothing changed". */
  picture(): string {
    return treeOf(this.storeRoot).join("\n");
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

function treeOf(path: string): string[] {
  return readdirSync(Buffer.from(path, "latin1"), { encoding: "latin1" })
    .sort()
    .flatMap((name) => {
      const child = join(path, name);
      const stat = lstatSync(Buffer.from(child, "latin1"));
      if (stat.isDirectory()) return [`${child}/`, ...treeOf(child)];
      return [`${child} ${Math.floor(stat.mtimeMs)} ${readFileSync(Buffer.from(child, "latin1"), "latin1")}`];
    });
}

/** `inMemory`: where fsync costs nothing, for tests that write much; on disk where there is no such place. */
export async function openReplica({ inMemory = false } = {}): Promise<Replica> {
  const base = inMemory && existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
  return new Replica(new StateDigester(await openHash()), base);
}

export function bodyOfBase(base: string): Uint8Array {
  return Buffer.from(`Subject: ${base}\n\nbody of ${base}\n`, "latin1");
}

export function message(
  uid: number,
  base: string,
  marks: Partial<MessageState> & { readonly letters?: string } = {},
): MessageState {
  const { letters = "", ...rest } = marks;
  let flags = 0;
  for (const letter of letters) flags |= FLAG_BITS[letter as keyof typeof FLAG_BITS];
  return {
    uid: parseUid(uid),
    base: parseBaseName(base),
    flags,
    keywords: [],
    odd: "",
    tail: "",
    size: bodyOfBase(base).length,
    mtimeS: 1_600_000_000 + uid,
    fields: "",
    ...rest,
  };
}

export function save(uid: number, base: string, marks: Parameters<typeof message>[2] = {}): Change {
  return { kind: "save", message: message(uid, base, marks) };
}

export function marks(
  uid: number,
  base: string,
  before: Partial<MessageMarks>,
  after: Partial<MessageMarks>,
): Extract<Change, { kind: "marks" }> {
  const { uid: id, base: name } = message(uid, base);
  return { kind: "marks", uid: id, base: name, before: { ...NO_MARKS, ...before }, after: { ...NO_MARKS, ...after } };
}

export function expunge(uid: number, base: string): Extract<Change, { kind: "expunge" }> {
  const { uid: id, base: name } = message(uid, base);
  return { kind: "expunge", uid: id, base: name };
}

/** For a transaction that must find its bodies at the replica. */
export function refuseBody(base: string): never {
  throw new Error(`the body of ${base} was asked for`);
}

export const OWNER: FileOwner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, mode: 0o700 };

export const CREATE: Structure = { kind: "create", owner: OWNER, parents: [], maildirFolder: true };

export function transaction(
  changes: readonly Change[],
  parts: Partial<Omit<Transaction, "structure">> & { readonly structure?: Structure | undefined } = {},
): Transaction {
  const { structure, ...rest } = parts;
  const highest = changes.reduce((uid, change) => Math.max(uid, "message" in change ? change.message.uid : 0), 0);
  return {
    mailbox: GUID,
    path: "box" as RawPath,
    uidValidity: VALIDITY,
    uidNext: highest + 1,
    headerExtra: "",
    fileOwner: { ...OWNER, mode: 0o600 },
    changes,
    capturedMs: 0,
    ...rest,
    ...(structure === undefined ? {} : { structure }),
  };
}
