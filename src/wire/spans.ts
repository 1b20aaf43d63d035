/** How a span of UIDs is divided. Both sides divide alike, so that an answer need not name its parts. */

import { CHUNK_UIDS } from "../txn/chunks.js";
import type { Span } from "./sums.js";

export const PARTS_MAX = 16;

/** At most `PARTS_MAX`, of whole chunks, alike but for the last one. */
export function partsOf({ from, below }: Span): readonly Span[] {
  const chunks = Math.ceil((below - from) / CHUNK_UIDS / PARTS_MAX);
  const step = chunks * CHUNK_UIDS;
  const parts: Span[] = [];
  for (let at = from; at < below; at += step) parts.push({ from: at, below: Math.min(below, at + step) });
  return parts;
}

/** The smallest span that has all UIDs below that one. */
export function spanBelow(uid: number): Span {
  return { from: 0, below: Math.ceil(uid / CHUNK_UIDS) * CHUNK_UIDS };
}

export function spanOfChunk(chunk: number): Span {
  return { from: chunk * CHUNK_UIDS, below: (chunk + 1) * CHUNK_UIDS };
}

export function isChunk({ from, below }: Span): boolean {
  return below - from <= CHUNK_UIDS;
}
