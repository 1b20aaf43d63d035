/**
 * Answers the replica's wishes for bodies: reads them at the source and sends them, small ones together, large ones in parts.
 *
 * INVARIANT: wishes are answered in the order in which they came, and never more than one read ahead of the link, so memory
 * is bounded by the sizes below and not by the mail.
 */
import { createHash } from "node:crypto";
import type { RawPath } from "../base/raw-name.js";
import type { WorkerClient } from "../base/worker-rpc.js";
import { BODY_PART_BYTES_MAX, type BodyItem, type BodyMethods, type BodyRead } from "../capture/body-types.js";
import type { CaptureProblem } from "../capture/capture-types.js";
import type { BaseName } from "../maildir/ids.js";
import type { Transaction } from "../txn/transaction.js";
import type { Link } from "../wire/link.js";
import type { BodyHead } from "../wire/messages.js";

export interface BodySenderPorts {
  readonly link: Link;
  readonly bodies: WorkerClient<BodyMethods>;
}

export interface Wish {
  readonly lsn: number;
  readonly transaction: Transaction;
  /** Where the mailbox is now; undefined when it is gone. */
  readonly path: RawPath | undefined;
  readonly indexes: readonly number[];
}

export type SendOutcome =
  | { readonly kind: "sent"; readonly bytes: number; readonly bodies: number }
  | { readonly kind: "unreadable"; readonly problem: CaptureProblem };

/** Bodies read and sent together. */
const BATCH_BYTES_MAX = 2 * 1024 * 1024;
const NO_HASH = new Uint8Array(0);

export async function sendBodies(ports: BodySenderPorts, wish: Wish, signal: AbortSignal): Promise<SendOutcome> {
  const { transaction, path, lsn } = wish;
  if (path === undefined) {
    await sendGone(ports, lsn, wish.indexes, signal);
    return { kind: "sent", bytes: 0, bodies: 0 };
  }
  let items = wish.indexes.map((index) => itemOf(transaction, index));
  let bytes = 0;
  while (items.length > 0) {
    signal.throwIfAborted();
    const reads = await ports.bodies.call("readMany", { mailboxPath: path, items, bytesMax: BATCH_BYTES_MAX });
    const problem = reads.find((read) => read.kind === "problem");
    if (problem?.kind === "problem") return { kind: "unreadable", problem: problem.problem };
    bytes += await sendSmall(ports, lsn, reads, signal);
    const baseByIndex = new Map(items.map((item) => [item.index, item.base]));
    for (const read of reads) {
      const base = baseByIndex.get(read.index);
      if (read.kind === "large" && base !== undefined)
        bytes += await sendLarge(ports, { lsn, index: read.index, path, base }, signal);
    }
    const later = new Set(reads.filter((read) => read.kind === "later").map((read) => read.index));
    items = items.filter((item) => later.has(item.index));
  }
  return { kind: "sent", bytes, bodies: wish.indexes.length };
}

function itemOf(transaction: Transaction, index: number): BodyItem {
  const change = transaction.changes[index];
  if (change === undefined || (change.kind !== "save" && change.kind !== "rebind")) {
    throw new RangeError(`the replica wants the body of change ${index}, which has none`);
  }
  return { index, base: change.message.base };
}

async function sendSmall(
  { link }: BodySenderPorts,
  lsn: number,
  reads: readonly BodyRead[],
  signal: AbortSignal,
): Promise<number> {
  const heads: BodyHead[] = [];
  const payloads: Uint8Array[] = [];
  let bytes = 0;
  for (const read of reads) {
    if (read.kind === "gone") heads.push(goneHead(read.index));
    if (read.kind !== "body") continue;
    heads.push({ index: read.index, size: read.bytes.length, sha256: Buffer.from(read.sha256, "hex"), gone: false });
    payloads.push(read.bytes);
    bytes += read.bytes.length;
  }
  if (heads.length > 0) await link.send({ kind: "bodies", lsn, heads, payloads }, signal);
  return bytes;
}

async function sendLarge(
  ports: BodySenderPorts,
  {
    lsn,
    index,
    path,
    base,
  }: { readonly lsn: number; readonly index: number; readonly path: RawPath; readonly base: BaseName },
  signal: AbortSignal,
): Promise<number> {
  const opened = await ports.bodies.call("openLarge", { mailboxPath: path, base });
  if (opened.kind === "gone") {
    await sendGone(ports, lsn, [index], signal);
    return 0;
  }
  const hash = createHash("sha256");
  let offset = 0;
  while (offset < opened.sizeBytes) {
    signal.throwIfAborted();
    const payload = await ports.bodies.call("readPart", { handle: opened.handle, offset, length: BODY_PART_BYTES_MAX });
    if (payload.length === 0) break;
    hash.update(payload);
    const last = offset + payload.length >= opened.sizeBytes;
    // The hash is of what is sent; whether that is the file as it stands is known only after closing it.
    const sha256 = last ? hash.digest() : NO_HASH;
    await ports.link.send({ kind: "body-part", lsn, index, offset, last, sha256, payload }, signal);
    offset += payload.length;
  }
  await ports.bodies.call("closeLarge", { handle: opened.handle });
  return offset;
}

async function sendGone(
  { link }: BodySenderPorts,
  lsn: number,
  indexes: readonly number[],
  signal: AbortSignal,
): Promise<void> {
  await link.send({ kind: "bodies", lsn, heads: indexes.map(goneHead), payloads: [] }, signal);
}

function goneHead(index: number): BodyHead {
  return { index, size: 0, sha256: NO_HASH, gone: true };
}
