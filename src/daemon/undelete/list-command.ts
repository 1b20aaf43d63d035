/** `mailtwin undelete list`: what replication removed and is still to be had. Reads only, while replication goes on. (Over a link: list-far.ts.) */
import { lstatSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../base/clock.js";
import { EX } from "../../base/errors.js";
import { displayRaw } from "../../base/raw-name.js";
import { formatBytes } from "../../base/text-format.js";
import { openStateReader } from "../../log/state-reader.js";
import { alignColumns, shownText, shownTime } from "../logs/shown.js";
import type { Output } from "../output.js";
import { findLimbos, type LimboFlags, type LimboPlace } from "./find-limbos.js";
import { type Removed, type RemovedWish, removedMail, whyNothing } from "./removed-mail.js";

export type ListFlags = LimboFlags & RemovedWish;

const HEADINGS = ["REMOVED", "USER", "MAILBOX", "UID", "SIZE", "CAUSE", "FILE", "NAME"];

/** Returns the exit code. */
export function listRemoved(
  source: string | undefined,
  destination: string | undefined,
  flags: ListFlags,
  output: Output,
): number {
  const places = findLimbos(source, destination, flags);
  for (const place of places) {
    using reader = openStateReader(place.database);
    const found = removedMail(reader, flags, systemClock.nowMs());
    if (flags.json !== true && places.length > 1) output.out(`${shownText(place.store)}:\n`);
    const nothing = () => whyNothing(reader, flags, false);
    tellRemoved(found, { store: place.store, isThere: (name) => isThere(place, name), nothing }, flags, output);
  }
  return EX.OK;
}

export interface ListedLimbo {
  /** For people. */
  readonly store: string;
  /** Whether what has that name can be had. */
  readonly isThere: (name: string) => boolean;
  /** Why there is nothing to be listed. */
  readonly nothing: () => string;
}

export function tellRemoved(
  found: readonly Removed[],
  limbo: ListedLimbo,
  { json }: Pick<ListFlags, "json">,
  output: Output,
): void {
  if (json === true) for (const it of found) output.out(`${JSON.stringify(jsonOf(it, limbo))}\n`);
  else if (found.length === 0) output.out(`${limbo.nothing()}\n`);
  else for (const line of alignColumns([HEADINGS, ...found.map((it) => cellsOf(it, limbo))])) output.out(`${line}\n`);
}

function cellsOf({ row, isMailbox, user, folder }: Removed, limbo: ListedLimbo): string[] {
  const { name, uid, size, cause, removedMs } = row;
  return [
    shownTime(removedMs),
    user === "" ? "-" : user,
    folder,
    isMailbox ? "all" : uid === 0 ? "-" : String(uid),
    isMailbox && size === 0 ? "-" : formatBytes(size),
    shownText(cause),
    limbo.isThere(name) ? "there" : "gone",
    displayRaw(name),
  ];
}

/** A line of `--json`. */
export interface ListedRemoval {
  readonly store: string;
  readonly name: string;
  readonly kind: "message" | "mailbox";
  readonly user: string;
  readonly folder: string;
  readonly path: string;
  readonly mailbox: string;
  readonly uid: number;
  readonly size: number;
  readonly cause: string;
  readonly removed: string;
  readonly removedMs: number;
  readonly isThere: boolean;
}

function jsonOf({ row, isMailbox, user, folder }: Removed, limbo: ListedLimbo): ListedRemoval {
  const { name, mailbox, path, uid, size, cause, removedMs } = row;
  return {
    ...{ store: limbo.store, name, kind: isMailbox ? "mailbox" : "message", user, folder, path: displayRaw(path) },
    ...{ mailbox, uid, size, cause, removed: shownTime(removedMs), removedMs, isThere: limbo.isThere(name) },
  };
}

function isThere({ limbo }: LimboPlace, name: string): boolean {
  return lstatSync(join(limbo, name), { throwIfNoEntry: false }) !== undefined;
}
