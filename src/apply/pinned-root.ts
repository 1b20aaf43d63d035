/**
 * The replica's two roots, store and scratch directory, stay the directories that they were at the start (base/pinned-roots.ts).
 */
import type { Disk, Site } from "../base/disk.js";
import { pinRoots } from "../base/pinned-roots.js";
import { displayRaw } from "../base/raw-name.js";
import { applyError } from "./errors.js";

export interface ReplicaRoots {
  /** Absolute, as bytes-in-a-string, like the next. */
  readonly storeRoot: string;
  readonly scratchRoot: string;
  /** Which directories they are; without it those that are opened first. */
  readonly sites?: ReplicaSites | undefined;
}

export interface ReplicaSites {
  readonly store: Site;
  readonly scratch: Site;
}

/** `disk`, whose `openRoot` throws destination-missing or scratch-missing for another directory than it must be. */
export function pinReplica(disk: Disk, { storeRoot, scratchRoot, sites }: ReplicaRoots): Disk {
  return pinRoots(disk, [
    {
      path: storeRoot,
      site: sites?.store,
      refuse: (why, cause) =>
        applyError("destination-missing", `opening the store ${displayRaw(storeRoot)}: ${why}`, {}, cause),
    },
    {
      path: scratchRoot,
      site: sites?.scratch,
      refuse: (why, cause) =>
        applyError("scratch-missing", `opening the scratch directory ${displayRaw(scratchRoot)}: ${why}`, {}, cause),
    },
  ]);
}
