/** What is kept of a store between two looks, as long as it stands as it did. */
import type { Clock } from "../base/clock.js";
import type { Dir, Disk } from "../base/disk.js";
import { discoverMailboxes } from "../maildir/discover.js";
import { UID_MAX } from "../maildir/ids.js";
import { isRacilyClean, readFingerprint } from "../maildir/mailbox-fingerprint.js";
import { chunkOf } from "../txn/chunks.js";
import type { MailboxSum, SummedMailbox } from "../wire/sums.js";
import { openStore, withMailbox } from "./open-compared.js";
import { type KeptMailbox, SumCache } from "./sum-cache.js";
import type { SumsOptions } from "./sums-types.js";

export interface KeptPorts {
  readonly disk: Disk;
  readonly clock: Pick<Clock, "nowMs">;
}

/**
 * All mailboxes of a store, if what is kept of each is how it stands: then nothing is listed and no thread is needed. Undefined where one
 * has to be looked at. Throws: compared-missing.
 */
export async function lookAtKept(
  { disk, clock }: KeptPorts,
  { storeRoot, cachePath }: SumsOptions,
): Promise<readonly SummedMailbox[] | undefined> {
  using cache = new SumCache(cachePath);
  openStore(disk, storeRoot).close();
  const { mailboxes, problems } = discoverMailboxes(storeRoot);
  if (problems.length > 0) return undefined;
  const found: SummedMailbox[] = [];
  for (const { path } of mailboxes) {
    const isFound = await withMailbox(disk, storeRoot, path, async (dirs) => {
      const fingerprint = dirs === undefined ? "" : fingerprintOf(dirs.mailbox, clock);
      const kept = cache.read(path);
      if (kept === undefined || fingerprint === "" || kept.fingerprint !== fingerprint) return false;
      found.push(rowOfKept(path, kept));
      return true;
    });
    if (!isFound) return undefined;
  }
  return found;
}

/** "" where a change could hide behind it; undefined where there is no `cur/`. */
export function fingerprintOf(mailbox: Dir, clock: Pick<Clock, "nowMs">): string | undefined {
  const fingerprint = readFingerprint(mailbox);
  if (fingerprint === undefined) return undefined;
  return isRacilyClean(fingerprint, clock.nowMs()) ? "" : Object.values(fingerprint).join(" ");
}

export function rowOfKept(path: KeptMailbox["path"], kept: KeptMailbox): MailboxSum {
  const { guid, uidValidity, uidNext, unnumbered, sums } = kept;
  const { count: messages, digest } = sums.sum(0, CHUNKS_MAX);
  return { kind: "sum", path, guid, uidValidity, uidNext, messages, unnumbered, digest };
}

const CHUNKS_MAX = chunkOf(UID_MAX) + 1;
