/** Messages are kept and summed up in chunks of neighbouring UIDs: the unit of baselines and of comparisons. */
import { UID_MAX } from "../maildir/ids.js";
import type { Digest } from "./digest.js";

/** The chunk of a UID = floor(uid / CHUNK_UIDS). */
export const CHUNK_UIDS = 128;

/** The chunk that a UID belongs to. */
export function chunkOf(uid: number): number {
  return Math.floor(uid / CHUNK_UIDS);
}

/** The highest UID that belongs to it. */
export function lastOfChunk(chunk: number): number {
  return Math.min(UID_MAX, (chunk + 1) * CHUNK_UIDS - 1);
}

export function isEndOfChunk(uid: number): boolean {
  return uid === lastOfChunk(chunkOf(uid));
}

/** What the source has in one chunk, as a comparison that mends asks about it. */
export interface ChunkSum {
  readonly chunk: number;
  /** Of its messages: 1..CHUNK_UIDS. */
  readonly count: number;
  /** `sumWithFields` of them. */
  readonly digest: Digest;
}
