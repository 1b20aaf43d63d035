/**
 * Answers the replica's wishes for bodies: reads them at the source and sends them, small ones together, large ones in parts.
 *
 * INVARIANT: wishes are answered in the order in which they came, and bodies in the order of the wish. While what one call
 * read is sent, the next call reads already, never more than that: at most two batches of BODY_BATCH_BYTES_MAX and one part of
 * BODY_PART_BYTES_MAX are held beside what the link holds, however much mail there is.
 * INVARIANT: nothing is under way when a wish has been answered or has failed; what was read ahead in vain is given back.
 */
import { createHash } from "node:crypto";
import { MailtwinError } from "../base/errors.js";
import { displayRaw, type RawPath } from "../base/raw-name.js";
import { releaseSlabs } from "../base/slab-pool.js";
import type { WorkerClient } from "../base/worker-rpc.js";
import {
  BODY_BATCH_BYTES_MAX,
  BODY_PART_BYTES_MAX,
  BODY_SMALL_BYTES_MAX,
  type BodyItem,
  type BodyMethods,
  type BodyRead,
} from "../capture/body-types.js";
import type { CaptureProblem } from "../capture/capture-types.js";
import { captureError, problemOf } from "../capture/errors.js";
import type { NotedBody } from "../log/known-bodies.js";
import type { MailboxGuid } from "../maildir/ids.js";
import type { Transaction } from "../txn/transaction.js";
import type { Link } from "../wire/link.js";
import type { BodyHead } from "../wire/messages.js";
import { agentError } from "./errors.js";

export interface BodySenderPorts {
  readonly link: Link;
  readonly bodies: WorkerClient<BodyMethods>;
  /** Bodies were read whole, to be sent: what they are. */
  readonly onRead?: ((bodies: readonly NotedBody[]) => void) | undefined;
}

export interface Wish {
  readonly id: number;
  readonly transaction: Transaction;
  /** Where the mailbox is now; undefined when it is gone. */
  readonly path: RawPath | undefined;
  readonly indexes: readonly number[];
}

export type SendOutcome =
  /** `absent`: changes whose body was not found. */
  | { readonly kind: "sent"; readonly bytes: number; readonly absent: readonly number[] }
  | { readonly kind: "unreadable"; readonly problem: CaptureProblem };

const NO_HASH = new Uint8Array(0);
/** Codes that tell nothing about the one body that was asked for. */
const ENDS_ALL: ReadonlySet<string> = new Set(["store-missing", "store-unreadable", "worker-closed"]);

export async function sendBodies(ports: BodySenderPorts, wish: Wish, signal: AbortSignal): Promise<SendOutcome> {
  const { transaction, path, id } = wish;
  if (path === undefined) {
    await sendGone(ports, id, wish.indexes, signal);
    return { kind: "sent", bytes: 0, absent: [] };
  }
  const { mailbox } = transaction;
  const sending: Sending = { ports, id, mailbox, path, signal };
  const absent: number[] = [];
  let bytes = 0;
  let rest: readonly BodyItem[] = wish.indexes.map((index) => itemOf(transaction, index));
  let next: ReadUnderWay | undefined;
  /** Begins the next read, if there is something left. */
  const readOn = (): void => {
    const items = rest.slice(0, countForOneCall(rest));
    rest = rest.slice(items.length);
    next = items.length === 0 ? undefined : readUnderWay(sending, items);
  };
  readOn();
  try {
    while (next !== undefined) {
      const { items, result }: ReadUnderWay = next;
      const reads = await result;
      readOn();
      const outcome = await sendReads(sending, items, reads);
      if (outcome.kind === "unreadable") return outcome;
      bytes += outcome.bytes;
      absent.push(...outcome.absent);
    }
  } finally {
    if (next !== undefined) await giveUpRead(next);
  }
  return { kind: "sent", bytes, absent };
}

/** What stays the same while one wish is answered. */
interface Sending {
  readonly ports: BodySenderPorts;
  readonly id: number;
  readonly mailbox: MailboxGuid;
  readonly path: RawPath;
  readonly signal: AbortSignal;
}

type ReadResult = readonly BodyRead[] | CaptureProblem;

interface ReadUnderWay {
  readonly items: readonly BodyItem[];
  readonly result: Promise<ReadResult>;
}

function readUnderWay(sending: Sending, items: readonly BodyItem[]): ReadUnderWay {
  const result = readItems(sending, items);
  result.catch(() => undefined); // it may fail while an earlier one is sent; whoever awaits it gets the failure.
  return { items, result };
}

async function readItems({ ports, mailbox, path, signal }: Sending, items: readonly BodyItem[]): Promise<ReadResult> {
  signal.throwIfAborted();
  const request = { mailbox, mailboxPath: path, items, bytesMax: BODY_BATCH_BYTES_MAX };
  return readOrProblem(path, () => ports.bodies.call("readMany", request));
}

async function giveUpRead({ result }: ReadUnderWay): Promise<void> {
  const reads = await result.catch((): ReadResult => []); // why the wish failed is known already.
  if (!("code" in reads)) releaseReads(reads);
}

function releaseReads(reads: readonly BodyRead[]): void {
  releaseSlabs(reads.flatMap((read) => (read.kind === "body" ? [read.bytes] : [])));
}

/** Sends what was read of the items, and what the reader left for later before anything that follows them. */
async function sendReads(sending: Sending, items: readonly BodyItem[], first: ReadResult): Promise<SendOutcome> {
  const absent: number[] = [];
  let bytes = 0;
  let rest = items;
  let reads = first;
  for (;;) {
    const outcome = await sendOneRead(sending, rest, reads);
    if (outcome.kind === "unreadable") return outcome;
    bytes += outcome.bytes;
    absent.push(...outcome.absent);
    const later = laterOf(rest, reads);
    if (later.length === 0) return { kind: "sent", bytes, absent };
    rest = later;
    reads = await readItems(sending, rest);
  }
}

function laterOf(items: readonly BodyItem[], reads: ReadResult): readonly BodyItem[] {
  if ("code" in reads) return [];
  const later = new Set(reads.flatMap((read) => (read.kind === "later" ? [read.index] : [])));
  return later.size === 0 ? [] : items.filter((item) => later.has(item.index));
}

async function sendOneRead(sending: Sending, items: readonly BodyItem[], reads: ReadResult): Promise<SendOutcome> {
  if ("code" in reads) return { kind: "unreadable", problem: reads };
  const { ports, id, mailbox, path, signal } = sending;
  const problem = reads.find((read) => read.kind === "problem");
  if (problem?.kind === "problem" || signal.aborted) releaseReads(reads);
  signal.throwIfAborted();
  if (problem?.kind === "problem") return { kind: "unreadable", problem: problem.problem };
  ports.onRead?.(notedOf(mailbox, items, reads)); // before: what is sent is out of our hands.
  let bytes = await sendSmall(ports, id, reads, signal);
  const absent = reads.flatMap((read) => (read.kind === "gone" ? [read.index] : []));
  const itemByIndex = new Map(items.map((item) => [item.index, item]));
  for (const read of reads) {
    const item = itemByIndex.get(read.index);
    if (read.kind !== "large" || item === undefined) continue;
    const sent = await sendLarge(ports, { id, mailbox, path, ...item }, signal);
    if (sent === "absent") {
      absent.push(item.index);
      continue;
    }
    if (typeof sent !== "number") return { kind: "unreadable", problem: sent };
    bytes += sent;
  }
  return { kind: "sent", bytes, absent };
}

function itemOf(transaction: Transaction, index: number): BodyItem {
  const change = transaction.changes[index];
  if (change === undefined || (change.kind !== "save" && change.kind !== "rebind")) {
    throw agentError("peer-confused", `sending bodies: the replica wants that of change ${index}, which has none`);
  }
  const { uid, base, size } = change.message;
  return { index, uid, base, sizeBytes: size };
}

/** As many as one call will read by what is known of their sizes, at least one: the others would only travel to and fro. */
function countForOneCall(items: readonly BodyItem[]): number {
  let leftBytes = BODY_BATCH_BYTES_MAX;
  const end = items.findIndex(({ sizeBytes }, at) => {
    leftBytes -= sizeBytes > BODY_SMALL_BYTES_MAX ? 0 : sizeBytes;
    return leftBytes < 0 && at > 0;
  });
  return end < 0 ? items.length : end;
}

async function sendSmall(
  { link }: BodySenderPorts,
  id: number,
  reads: readonly BodyRead[],
  signal: AbortSignal,
): Promise<number> {
  const heads: BodyHead[] = [];
  const payloads: Uint8Array[] = [];
  let bytes = 0;
  for (const read of reads) {
    if (read.kind !== "body") continue;
    heads.push(headOf(read));
    payloads.push(read.bytes);
    bytes += read.bytes.length;
  }
  if (heads.length > 0) await link.send({ kind: "bodies", id, heads, payloads }, signal);
  return bytes;
}

export function notedOf(
  mailbox: MailboxGuid,
  items: readonly BodyItem[],
  reads: readonly BodyRead[],
): readonly NotedBody[] {
  const itemByIndex = new Map(items.map((item) => [item.index, item]));
  return reads.flatMap((read) => {
    const item = itemByIndex.get(read.index);
    if (read.kind !== "body" || item === undefined) return [];
    return [{ mailbox, uid: item.uid, base: item.base, size: read.bytes.length, sha256: read.sha256 }];
  });
}

export function headOf({ index, bytes, sha256 }: Extract<BodyRead, { readonly kind: "body" }>): BodyHead {
  return { index, size: bytes.length, sha256: Buffer.from(sha256, "hex"), gone: false };
}

interface LargeBody extends BodyItem {
  readonly id: number;
  readonly mailbox: MailboxGuid;
  readonly path: RawPath;
}

/** Returns the bytes sent, or why it cannot be read. */
async function sendLarge(
  ports: BodySenderPorts,
  body: LargeBody,
  signal: AbortSignal,
): Promise<number | "absent" | CaptureProblem> {
  const { mailbox, path, uid, base } = body;
  const request = { mailbox, mailboxPath: path, uid, base };
  const opened = await readOrProblem(path, () => ports.bodies.call("openLarge", request));
  if ("code" in opened) return opened;
  if (opened.kind === "gone") return "absent";
  try {
    return await sendParts(ports, body, opened, signal);
  } finally {
    await ports.bodies.call("closeLarge", { handle: opened.handle });
  }
}

async function sendParts(
  { bodies, link, onRead }: BodySenderPorts,
  { id, index, mailbox, path, uid, base }: LargeBody,
  { handle, sizeBytes }: { readonly handle: number; readonly sizeBytes: number },
  signal: AbortSignal,
): Promise<number | CaptureProblem> {
  const hash = createHash("sha256");
  let offset = 0;
  while (offset < sizeBytes) {
    signal.throwIfAborted();
    const request = { handle, offset, length: BODY_PART_BYTES_MAX };
    const payload = await readOrProblem(path, () => bodies.call("readPart", request));
    if ("code" in payload) return payload;
    const { length } = payload; // read before sending: the link may hand the buffer on to another thread.
    if (length === 0)
      return problemOf(path, captureError("body-changed", `reading the message file ${displayRaw(base)}: it was cut`));
    hash.update(payload);
    const last = offset + length >= sizeBytes;
    const sha256 = last ? hash.digest() : NO_HASH;
    if (last) onRead?.([{ mailbox, uid, base, size: sizeBytes, sha256: sha256.toString("hex") }]);
    await link.send({ kind: "body-part", id, index, offset, last, sha256, payload }, signal);
    offset += length;
  }
  return offset;
}

/** A body that cannot be read is that transaction's problem; a defect, or a reader that died, is everybody's. */
export async function readOrProblem<T extends object>(
  path: RawPath,
  read: () => Promise<T>,
): Promise<T | CaptureProblem> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof MailtwinError && ENDS_ALL.has(error.code)) throw error;
    return problemOf(path, error);
  }
}

/** Their messages are expunged: what says so follows in the log. */
export async function sendGone(
  { link }: BodySenderPorts,
  id: number,
  indexes: readonly number[],
  signal: AbortSignal,
): Promise<void> {
  await link.send({ kind: "bodies", id, heads: indexes.map(goneHead), payloads: [] }, signal);
}

function goneHead(index: number): BodyHead {
  return { index, size: 0, sha256: NO_HASH, gone: true };
}
