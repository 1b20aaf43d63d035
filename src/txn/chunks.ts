/** Messages are kept and summed up in chunks of neighbouring UIDs: the unit of baselines. */

/** The chunk of a UID = floor(uid / CHUNK_UIDS). */
export const CHUNK_UIDS = 128;

/** The chunk that a UID belongs to. */
export function chunkOf(uid: number): number {
  return Math.floor(uid / CHUNK_UIDS);
}
