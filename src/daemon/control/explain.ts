/**
 * Where a message stands: what the replication log says of a UID, newest first, and which replicas have acknowledged it.
 *
 * INVARIANT: bounded work. The log is read backwards in windows, and other work of the thread gets its turn between two of them.
 */
import { displayRaw } from "../../base/raw-name.js";
import { chunkOf, decodeChunk, stateOfRecord } from "../../log/baseline-chunk.js";
import type { StateReader } from "../../log/state-ports.js";
import type { LogEntry, MailboxRow, RejectionRow } from "../../log/state-types.js";
import { describeChange } from "../../txn/describe.js";
import type { MessageMarks } from "../../txn/message-state.js";
import type { Change, Transaction } from "../../txn/transaction.js";
import { decodeTransaction } from "../../txn/transaction-codec.js";
import { controlError } from "../control-errors.js";
import { mailboxName } from "../words.js";
import { findMailboxes, type MailboxWish, noSuchMailbox } from "./find-mailbox.js";

export interface ExplainQuery {
  /** Undefined: whichever store of this host has the mailbox. */
  readonly store?: string | undefined;
  readonly user?: string | undefined;
  readonly mailbox: string;
  readonly uid: number;
}

export interface Explanation {
  readonly store: string;
  /** As people know it. */
  readonly mailbox: string;
  readonly guid: string;
  readonly uidValidity: number;
  readonly uidNext: number;
  readonly uid: number;
  readonly message: ExplainedMessage;
  /** Newest first, at most TRANSACTIONS_TOLD_MAX. */
  readonly transactions: readonly ExplainedTransaction[];
  /** `searchedFromLsn`: what is older was not looked at; equal to `firstLsn` when all was. */
  readonly log: { readonly firstLsn: number; readonly lastLsn: number; readonly searchedFromLsn: number };
  /** Where no such message is known (`isKnown`), and all of the log was looked at, only those that refuse its mailbox. */
  readonly replicas: readonly Acknowledgement[];
}

/** Whether the message is there, or anything in the log is of it. */
export function isKnown({ message, transactions }: Pick<Explanation, "transactions"> & { message: { kind: string } }) {
  return message.kind === "there" || transactions.length > 0;
}

export type ExplainedMessage =
  | {
      readonly kind: "there";
      readonly baseName: string;
      readonly sizeBytes: number;
      readonly internalDateMs: number;
      readonly marks: string;
    }
  /** It was expunged, or no message ever had that UID. */
  | { readonly kind: "gone" }
  /** The mailbox has not come so far. */
  | { readonly kind: "not-yet" };

export interface ExplainedTransaction {
  readonly lsn: number;
  readonly capturedMs: number;
  readonly words: string;
  /** Whence a copy comes: "UID 5 of alice/.Work". */
  readonly origin?: string | undefined;
}

export interface Acknowledgement {
  readonly name: string;
  /** 0 where it was never met. */
  readonly cursor: number;
  /** "partly": the older transactions of that UID. "unknown": what it would show is not in the log, or was not looked at. */
  readonly state: "acknowledged" | "refused" | "partly" | "not-yet" | "unknown";
  readonly refused?: { readonly lsn: number; readonly code: string; readonly message: string } | undefined;
}

export interface ExplainedStore {
  readonly name: string;
  readonly reader: Pick<
    StateReader,
    "mailboxes" | "mailboxByGuid" | "chunk" | "entriesAfter" | "logBytes" | "lastLsn" | "firstLsn" | "rejections"
  >;
  readonly replicas: readonly string[];
  /** What that replica has for certain; 0 where it was never met. */
  readonly ackedLsn: (replica: string) => number;
}

const TRANSACTIONS_TOLD_MAX = 10;
const WINDOW_LSNS = 512;
/** Held at once, unless one entry alone has more. */
const WINDOW_BYTES = 8 * 1024 * 1024;
const READ_BYTES = 64 * 1024;
/** Of the log, for one question. */
const BYTES_MAX = 128 * 1024 * 1024;

export interface ExplainedStores {
  /** The sources of this host that are open. */
  readonly stores: readonly ExplainedStore[];
  /** What was not looked at, for a mailbox that is not found: "; of ... ", or "". */
  readonly unasked: string;
}

/** Throws: target-unknown, target-ambiguous, state-corrupt, the abort reason. */
export async function explainUid(
  explained: ExplainedStores,
  query: ExplainQuery,
  signal: AbortSignal,
): Promise<Explanation> {
  const { store, row } = findOne(explained, query);
  const { reader, replicas, ackedLsn } = store;
  const found = await searchLog(reader, { row, uid: query.uid }, signal);
  const refusals = replicas.map((name) => reader.rejections(name).filter(({ mailbox }) => mailbox === row.guid));
  const message = messageOf(reader, row, query.uid);
  const isToldOf = isKnown({ ...found, message }) || found.log.searchedFromLsn > found.log.firstLsn;
  const acknowledgements = replicas.map((name, index) =>
    acknowledgementOf(found, { name, cursor: ackedLsn(name), refusals: refusals[index] ?? [] }),
  );
  return {
    ...{ store: store.name, mailbox: mailboxName(row.path), guid: row.guid },
    ...{ uidValidity: row.uidValidity, uidNext: row.uidNext, uid: query.uid },
    message,
    ...found,
    replicas: message.kind === "not-yet" ? [] : acknowledgements.filter(({ state }) => isToldOf || state === "refused"),
  };
}

interface Found {
  readonly store: ExplainedStore;
  readonly row: MailboxRow;
}

function findOne({ stores, unasked }: ExplainedStores, query: ExplainQuery): Found {
  const asked = stores.filter(({ name }) => query.store === undefined || name === query.store);
  const read = asked.map((store) => ({ store, rows: store.reader.mailboxes() }));
  const wish: MailboxWish = { user: query.user, mailbox: query.mailbox };
  const found = read.flatMap(({ store, rows }) => findMailboxes(rows, wish).map((row): Found => ({ store, row })));
  const [first, second] = found;
  if (first === undefined)
    throw noSuchMailbox(
      read.flatMap(({ rows }) => rows),
      wish,
      unasked,
    );
  if (second === undefined) return first;
  const names = found.map(({ store, row }) => `${store.name} has ${mailboxName(row.path)}`).join(", ");
  throw controlError("target-ambiguous", `looking for a mailbox: several stores have one of that name: ${names}`);
}

function messageOf(reader: ExplainedStore["reader"], row: MailboxRow, uid: number): ExplainedMessage {
  if (uid >= row.uidNext) return { kind: "not-yet" };
  const bytes = reader.chunk(row.id, chunkOf(uid));
  const record = bytes === undefined ? undefined : decodeChunk(bytes, row.keywords).find((each) => each.uid === uid);
  if (record === undefined) return { kind: "gone" };
  const { base, size, mtimeS } = record;
  const marks = wordsOfMarks(stateOfRecord(record));
  return { kind: "there", baseName: displayRaw(base), sizeBytes: size, internalDateMs: mtimeS * 1000, marks };
}

/** In the order of the bits (maildir FLAG_BITS). */
const FLAG_WORDS = ["draft", "flagged", "passed", "answered", "seen", "deleted"];

function wordsOfMarks({ flags, keywords }: MessageMarks): string {
  const words = FLAG_WORDS.filter((_, bit) => ((flags >> bit) & 1) === 1);
  return [...words, ...keywords.map(displayRaw)].join(" ");
}

type SearchResult = Pick<Explanation, "transactions" | "log">;

async function searchLog(
  reader: ExplainedStore["reader"],
  { row, uid }: { readonly row: MailboxRow; readonly uid: number },
  signal: AbortSignal,
): Promise<SearchResult> {
  const [firstLsn, lastLsn] = [reader.firstLsn(), reader.lastLsn()];
  const transactions: ExplainedTransaction[] = [];
  let [highLsn, bytesLeft, isBegun] = [lastLsn, BYTES_MAX, false];
  while (highLsn >= firstLsn && bytesLeft > 0 && !isBegun && transactions.length < TRANSACTIONS_TOLD_MAX) {
    signal.throwIfAborted();
    const lowLsn = lowOf(reader, firstLsn, highLsn);
    const window = readWindow(reader, lowLsn, highLsn);
    bytesLeft -= window.bytesRead;
    for (const entry of window.entries.toReversed()) {
      if (entry.mailbox !== row.guid || isBegun || transactions.length >= TRANSACTIONS_TOLD_MAX) continue;
      const transaction = decodeTransaction(entry.bytes);
      const told = tell(reader, entry, { transaction, uid });
      if (told !== undefined) transactions.push(told);
      isBegun = beginsUids(transaction); // what is older is of other messages.
    }
    highLsn = lowLsn;
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  const isEnough = isBegun || transactions.length >= TRANSACTIONS_TOLD_MAX;
  return { transactions, log: { firstLsn, lastLsn, searchedFromLsn: isEnough ? firstLsn : highLsn + 1 } };
}

/** Where a window ends that begins at `highLsn`: as low as its count and its bytes allow. */
function lowOf(reader: ExplainedStore["reader"], firstLsn: number, highLsn: number): number {
  const bytesAbove = reader.logBytes(highLsn);
  for (let lsns = WINDOW_LSNS; lsns > 1; lsns /= 2) {
    const lowLsn = Math.max(firstLsn - 1, highLsn - lsns);
    if (reader.logBytes(lowLsn) - bytesAbove <= WINDOW_BYTES) return lowLsn;
  }
  return highLsn - 1;
}

/** Entries with `lowLsn` < LSN <= `highLsn`, ascending. */
function readWindow(reader: ExplainedStore["reader"], lowLsn: number, highLsn: number) {
  const entries: LogEntry[] = [];
  let [afterLsn, bytesRead] = [lowLsn, 0];
  while (afterLsn < highLsn) {
    const some = reader.entriesAfter(afterLsn, READ_BYTES);
    if (some.length === 0) break; // trimmed meanwhile.
    bytesRead += some.reduce((sum, { bytes }) => sum + bytes.length, 0);
    entries.push(...some.filter(({ lsn }) => lsn <= highLsn));
    afterLsn = some.at(-1)?.lsn ?? highLsn;
  }
  return { entries, bytesRead };
}

function beginsUids({ structure }: Transaction): boolean {
  return structure?.kind === "reset" || structure?.kind === "create";
}

function tell(
  reader: ExplainedStore["reader"],
  { lsn, capturedMs }: LogEntry,
  { transaction, uid }: { readonly transaction: Transaction; readonly uid: number },
): ExplainedTransaction | undefined {
  const changes = transaction.changes.filter((change) => uidsOf(change).includes(uid));
  const words = changes.map(describeChange);
  if (transaction.structure?.kind === "delete") words.unshift("delete the mailbox");
  if (words.length === 0) return undefined;
  const copied = changes.flatMap((change) =>
    change.kind === "save" && change.origin !== undefined ? [change.origin] : [],
  );
  const [origin] = copied.map((from) => `UID ${from.uid} of ${nameOf(reader, from.mailbox)}`);
  return { lsn, capturedMs, words: words.join("; "), ...(origin === undefined ? {} : { origin }) };
}

function nameOf(reader: ExplainedStore["reader"], guid: MailboxRow["guid"]): string {
  const row = reader.mailboxByGuid(guid);
  return row === undefined ? `a mailbox that is gone (${guid})` : mailboxName(row.path);
}

function uidsOf(change: Change): readonly number[] {
  switch (change.kind) {
    case "save":
      return [change.message.uid];
    case "rebind":
      return [change.fromUid, change.message.uid];
    default:
      return [change.uid];
  }
}

function acknowledgementOf(
  { transactions, log }: SearchResult,
  {
    name,
    cursor,
    refusals,
  }: { readonly name: string; readonly cursor: number; readonly refusals: readonly RejectionRow[] },
): Acknowledgement {
  // One that was compared has a number below all transactions; any other holds back all that came after it.
  const refused = refusals.find(({ lsn }) => lsn < 1 || transactions.some((transaction) => transaction.lsn >= lsn));
  if (refused !== undefined) {
    const { lsn, code, message } = refused;
    return { name, cursor, state: "refused", refused: { lsn, code, message } };
  }
  const newest = transactions[0]?.lsn;
  const oldest = transactions.at(-1)?.lsn;
  // What is told of no more is older than all that was looked at.
  if (newest === undefined || oldest === undefined)
    return { name, cursor, state: cursor >= log.searchedFromLsn - 1 ? "acknowledged" : "unknown" };
  if (cursor >= newest) return { name, cursor, state: "acknowledged" };
  return { name, cursor, state: cursor >= oldest ? "partly" : "not-yet" };
}
