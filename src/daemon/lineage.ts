/**
 * Which stores a store is a twin of, over links too: noted in a twin's scratch directory, and told by each source that opens a link for
 * one run of `mailtwin sync`. Two runs in both directions between two hosts, or in a ring over several, would take back each other's
 * changes: whoever is to become the twin of its own twin refuses that, before anything is made or written.
 *
 * A store is known by its host and path, hashed: what a peer tells says nothing of its directories. Where a run is local as well,
 * twin-record.ts leads on.
 *
 * INVARIANT: the note is durable before the source hears that the link is open, so that of two runs that begin at once the later one to
 * look sees the other's note.
 */
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import type { Site } from "../base/disk.js";
import { replaceDurably } from "../base/durable-file.js";
import { sha256 } from "../base/hash.js";
import { isSite } from "../base/pinned-roots.js";
import { rawFromText } from "../base/raw-name.js";
import { LINEAGE_MAX } from "../wire/opening.js";
import { daemonError } from "./errors.js";
import { openStanding, type Refusal } from "./own-directory.js";
import { readNote, scratchPlaces, sourceNoted } from "./twin-record.js";

const LINEAGE_FILE = "twin-over-link.json";
const ID_PATTERN = /^[0-9a-f]{32}$/;

/** Of a store on this host; `store`: absolute and real. */
function storeId(store: string): string {
  const host = `${hostname()}\0${machineId()}`;
  return sha256(Buffer.from(`${host}\0${rawFromText(store)}`))
    .toString("hex")
    .slice(0, 32);
}

/** The store itself and those that it is a twin of, nearest first. */
export function lineageOf(store: string): readonly string[] {
  const ids: string[] = [];
  let at: string | undefined = store;
  while (at !== undefined && ids.length < LINEAGE_MAX) {
    ids.push(storeId(at), ...(notedAt(at)?.lineage ?? []));
    at = sourceNoted(at);
  }
  return ids.slice(0, LINEAGE_MAX);
}

/** `destination`: absolute and real, as far as it is there. Throws: stores-swapped, stores-overlap. */
export function refuseRing(destination: string, lineage: readonly string[]): void {
  const at = lineage.indexOf(storeId(destination));
  const doing = `making ${destination} a twin over a link`;
  if (at === 0) throw daemonError("stores-overlap", `${doing}: it is that source itself`);
  if (at < 0) return;
  const what = at === 1 ? "the twin" : "a twin of a twin";
  const words = `the source is itself ${what} of it, as ${LINEAGE_FILE} in the scratch directory of that source says`;
  throw daemonError("stores-swapped", `${doing}: ${words}`);
}

/** Throws: stores-swapped, where a run in the other direction was noted since `before` was read. */
export function refuseMetHalfway(store: string, before: readonly string[]): void {
  const now = lineageOf(store);
  if (now.length === before.length && now.every((id, at) => id === before[at])) return;
  const file = notedAt(store)?.file ?? "its scratch directory";
  const words = `${store} has become a twin itself while this run began, as ${file} says`;
  throw daemonError("stores-swapped", `opening a link for ${store}: ${words}`);
}

interface NotePlace {
  readonly path: string;
  readonly site: Site;
  readonly refuse: Refusal;
}

/** Call it while holding the scratch directory. Returns what takes the note back if it is new. Throws: `refuse`, system errors. */
export function noteLineage({ path, site, refuse }: NotePlace, lineage: readonly string[]): () => void {
  const bytes = Buffer.from(`${JSON.stringify({ lineage })}\n`);
  const dir = openStanding(path, refuse);
  try {
    if (dir === undefined || !isSite(dir, site)) throw refuse("another directory stands there than at the start");
    const before = readNote(path, LINEAGE_FILE);
    if (before?.equals(bytes) === true) return () => undefined;
    replaceDurably(dir, LINEAGE_FILE, [bytes], { tempName: `${LINEAGE_FILE}.tmp`, mode: 0o600, syncDir: true });
    return before === undefined ? () => takeBack(path, site) : () => undefined;
  } finally {
    dir?.close();
  }
}

function takeBack(path: string, site: Site): void {
  const dir = openStanding(path, (why) => new Error(why));
  try {
    if (dir !== undefined && isSite(dir, site)) dir.unlink(LINEAGE_FILE);
  } finally {
    dir?.close();
  }
}

/** What is damaged, or not ours, says nothing. */
function notedAt(store: string): { readonly file: string; readonly lineage: readonly string[] } | undefined {
  for (const scratch of scratchPlaces(store)) {
    const lineage = parseLineage(readNote(scratch, LINEAGE_FILE));
    if (lineage !== undefined) return { file: join(scratch, LINEAGE_FILE), lineage };
  }
  return undefined;
}

function parseLineage(bytes: Buffer | undefined): readonly string[] | undefined {
  try {
    const { lineage } = JSON.parse(bytes?.toString() ?? "{}") as { readonly lineage?: unknown };
    if (!Array.isArray(lineage)) return undefined;
    return lineage.filter((id) => typeof id === "string" && ID_PATTERN.test(id));
  } catch {
    return undefined;
  }
}

/** Containers made of one image may share a host name; "" where there is none. */
function machineId(): string {
  try {
    return readFileSync("/etc/machine-id", "latin1").trim();
  } catch {
    return "";
  }
}
