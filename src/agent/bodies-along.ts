/**
 * The bodies of new small mail go with its transaction: else each delivery would be asked for its body and wait for that to come. What
 * the replica may have already is not sent along: what COPY or MOVE made, mail of a mailbox that comes or moves, all that stood at the
 * source when it was opened. Nor is what is large.
 *
 * Whatever keeps a body from being read here is left to the wish that the replica has for it then (grant-wish.ts).
 */
import { releaseSlabs } from "../base/slab-pool.js";
import type { BodyItem, BodyRead } from "../capture/body-types.js";
import type { Transaction } from "../txn/transaction.js";
import { ALONG_BODIES_MAX, ALONG_BYTES_MAX, type AlongBodies } from "../wire/messages.js";
import { type BodySenderPorts, headOf, readOrProblem } from "./body-sender.js";
import type { MayHave } from "./offer-line.js";
import type { SourceSide } from "./source-side.js";

export interface AlongPorts extends Pick<BodySenderPorts, "bodies"> {
  readonly source: SourceSide;
  readonly mayHave?: MayHave;
}

/** Undefined: none goes along. The bytes may be in a slab, which is the caller's. Throws: what ends all reading. */
export async function readAlong(ports: AlongPorts, transaction: Transaction): Promise<AlongBodies | undefined> {
  if (!ports.source.isLive) return undefined;
  const items = itemsOf(transaction);
  const path = items.length === 0 ? undefined : ports.source.pathOf(transaction.mailbox);
  if (path === undefined || ports.mayHave?.(path) === false) return undefined;
  const request = { mailbox: transaction.mailbox, mailboxPath: path, items, bytesMax: ALONG_BYTES_MAX };
  const reads = await readOrProblem(path, () => ports.bodies.call("readMany", request));
  return "code" in reads ? undefined : alongOf(reads);
}

/** None where they are too many or too large. */
function itemsOf({ changes, structure }: Transaction): readonly BodyItem[] {
  if (structure !== undefined) return [];
  const items: BodyItem[] = [];
  let bytes = 0;
  for (const [index, change] of changes.entries()) {
    if (change.kind !== "save" || change.origin !== undefined) continue;
    const { uid, base, size } = change.message;
    items.push({ index, uid, base, sizeBytes: size, isFresh: true });
    bytes += size;
    if (items.length > ALONG_BODIES_MAX || bytes > ALONG_BYTES_MAX) return [];
  }
  return items;
}

function alongOf(reads: readonly BodyRead[]): AlongBodies | undefined {
  const bodies = reads.filter((read) => read.kind === "body");
  const payloads = bodies.map(({ bytes }) => bytes);
  // One file is read whatever its size, which need not be what its name says.
  if (bodies.length > 0 && payloads.reduce((sum, { length }) => sum + length, 0) <= ALONG_BYTES_MAX)
    return { heads: bodies.map(headOf), payloads };
  releaseSlabs(payloads);
  return undefined;
}
