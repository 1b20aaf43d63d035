/**
 * SHA-256 of messages at the source, for comparing them with what a destination holds already.
 */
import type { RawPath } from "../base/raw-name.js";
import { releaseSlabs } from "../base/slab-pool.js";
import type { WorkerClient } from "../base/worker-rpc.js";
import {
  BODY_BATCH_BYTES_MAX,
  BODY_PART_BYTES_MAX,
  type BodyItem,
  type BodyMethods,
  type BodyRead,
} from "../capture/body-types.js";
import type { BaseName, MailboxGuid, Uid } from "../maildir/ids.js";

export interface HashedMailbox {
  readonly guid: MailboxGuid;
  readonly path: RawPath;
}

export interface HashedMessage {
  readonly uid: Uid;
  readonly base: BaseName;
  readonly size: number;
}

/** By base name. A message that is gone, or cannot be read now, has none: whoever ships it will say why. */
export async function hashMessages(
  bodies: WorkerClient<BodyMethods>,
  { guid: mailbox, path: mailboxPath }: HashedMailbox,
  messages: readonly HashedMessage[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const hashByBase = new Map<string, Uint8Array>();
  let items = messages.map(({ uid, base, size }, index): BodyItem => ({ index, uid, base, sizeBytes: size }));
  while (items.length > 0) {
    signal.throwIfAborted();
    const request = { mailbox, mailboxPath, items, bytesMax: BODY_BATCH_BYTES_MAX };
    const reads = await bodies.call("readMany", request);
    releaseSlabs(reads.flatMap((read) => (read.kind === "body" ? [read.bytes] : [])));
    const later = new Set<number>();
    for (const read of reads) {
      const message = messages[read.index];
      if (read.kind === "later") later.add(read.index);
      if (message === undefined) continue;
      const hash = await hashOf(bodies, read, { mailbox, mailboxPath, ...message }, signal);
      if (hash !== undefined) hashByBase.set(message.base, hash);
    }
    items = items.filter(({ index }) => later.has(index));
  }
  return hashByBase;
}

interface LargeBody extends HashedMessage {
  readonly mailbox: MailboxGuid;
  readonly mailboxPath: RawPath;
}

async function hashOf(
  bodies: WorkerClient<BodyMethods>,
  read: BodyRead,
  body: LargeBody,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  if (read.kind === "body") return Buffer.from(read.sha256, "hex");
  return read.kind === "large" ? hashLarge(bodies, body, signal) : undefined;
}

/** Read in parts, which the reader hashes on the way. */
async function hashLarge(
  bodies: WorkerClient<BodyMethods>,
  { mailbox, mailboxPath, uid, base }: LargeBody,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  const opened = await bodies.call("openLarge", { mailbox, mailboxPath, uid, base });
  if (opened.kind === "gone") return undefined;
  const { handle, sizeBytes } = opened;
  let sha256: string | undefined;
  try {
    for (let offset = 0; offset < sizeBytes; offset += BODY_PART_BYTES_MAX) {
      signal.throwIfAborted();
      await bodies.call("readPart", { handle, offset, length: BODY_PART_BYTES_MAX });
    }
  } finally {
    ({ sha256 } = await bodies.call("closeLarge", { handle }));
  }
  return sha256 === undefined ? undefined : Buffer.from(sha256, "hex");
}
