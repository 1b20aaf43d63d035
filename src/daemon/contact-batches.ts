/** Messages of a first contact in portions: what a replica is asked to compare by hashes in one go. */
import { parseBaseName, parseUid } from "../maildir/ids.js";
import type { Listed } from "../resync/first-contact.js";
import type { HashedMessage } from "./source-hashes.js";

const HASHED_MAX = 5_000;
/** The replica reads that much in one go, with its other work waiting; a larger message goes alone. */
const HASHED_BYTES_MAX = 64 * 1024 * 1024;

export function* batchesOf(messages: Listed): Generator<HashedMessage[]> {
  let batch: HashedMessage[] = [];
  let bytes = 0;
  for (const { base, uid, size } of messages) {
    if (batch.length === HASHED_MAX || (batch.length > 0 && bytes + size > HASHED_BYTES_MAX)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push({ base: parseBaseName(base), uid: parseUid(uid), size });
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}
