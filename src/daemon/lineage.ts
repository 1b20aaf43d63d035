/**
 * Which stores a store is a twin of, over links too: noted in a twin's scratch directory, and told by each source that opens a link, a
 * run of `mailtwin sync` and a daemon alike. Two in both directions between two hosts, or in a ring over several, would take back each
 * other's changes: whoever is to become the twin of its own twin refuses that, before anything is made or written.
 *
 * A daemon's configuration says who is the source. What a daemon has noted is over where it makes the store a source, and what a run of
 * sync has left counts for a daemon while one is under way: the next one is refused by what the daemons have noted.
 *
 * A store is known by its host and path, hashed: what a peer tells says nothing of its directories. Where a run is local as well,
 * twin-record.ts leads on.
 *
 * INVARIANT: the note is durable before the replica welcomes its source, so that of two that begin at once the later one to look sees the
 * other's note.
 */
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import type { Dir, Site } from "../base/disk.js";
import { replaceDurably } from "../base/durable-file.js";
import { MailtwinError } from "../base/errors.js";
import { sha256 } from "../base/hash.js";
import { isSite, siteOf } from "../base/pinned-roots.js";
import { rawFromText } from "../base/raw-name.js";
import { LINEAGE_MAX } from "../wire/messages.js";
import { daemonError } from "./errors.js";
import { holdScratch } from "./hold-scratch.js";
import { openStanding, type Refusal } from "./own-directory.js";
import {
  findRecord,
  type Pair,
  readNote,
  refuseSwapped,
  scratchPlaces,
  TWIN_RECORD,
  takeBackNote,
} from "./twin-record.js";

const LINEAGE_FILE = "twin-over-link.json";
const ID_PATTERN = /^[0-9a-f]{32}$/;

/** Of a store on this host; `store`: absolute and real. */
function storeId(store: string): string {
  const host = `${hostname()}\0${machineId()}`;
  return sha256(Buffer.from(`${host}\0${rawFromText(store)}`))
    .toString("hex")
    .slice(0, 32);
}

interface StoreStep {
  readonly id: string;
  /** The note that says so; undefined for the store itself. */
  readonly file: string | undefined;
}

/** The store itself and those that it is a twin of, nearest first. `scratch`: its scratch directory, where it is in no default place. */
export function lineageOf(store: string, scratch?: string): readonly string[] {
  return stepsOf(store, scratch).map(({ id }) => id);
}

function stepsOf(store: string, scratch?: string): readonly StoreStep[] {
  const steps: StoreStep[] = [];
  let at: string | undefined = store;
  let file: string | undefined;
  while (at !== undefined && steps.length < LINEAGE_MAX) {
    steps.push({ id: storeId(at), file });
    const places = placesOf(at, at === store ? scratch : undefined);
    const noted = notedIn(places);
    for (const id of noted?.lineage ?? []) steps.push({ id, file: noted?.file });
    const record = findRecord(places);
    [at, file] = [record?.record.source.path, record?.file];
  }
  return steps.slice(0, LINEAGE_MAX);
}

/** `destination`: absolute and real, as far as it is there. Throws: stores-swapped, stores-overlap. */
export function refuseRing(destination: string, lineage: readonly string[]): void {
  const at = lineage.indexOf(storeId(destination));
  const doing = `making ${destination} a twin over a link`;
  if (at === 0) throw daemonError("stores-overlap", `${doing}: it is that source itself`);
  if (at < 0) return;
  const words = `the source is itself ${twinWords(at)} of it, as ${LINEAGE_FILE} or ${TWIN_RECORD} in the scratch directory of that source says`;
  throw daemonError("stores-swapped", `${doing}: ${words}`);
}

/** The same for two stores on this host, whatever made the one a twin of the other. Throws: stores-swapped. */
export function refuseRingHere(pair: Pair): void {
  refuseSwapped(pair);
  const { source, destination } = pair;
  const id = storeId(destination);
  const steps = stepsOf(source);
  const at = steps.findIndex((step) => step.id === id);
  if (at < 1) return; // one store for both is refused as that.
  const words = `${source} is itself ${twinWords(at)} of ${destination}, as ${steps[at]?.file} says`;
  throw daemonError("stores-swapped", `twinning ${source} to ${destination}: ${words}`);
}

function twinWords(at: number): string {
  return at === 1 ? "the twin" : "a twin of a twin";
}

/**
 * The same as the source of a daemon tells it, which is a twin of others as long as somebody writes to it. `scratch`: the one that the
 * configuration gives it.
 */
export function lineageInDaemon(store: string, scratch: string | undefined): readonly string[] {
  const isTwin = placesOf(store, scratch).some((path) => hasNote(path) && isHeld(path));
  return isTwin ? lineageOf(store, scratch) : [storeId(store)];
}

/** Throws: stores-swapped, where a twin in the other direction was noted since `before` was read. */
export function refuseMetHalfway(store: string, before: readonly string[], now = lineageOf(store)): void {
  if (now.length === before.length && now.every((id, at) => id === before[at])) return;
  const words = `${store} has become a twin itself while the link was opened, as ${LINEAGE_FILE} or ${TWIN_RECORD} in its scratch directory says`;
  throw daemonError("stores-swapped", `opening a link for ${store}: ${words}`);
}

interface NotePlace {
  readonly path: string;
  readonly site: Site;
  readonly refuse: Refusal;
}

/** `by`: undefined for a run of sync. */
interface LineageNote {
  readonly lineage: readonly string[];
  readonly by?: "daemon" | undefined;
}

/** Call it while holding the scratch directory. Returns what takes the note back if it is new. Throws: `refuse`, system errors. */
export function noteLineage({ path, site, refuse }: NotePlace, note: LineageNote): () => void {
  const bytes = Buffer.from(`${JSON.stringify(note)}\n`);
  const dir = openStanding(path, refuse);
  try {
    if (dir === undefined || !isSite(dir, site)) throw refuse("another directory stands there than at the start");
    const before = readNote(path, LINEAGE_FILE);
    if (before?.equals(bytes) === true) return () => undefined;
    replaceDurably(dir, LINEAGE_FILE, [bytes], { tempName: `${LINEAGE_FILE}.tmp`, mode: 0o600, syncDir: true });
    return before === undefined ? () => takeBackNote({ path, site }, LINEAGE_FILE) : () => undefined;
  } finally {
    dir?.close();
  }
}

/**
 * A daemon makes the store a source: what a daemon has noted of whose twin it is is over, unless that holds it now. Durable when it
 * returns. Throws: system errors.
 */
export function forgetTwin(store: string, scratch: string | undefined): void {
  for (const path of placesOf(store, scratch)) {
    if (parseNote(readNote(path, LINEAGE_FILE))?.by !== "daemon") continue;
    const refuse = (why: string, cause?: unknown) => new Error(`forgetting whose twin ${store} is: ${why}`, { cause });
    whileUnheld(path, refuse, (dir) => {
      dir.unlink(LINEAGE_FILE);
      dir.sync();
    });
  }
}

function hasNote(scratch: string): boolean {
  return [LINEAGE_FILE, TWIN_RECORD].some((name) => readNote(scratch, name) !== undefined);
}

/** By this process or another one. What cannot be locked nobody holds. */
function isHeld(scratch: string): boolean {
  try {
    const refuse = (why: string) => new Error(why);
    return whileUnheld(scratch, refuse, () => undefined) === "held";
  } catch {
    return false;
  }
}

/** Holds a scratch directory for as long as `run` takes, if it is there. Throws: `refuse`, what `run` throws. */
function whileUnheld(scratch: string, refuse: Refusal, run: (dir: Dir) => void): "done" | "held" | "absent" {
  const dir = openStanding(scratch, refuse);
  if (dir === undefined) return "absent";
  try {
    using _held = holdScratch(scratch, siteOf(dir), refuse);
    run(dir);
    return "done";
  } catch (error) {
    if (error instanceof MailtwinError && error.code === "destination-in-use") return "held";
    throw error;
  } finally {
    dir.close();
  }
}

/** Where notes of a store are looked for. */
function placesOf(store: string, scratch: string | undefined): readonly string[] {
  return [...new Set([...(scratch === undefined ? [] : [scratch]), ...scratchPlaces(store)])];
}

/** What is damaged, or not ours, says nothing. */
function notedIn(places: readonly string[]): (LineageNote & { readonly file: string }) | undefined {
  for (const scratch of places) {
    const note = parseNote(readNote(scratch, LINEAGE_FILE));
    if (note !== undefined) return { ...note, file: join(scratch, LINEAGE_FILE) };
  }
  return undefined;
}

function parseNote(bytes: Buffer | undefined): LineageNote | undefined {
  try {
    const { lineage, by } = JSON.parse(bytes?.toString() ?? "{}") as { readonly lineage?: unknown; by?: unknown };
    if (!Array.isArray(lineage)) return undefined;
    const ids = lineage.filter((id) => typeof id === "string" && ID_PATTERN.test(id));
    return { lineage: ids, ...(by === "daemon" ? { by } : {}) };
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
