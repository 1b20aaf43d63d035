/**
 * Whether a state directory is of the two stores that the command names. Applied to others it would call all of their mail
 * deleted, so it is compared before anything is written.
 *
 * A store is known by its real path, or else by its directory (device and inode): one that was renamed on its file system is
 * itself, and so is one that was restored or mounted anew at its path (what is in it is compared by GUIDs then).
 */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Site } from "../base/disk.js";
import type { StateReader, StateWriter } from "../log/state-ports.js";
import { openIfCurrent } from "./at-rest.js";
import { daemonError } from "./errors.js";
import type { Places, Sites } from "./places.js";

/** `dev` and `ino` as text: they may be larger than a double holds. */
interface StoreRecord {
  readonly path: string;
  readonly dev: string;
  readonly ino: string;
}

const STORES = ["source", "destination"] as const;
type Store = (typeof STORES)[number];

/**
 * "unused": the state was begun with other stores, and nothing was written to a destination with it: it may be begun anew.
 * `accepted`: the operator says that a store was moved. Throws: stores-differ, the codes of the state database.
 */
export function compareStores(places: Places, accepted: boolean): "same" | "unused" {
  const [sourcePath, replicaPath] = [join(places.state, "source.db"), join(places.state, "replica.db")];
  if (!existsSync(sourcePath) || !existsSync(replicaPath)) return "same";
  using source = openIfCurrent(sourcePath);
  using replica = openIfCurrent(replicaPath);
  if (source === undefined || replica === undefined) return "same";
  const isUsed = replica.mailboxes().length > 0;
  for (const store of STORES) {
    const record = readRecord(source, store);
    if (record === undefined || isSame(record, places[store])) continue;
    if (!isUsed) return "unused";
    if (!accepted) throw refusal(places, store, record);
  }
  if (isUsed && replica.appliedLsn(source.meta("log-id") ?? "") === 0) throw halvesDiffer(places);
  return "same";
}

/** Whether `recordStores` has nothing to write. */
export function areRecorded(places: Places): boolean {
  using source = openIfCurrent(join(places.state, "source.db"));
  return source !== undefined && STORES.every((store) => source.meta(keyOf(store)) === recordOf(places[store]));
}

/** Call it when the places are made, before anything is captured. */
export async function recordStores(
  { reader, writer }: { readonly reader: StateReader; readonly writer: StateWriter },
  places: Places,
  sites: Sites,
): Promise<void> {
  const records = STORES.map((store) => ({ store, text: recordOfSite(places[store], sites[store]) }));
  for (const { store, text } of records) if (text === undefined) throw exchanged(store, places[store]);
  const changed = records.filter(({ store, text }) => reader.meta(keyOf(store)) !== text);
  await Promise.all(changed.map(({ store, text = "" }) => writer.setMeta(keyOf(store), text)));
}

/**
 * For one side alone: refuses a state that was used with another store, and notes this one. Call it before anything is captured or
 * applied. Throws: store-exchanged, and as `recordStores`.
 */
export async function claimStore(
  { reader, writer }: { readonly reader: StateReader; readonly writer: StateWriter },
  store: Store,
  place: { readonly path: string; readonly site: Site },
): Promise<void> {
  refuseOtherStore(reader, store, place.path);
  const text = recordOfSite(place.path, place.site);
  if (text === undefined) throw exchanged(store, place.path);
  if (reader.meta(keyOf(store)) !== text) await writer.setMeta(keyOf(store), text);
}

/** Of a state that was used. Throws: store-exchanged. */
export function refuseOtherStore(reader: Pick<StateReader, "meta" | "mailboxes">, store: Store, path: string): void {
  const record = readRecord(reader, store);
  if (record === undefined || isSame(record, path) || reader.mailboxes().length === 0) return;
  throw daemonError("store-exchanged", `opening ${path}: its state is of ${record.path}, another directory`);
}

/**
 * Stricter than `compareStores`: the source has to be the directory that it was at the last run, not only to stand at its path. So nothing is
 * written where it is not mounted. Throws: source-missing.
 */
export function refuseOtherDirectory(
  reader: Pick<StateReader, "meta">,
  { path, site }: { readonly path: string; readonly site: Site },
): void {
  const record = readRecord(reader, "source");
  if (record === undefined || (Number(record.dev) === site.dev && Number(record.ino) === site.ino)) return;
  const words =
    "another directory stands there than at the last run; if it is the right one, let a run of mailtwin see it first";
  throw daemonError("source-missing", `writing to the source ${path}: ${words}`);
}

/** Undefined where another directory stands: noted, it would be taken for the store by later runs. */
function recordOfSite(path: string, { dev, ino }: Site): string | undefined {
  const text = recordOf(path);
  if (text === undefined) return undefined;
  const noted = JSON.parse(text) as StoreRecord;
  return Number(noted.dev) === dev && Number(noted.ino) === ino ? text : undefined;
}

function exchanged(store: Store, path: string): Error {
  const code = store === "source" ? "source-missing" : "destination-unusable";
  return daemonError(code, `noting the ${store} ${path}: another directory stands there than at the start`);
}

function keyOf(store: Store): string {
  return `${store}-store`;
}

/** Undefined where nothing stands. */
function recordOf(path: string): string | undefined {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  return JSON.stringify({ path, dev: String(stat.dev), ino: String(stat.ino) } satisfies StoreRecord);
}

function readRecord(source: Pick<StateReader, "meta">, store: Store): StoreRecord | undefined {
  const text = source.meta(keyOf(store)) ?? "";
  return text === "" ? undefined : (JSON.parse(text) as StoreRecord);
}

function isSame({ path, dev, ino }: StoreRecord, named: string): boolean {
  if (path === named) return true;
  const stat = statSync(named, { bigint: true, throwIfNoEntry: false });
  return stat !== undefined && String(stat.dev) === dev && String(stat.ino) === ino;
}

/** What was written to a destination is noted there together with the log that it came from. */
function halvesDiffer({ state }: Places): Error {
  const [source, replica] = [join(state, "source.db"), join(state, "replica.db")];
  return daemonError(
    "state-mixed",
    `opening the state in ${state}: ${replica} has mailboxes, and none of them by the log in ${source}`,
  );
}

function refusal(places: Places, store: Store, record: StoreRecord): Error {
  return daemonError(
    "stores-differ",
    `opening the state in ${places.state}: it is of the ${store} ${record.path}, and not of ${places[store]}`,
  );
}
