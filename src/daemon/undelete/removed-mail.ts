/**
 * What is in the limbo, by its rows, and which of it is meant by what people say. The names in rows were made by mail users: whoever
 * shows them escapes them.
 */

import { readEntryName } from "../../apply/limbo-names.js";
import { readDurationMs } from "../../base/quantity.js";
import { displayRaw, type RawPath } from "../../base/raw-name.js";
import { formatCount } from "../../base/text-format.js";
import type { StateReader } from "../../log/state-ports.js";
import type { LimboRow } from "../../log/state-types.js";
import { type TreeOf, treesOf } from "../../maildir/whose-tree.js";
import { findMailboxes, noSuchMailbox, userOf } from "../control/find-mailbox.js";
import { daemonError } from "../errors.js";

export interface RemovedWish {
  readonly user?: string;
  readonly mailbox?: string;
  /** A time, or how long ago. */
  readonly since?: string;
}

export interface Removed {
  readonly row: LimboRow;
  readonly isMailbox: boolean;
  /** For people, as the next one; "" where the store is one user's. */
  readonly user: string;
  /** Below the user's INBOX. */
  readonly folder: string;
}

const SINCE = { least: "1s", most: "36500d" };

/** What is known of a limbo: its rows, and the mailboxes that stand. */
export type LimboSource = Pick<StateReader, "limbo" | "mailboxes">;

/** Oldest first. Throws: usage. */
export function removedMail(reader: LimboSource, wish: RemovedWish, nowMs: number): readonly Removed[] {
  const rows = reader.limbo();
  const paths = pathsOf(reader);
  const meant = new Set(
    findMailboxes(
      paths.map((path) => ({ path })),
      wish,
    ).map(({ path }) => path),
  );
  const sinceMs = sinceOf(wish, nowMs) ?? Number.NEGATIVE_INFINITY;
  const known = new Set<string>(paths);
  const treeOf = treesOf((path) => known.has(path));
  return rows
    .filter(({ path, removedMs }) => meant.has(path) && removedMs >= sinceMs)
    .map((row) => removed(row, treeOf));
}

/**
 * For people: why nothing of it is meant by that wish. `isFar`: over a link, which tells of what the source has sent alone, and since that
 * time.
 */
export function whyNothing(reader: LimboSource, wish: RemovedWish, isFar: boolean): string {
  const count = reader.limbo().length;
  const since = wish.since === undefined ? "" : " since then";
  if (count === 0 && isFar)
    return `of what this source has sent nothing has gone to the limbo there${since} (of other mail a link tells nothing)`;
  if (count === 0) return "the limbo is empty";
  const placed = pathsOf(reader).map((path) => ({ path }));
  if (findMailboxes(placed, wish).length === 0)
    return noSuchMailbox(placed, wish, { unasked: ", nor does the limbo" }).message;
  return `nothing of that has gone to the limbo${since} (other entries: ${formatCount(count)})`;
}

function pathsOf(reader: LimboSource): readonly RawPath[] {
  return [...new Set([...reader.limbo(), ...reader.mailboxes()].map(({ path }) => path))];
}

/** Milliseconds since 1970; undefined: nobody says. Throws: usage. */
export function sinceOf({ since }: RemovedWish, nowMs: number): number | undefined {
  return since === undefined ? undefined : readSince(since, nowMs);
}

function removed(row: LimboRow, treeOf: TreeOf): Removed {
  const root = treeOf(row.path);
  const folder = row.path.slice(root.length).replace(/^\//, "");
  const [, entry = ""] = row.name.split("/");
  return { row, isMailbox: readEntryName(entry)?.uid === undefined, user: userOf(root), folder: folderName(folder) };
}

function folderName(folder: string): string {
  return folder === "" ? "INBOX" : displayRaw(folder);
}

/** "2026-11-29", "2026-11-29T12:00Z", "2d". Times without a zone are UTC. Throws: usage. */
function readSince(text: string, nowMs: number): number {
  const duration = readDurationMs(text, SINCE);
  if (duration.kind === "value") return nowMs - duration.value;
  const isTime = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d)?Z?)?$/.test(text);
  const ms = isTime ? Date.parse(text.length > 10 && !text.endsWith("Z") ? `${text}Z` : text) : Number.NaN;
  if (!Number.isNaN(ms)) return ms;
  const advice = 'write a time (UTC) as "2026-11-29" or "2026-11-29T12:00Z", or how long ago, as "2d"';
  throw daemonError("usage", `reading the command line: --since ${JSON.stringify(text)}: that is no time; ${advice}`);
}
