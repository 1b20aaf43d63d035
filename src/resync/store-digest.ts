/** The digest of a whole store, made of what is known of its mailboxes. */
import { sha256 } from "../base/hash.js";
import { addDigest, DIGEST_BYTES, type Digest, emptyDigest } from "../txn/digest.js";
import type { StoreSum, SummedMailbox } from "../wire/sums.js";

/** Two stores with the same digest have the same mailboxes, at the same paths, with the same UIDs. */
export function sumOfStore(found: readonly SummedMailbox[]): StoreSum {
  let digest = emptyDigest();
  let [mailboxes, messages, unread] = [0, 0, 0];
  for (const it of found) {
    if (it.kind === "unread") unread += 1;
    else {
      mailboxes += 1;
      if (it.unnumbered > 0) unread += 1;
      messages += it.messages;
      digest = addDigest(digest, digestOf(it));
    }
  }
  return { digest, mailboxes, messages, unread };
}

function digestOf(it: Extract<SummedMailbox, { kind: "sum" }>): Digest {
  const { path, guid, uidValidity, uidNext, messages, digest } = it;
  const head = Buffer.from(`${guid} ${uidValidity} ${uidNext} ${messages} ${path}`, "latin1");
  return sha256(Buffer.concat([digest, head])).subarray(0, DIGEST_BYTES);
}
