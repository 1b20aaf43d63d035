/**
 * How long each delivery of a live run took to the replica, by the replica's own file system: when the file got its name there
 * (ctime), less when it got it at the source.
 *
 * INVARIANT: every delivery is counted exactly once: measured, changed again since (its ctime is no longer that of its
 * arrival), or missing.
 */
import { lstatSync, readdirSync } from "node:fs";
import { errnoOf } from "../src/base/errors.js";
import { nodePath, rawFromText } from "../src/base/raw-name.js";
import type { LiveChange } from "./live-changes.js";

export interface DeliveryLags {
  readonly lagsMs: readonly number[];
  /** Flagged, copied, moved, expunged, or deleted with their folder afterwards: only the comparison of the stores tells of them. */
  readonly changedSince: number;
  /** What should be on the replica and is not, in words. */
  readonly missing: readonly string[];
}

/** To be asked when both sides are at rest. Follows folders that were renamed. `source` and `target` are the stores' paths. */
export function deliveryLags(
  changes: readonly LiveChange[],
  { source, target }: { readonly source: string; readonly target: string },
): DeliveryLags {
  const touches = new Map<string, number>();
  for (const { base, from } of changes) {
    for (const touched of new Set([base, from?.base]))
      if (touched !== undefined) touches.set(touched, (touches.get(touched) ?? 0) + 1);
  }
  const lagsMs: number[] = [];
  const missing: string[] = [];
  let changedSince = 0;
  for (const [at, { action, base, mailbox, atUnixMs }] of changes.entries()) {
    if (action !== "deliver" || base === undefined) continue;
    const now = mailboxNow(mailbox, changes.slice(at + 1));
    if (now === undefined || touches.get(base) !== 1) {
      changedSince += 1;
      continue;
    }
    const below = now.slice(rawFromText(source).length);
    const file = findFile(`${rawFromText(target)}${below}`, base);
    if (file === undefined) missing.push(`${base} was delivered to ${below.slice(1)} and is not on the replica`);
    // The file system's clock is some milliseconds coarser than ours.
    else lagsMs.push(Math.max(0, lstatSync(nodePath(file)).ctimeMs - atUnixMs));
  }
  return { lagsMs, changedSince, missing };
}

/** Where the mailbox is after these changes; undefined when it was deleted. */
function mailboxNow(mailbox: string, later: readonly LiveChange[]): string | undefined {
  let now = mailbox;
  for (const { action, mailbox: changed, from } of later) {
    if (action === "delete-folder" && changed === now) return undefined;
    if (action === "rename-folder" && from?.mailbox === now) now = changed;
  }
  return now;
}

/** A session that opens the mailbox (new/ -> cur/) may be followed by the replica or not: both are looked through. */
function findFile(mailbox: string, base: string): string | undefined {
  for (const place of ["cur", "new"]) {
    const name = namesIn(`${mailbox}/${place}`).find((it) => it.split(":", 1)[0] === base);
    if (name !== undefined) return `${mailbox}/${place}/${name}`;
  }
  return undefined;
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(nodePath(directory), { encoding: "latin1" });
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}
