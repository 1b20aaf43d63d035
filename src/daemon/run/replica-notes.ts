/** What the state database says of a replica: whether it is to be compared, and by key of its meta values; "" is as good as none. */
import type { StateReader, StateWriter } from "../../log/state-ports.js";
import type { ResyncWhy } from "../../log/state-types.js";

/** Why it is to be compared; undefined: it is not. */
export function resyncWhyOf(reader: Pick<StateReader, "replicas">, name: string): ResyncWhy | undefined {
  return reader.replicas().find(({ replica }) => replica === name)?.needsResyncWhy;
}

/** Notes that somebody wants it compared. Returns when that is durable. */
export async function markAsked(writer: Pick<StateWriter, "trim">, replica: string, nowMs: number): Promise<void> {
  await writer.trim({ upTo: 0, needsResync: [{ replica, why: "asked" }], nowMs });
}

/** When an operator has paused it: ms since 1970. */
export function pausedKey(replica: string): string {
  return `paused-${replica}`;
}

/** `value`: of that key. A "1" says only that it is paused. */
export function pausedSinceMs(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined || value === "") return undefined;
  return /^\d{13}$/.test(value) ? Number(value) : nowMs;
}

/** Where it is noted that mail of a replica was set aside. */
export function asideKey(replica: string): string {
  return `aside-${replica}`;
}

/** Which users it had a right to, as JSON. */
export function rightsKey(replica: string): string {
  return `rights-${replica}`;
}
