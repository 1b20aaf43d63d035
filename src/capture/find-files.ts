/**
 * Where the file of a message is now, found without listing a directory: names that are known or likely are tried.
 *
 * Messages move only from `new/` to `cur/`, so `new/` is tried before a guess in `cur/`. What is not found this way may
 * still exist under other flags: only a listing tells.
 */
import type { FileStat } from "../base/disk.js";
import { isRawName } from "../base/raw-name.js";
import type { BaseName } from "../maildir/ids.js";
import { isMessageSize, isMessageTime } from "../txn/transaction-rules.js";
import type { HintedName } from "./capture-types.js";
import type { MailboxDirs } from "./open-mailbox.js";

export interface FoundFile {
  readonly dir: "cur" | "new";
  /** What follows the base name (":2,S"), "" if nothing. */
  readonly info: string;
  readonly stat: FileStat;
}

/** Likely places of a message, most likely first. `info` is what followed the base name when it was last seen. */
export function likelyPlaces(base: BaseName, info: string | undefined): readonly HintedName[] {
  const places: HintedName[] = [];
  if (info !== undefined && info !== "") places.push({ dir: "cur", name: base + info });
  places.push({ dir: "new", name: base });
  if (info !== ":2,") places.push({ dir: "cur", name: `${base}:2,` });
  if (info === "") places.push({ dir: "cur", name: base });
  return places;
}

/** Whoever may write there can give a file a date or a size that no transaction carries: it counts as no message. */
function isMessageFile({ kind, size, mtimeMs }: FileStat): boolean {
  return kind === "file" && isMessageSize(size) && isMessageTime(Math.floor(mtimeMs / 1000));
}

/** The first of the places where a file stands that can be a message. */
export function findFile(dirs: MailboxDirs, base: BaseName, places: Iterable<HintedName>): FoundFile | undefined {
  for (const { dir, name } of places) {
    if (!isRawName(name)) continue;
    const stat = (dir === "cur" ? dirs.cur : dirs.fresh)?.stat(name);
    if (stat !== undefined && isMessageFile(stat)) return { dir, info: name.slice(base.length), stat };
  }
  return undefined;
}

/** The first of the places where something stands that can be no message; undefined where there is none, or a message too. */
export function findOddity(dirs: MailboxDirs, places: Iterable<HintedName>): HintedName | undefined {
  let oddity: HintedName | undefined;
  for (const place of places) {
    const stat = (place.dir === "cur" ? dirs.cur : dirs.fresh)?.stat(place.name);
    if (stat !== undefined && isMessageFile(stat)) return undefined;
    if (stat !== undefined) oddity ??= place;
  }
  return oddity;
}
