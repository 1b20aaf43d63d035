/**
 * Where a message stands: what the replication log says of a UID, newest first, and which replicas have acknowledged it.
 *
 * INVARIANT: bounded work (log-backwards.ts).
 */
import { displayRaw, type RawPath } from "../../base/raw-name.js";
import { decodeChunk, stateOfRecord } from "../../log/baseline-chunk.js";
import type { StateReader } from "../../log/state-ports.js";
import type { LogEntry, MailboxRow, RejectionRow, ReplicaRow } from "../../log/state-types.js";
import { chunkOf } from "../../txn/chunks.js";
import { describeChange } from "../../txn/describe.js";
import type { MessageMarks } from "../../txn/message-state.js";
import type { Change, Transaction } from "../../txn/transaction.js";
import { decodeTransaction } from "../../txn/transaction-codec.js";
import { controlError } from "../control-errors.js";
import { isRefused } from "../run/daemon-hints.js";
import { mailboxName } from "../words.js";
import { findMailboxes, type MailboxWish } from "./find-mailbox.js";
import { missingMailbox } from "./former-mailbox.js";
import { windowsBackwards } from "./log-backwards.js";

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
  /**
   * "partly": the older transactions of that UID. "to-compare": a comparison that is to come tells, whatever the cursor says. "no-right":
   * it may not have the mailbox, and the cursor passes what is not sent. "unknown": what it would show is not in the log, or was not
   * looked at.
   */
  readonly state: "acknowledged" | "refused" | "partly" | "not-yet" | "to-compare" | "no-right" | "unknown";
  /** Of "to-compare" and "no-right". */
  readonly why?: string | undefined;
  readonly refused?: { readonly lsn: number; readonly code: string; readonly message: string } | undefined;
}

export interface ExplainedStore {
  readonly name: string;
  readonly reader: Pick<
    StateReader,
    | "mailboxes"
    | "mailboxByGuid"
    | "chunk"
    | "entriesAfter"
    | "logBytes"
    | "lastLsn"
    | "firstLsn"
    | "rejections"
    | "replicas"
  >;
  readonly replicas: readonly string[];
  /** What that replica has for certain; 0 where it was never met. */
  readonly ackedLsn: (replica: string) => number;
  /** Why that replica may not have a mailbox: "users of [peer.f]". Undefined: it may. */
  readonly limitOf: (replica: string, path: RawPath) => string | undefined;
}

const TRANSACTIONS_TOLD_MAX = 10;
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
  const { store, row } = await findOne(explained, query, signal);
  const { reader, replicas, ackedLsn, limitOf } = store;
  const found = await searchLog(reader, { row, uid: query.uid }, signal);
  const message = messageOf(reader, row, query.uid);
  const isToldOf = isKnown({ ...found, message }) || found.log.searchedFromLsn > found.log.firstLsn;
  const known = reader.replicas();
  const acknowledgements = replicas.map((name) =>
    acknowledgementOf(found, {
      ...{ name, cursor: ackedLsn(name), limit: limitOf(name, row.path) },
      rejections: reader.rejections(name).filter(({ mailbox }) => mailbox === row.guid),
      toCompare: known.find(({ replica }) => replica === name)?.needsResyncWhy,
    }),
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

async function findOne({ stores, unasked }: ExplainedStores, query: ExplainQuery, signal: AbortSignal): Promise<Found> {
  const asked = stores.filter(({ name }) => query.store === undefined || name === query.store);
  const read = asked.map((store) => ({ store, rows: store.reader.mailboxes() }));
  const wish: MailboxWish = { user: query.user, mailbox: query.mailbox };
  const found = read.flatMap(({ store, rows }) => findMailboxes(rows, wish).map((row): Found => ({ store, row })));
  const [first, second] = found;
  if (first === undefined) {
    const readers = asked.map(({ reader }) => reader);
    throw await missingMailbox(readers, wish, { unasked, signal });
  }
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
  let [searchedFromLsn, isBegun] = [lastLsn + 1, false];
  const isEnough = () => isBegun || transactions.length >= TRANSACTIONS_TOLD_MAX;
  for await (const window of windowsBackwards(reader, { firstLsn, lastLsn, bytesMax: BYTES_MAX }, signal)) {
    for (const entry of window.entries) {
      if (entry.mailbox !== row.guid || isEnough()) continue;
      const transaction = decodeTransaction(entry.bytes);
      const told = tell(reader, entry, { transaction, uid });
      if (told !== undefined) transactions.push(told);
      isBegun = beginsUids(transaction); // what is older is of other messages.
    }
    searchedFromLsn = window.fromLsn;
    if (isEnough()) break;
  }
  return { transactions, log: { firstLsn, lastLsn, searchedFromLsn: isEnough() ? firstLsn : searchedFromLsn } };
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

interface Standing {
  readonly name: string;
  readonly cursor: number;
  readonly limit: string | undefined;
  /** Of that mailbox: refusals, and wishes to compare it. */
  readonly rejections: readonly RejectionRow[];
  readonly toCompare: ReplicaRow["needsResyncWhy"];
}

function acknowledgementOf(
  { transactions, log }: SearchResult,
  { name, cursor, limit, rejections, toCompare }: Standing,
): Acknowledgement {
  if (limit !== undefined) return { name, cursor, state: "no-right", why: limit };
  // One that was compared has a number below all transactions; any other holds back all that came after it.
  const row = rejections.find(({ lsn }) => lsn < 1 || transactions.some((transaction) => transaction.lsn >= lsn));
  if (row !== undefined && !isRefused(row.code)) return { name, cursor, state: "to-compare", why: row.message };
  if (row !== undefined) {
    const { lsn, code, message } = row;
    return { name, cursor, state: "refused", refused: { lsn, code, message } };
  }
  const newest = transactions[0]?.lsn;
  const oldest = transactions.at(-1)?.lsn;
  // INVARIANT: what it was not sent is not called acknowledged. Its rights may be wider than they were when the cursor passed.
  if (toCompare !== undefined && cursor >= (oldest ?? log.searchedFromLsn - 1))
    return { name, cursor, state: "to-compare", why: WHYS[toCompare] };
  // What is told of no more is older than all that was looked at.
  if (newest === undefined || oldest === undefined)
    return { name, cursor, state: cursor >= log.searchedFromLsn - 1 ? "acknowledged" : "unknown" };
  if (cursor >= newest) return { name, cursor, state: "acknowledged" };
  return { name, cursor, state: cursor >= oldest ? "partly" : "not-yet" };
}

/** Why all of a replica is to be compared. */
const WHYS: Readonly<Record<NonNullable<ReplicaRow["needsResyncWhy"]>, string>> = {
  "log-size": "the log does not have all that it lacks",
  "log-age": "the log does not have all that it lacks",
  added: "the log had been trimmed when it was added",
  asked: "that was asked for, or its rights are others now",
  "role-changed": "its source was a replica meanwhile",
};
