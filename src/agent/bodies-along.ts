/**
 * The bodies of new small mail go with its transaction: else each delivery would be asked for its body and wait for that to come. What
 * the replica may have already is not sent along (`freshItems`), nor all that stood at the source when it was opened, nor what is large.
 *
 * Whatever keeps a body from being read here is left to the wish that the replica has for it then (grant-wish.ts).
 */
import { releaseSlabs } from "../base/slab-pool.js";
import type { BodyRead } from "../capture/body-types.js";
import { freshItems } from "../capture/fresh-bodies.js";
import { ALONG_BYTES_MAX, type AlongBodies } from "../wire/messages.js";
import { type BodySenderPorts, headOf, notedOf, readOrProblem } from "./body-sender.js";
import type { LogRun } from "./log-run.js";
import type { MayHave } from "./offer-line.js";
import type { SourceSide } from "./source-side.js";

export interface AlongPorts extends Pick<BodySenderPorts, "bodies" | "onRead"> {
  readonly source: SourceSide;
  readonly mayHave?: MayHave;
}

/** Undefined: none goes along. The bytes may be in a slab, which is the caller's. Throws: what ends all reading. */
export async function readAlong(ports: AlongPorts, run: Omit<LogRun, "bytes">): Promise<AlongBodies | undefined> {
  const { transaction } = run;
  if (!ports.source.isLive) return undefined;
  const items = freshItems(transaction);
  const path = items.length === 0 ? undefined : ports.source.pathOf(transaction.mailbox);
  if (path === undefined || ports.mayHave?.(path) === false) return undefined;
  const fresh = ports.source.fresh.get(run, items);
  if (fresh !== undefined) {
    ports.onRead?.(notedOf(transaction.mailbox, items, fresh));
    return alongOf(fresh);
  }
  const request = { mailbox: transaction.mailbox, mailboxPath: path, items, bytesMax: ALONG_BYTES_MAX };
  const reads = await readOrProblem(path, () => ports.bodies.call("readMany", request));
  if ("code" in reads) return undefined;
  ports.onRead?.(notedOf(transaction.mailbox, items, reads));
  return alongOf(reads);
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
