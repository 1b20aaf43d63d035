/**
 * The limbo of a replica on another host, as the source's host asks for it: which one is meant, and all that it tells, in bounds that
 * hold whatever is at the other end. Nothing is made or opened for writing: whoever replicates may run meanwhile.
 */
import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { isBehind } from "../../agent/remote-limbo.js";
import type { Site } from "../../base/disk.js";
import { displayRaw, rawFromText } from "../../base/raw-name.js";
import { comparedConfused } from "../../resync/errors.js";
import type { RemotePath } from "../../wire/address.js";
import type { LimboFilesPage, LimboMark, LimboPage, ToldFile, ToldRemoval } from "../../wire/limbo.js";
import { loadConfig, surroundingsOfProcess, tellingRefusalOf } from "../config/load-config.js";
import { daemonError } from "../errors.js";
import { findSourcePlaces, sourceIdOf } from "../half-places.js";
import { stateFor } from "../places.js";
import { type RemoteProgram, remoteAt, remoteProgramOf } from "../remote-flags.js";
import type { FetchedFile, WantedFile } from "./fetch-limbo.js";
import type { LimboFlags } from "./find-limbos.js";

export interface FarLimbo {
  /** As of `LimboSide`. */
  page(after: LimboMark | undefined): Promise<LimboPage>;
  files(name: string, after: string): Promise<LimboFilesPage>;
  /** As `fetchLimbo`, into the scratch directory of the source's state (reject/fetched-copies.ts). */
  fetch(wanted: readonly WantedFile[]): Promise<readonly FetchedFile[]>;
}

export interface FarPlace {
  /** For people: the store's name, or HOST:DST. */
  readonly store: string;
  /** Absolute and real, as text. */
  readonly source: string;
  readonly site: Site;
  readonly state: string;
  readonly from:
    | { readonly kind: "link"; readonly destination: RemotePath; readonly program: RemoteProgram; readonly id: string }
    | { readonly kind: "daemon"; readonly store: string; readonly replica: string };
}

/** More than any limbo has rows, and a mailbox files; and the characters that are kept of them. */
const ROWS_MAX = 1_000_000;
const TEXT_MAX = 256 * 1024 * 1024;
export const FILES_MAX = 4_000_000;

/**
 * Throws: usage, address-invalid, store-unknown, log-missing, config-missing, config-wrong, source-missing, and what finding the places of
 * a source throws.
 */
export function findFar(source: string | undefined, destination: string | undefined, flags: LimboFlags): FarPlace {
  for (const [name, value] of Object.entries({ SRC: source, DST: destination, ...flags }))
    if (value === "") throw usage(`${name} is empty ("")`);
  const { state, scratch, config, control, store, replica } = flags;
  if (scratch !== undefined) throw usage("--scratch is for a limbo on this host");
  if (source !== undefined && destination !== undefined) {
    if ([config, control, store, replica].some((flag) => flag !== undefined))
      throw usage("--config, --control, --store and --replica are for stores of the daemon");
    return standing(ofSync(source, destination, flags));
  }
  if (source !== undefined) throw usage("SRC stands without DST");
  if (state !== undefined) throw usage("--state goes with SRC and DST");
  if ((flags.rsh ?? flags.remoteMailtwin) !== undefined)
    throw usage("--rsh and --remote-mailtwin are for a DST on another host");
  return standing(ofDaemon(replica ?? "", flags));
}

function ofSync(source: string, destination: string, flags: LimboFlags): FarPlace {
  const remote = remoteAt(destination);
  if (remote === undefined) throw usage("--replica is for stores of the daemon");
  const { user, host } = remote.address;
  const store = `${user === undefined ? "" : `${user}@`}${host}:${remote.path}`;
  const places = findSourcePlaces(source, flags.state ?? stateFor(source, store, basename(remote.path)));
  const from = { kind: "link", destination: remote, program: remoteProgramOf(flags), id: sourceIdOf(places) } as const;
  return { store, source: places.store, site: places.site, state: places.state, from };
}

function ofDaemon(asked: string, { config: file, store: wanted }: LimboFlags): FarPlace {
  const loaded = loadConfig(file, surroundingsOfProcess());
  if (loaded.kind === "wrong") throw tellingRefusalOf(loaded.files[0] ?? "", loaded.problems);
  const { stateDir, stores } = loaded.config;
  const meant = [...stores.values()].flatMap(({ name, path, role }) => {
    if (role.kind !== "source" || (wanted !== undefined && wanted !== name)) return [];
    const replica = [...role.replicas.keys()].find((each) => each === asked || `${name}/${each}` === asked);
    return replica === undefined ? [] : [{ name, path, replica }];
  });
  const [first, second] = meant;
  if (second !== undefined)
    throw usage(
      `${meant.map(({ name }) => name).join(", ")} each have a replica ${shown(asked)}: name one with --store`,
    );
  if (first === undefined) {
    const of = wanted === undefined ? "no store" : `no store ${shown(wanted)}`;
    throw daemonError("store-unknown", `choosing a replica: ${of} of this host has a replica ${shown(asked)}`);
  }
  const { name, path, replica } = first;
  const { store: source, site, state } = findSourcePlaces(path, join(stateDir, "stores", name));
  return { store: name, source, site, state, from: { kind: "daemon", store: name, replica } };
}

/** Throws: log-missing. */
function standing(place: FarPlace): FarPlace {
  const database = join(place.state, "source.db");
  if (existsSync(database)) return place;
  const what = `looking for the source of ${shown(place.store)}`;
  throw daemonError("log-missing", `${what}: there is no ${shown(database)}`);
}

/** All rows since then, ascending: no more than `max`. Throws: compared-confused, what the other end says. */
export async function rowsOf(
  limbo: Pick<FarLimbo, "page">,
  sinceMs: number | undefined,
  max = ROWS_MAX,
): Promise<readonly ToldRemoval[]> {
  const rows: ToldRemoval[] = [];
  let text = 0;
  let after: LimboMark | undefined;
  if (sinceMs !== undefined) after = { removedMs: Math.max(0, Math.floor(sinceMs)), name: "" };
  for (;;) {
    const page = await limbo.page(after);
    if (rows.length + page.rows.length > max) throw tooMany();
    for (const row of page.rows) {
      if (after !== undefined && !isBehind(row, after)) throw comparedConfused("rows of its limbo do not ascend");
      after = row;
      rows.push(row);
      text += row.name.length + row.path.length + row.base.length;
    }
    if (text > TEXT_MAX) throw tooMany();
    if (!page.more) return rows;
    if (page.rows.length === 0) throw comparedConfused("a page of its limbo is empty, and not the last");
  }
}

function tooMany(): Error {
  return comparedConfused("its limbo has more entries than can be taken in: name a later time with --since");
}

/** How many files mailboxes may have yet, all together. */
export interface FilesBudget {
  left: number;
}

/** All files of a mailbox that went as a whole, ascending: no more than the budget has left, which has so many less then. Throws: as `rowsOf`. */
export async function* filesOf(
  limbo: Pick<FarLimbo, "files">,
  name: string,
  budget: FilesBudget = { left: FILES_MAX },
): AsyncGenerator<ToldFile> {
  for (let after = ""; ; ) {
    const page = await limbo.files(name, after);
    budget.left -= page.files.length;
    if (budget.left < 0) throw comparedConfused("mailboxes in its limbo have more files than can be");
    for (const it of page.files) {
      if (it.file <= after) throw comparedConfused("files of a mailbox in its limbo do not ascend");
      after = it.file;
      yield it;
    }
    if (!page.more) return;
    if (page.files.length === 0) throw comparedConfused("a page of files in its limbo is empty, and not the last");
  }
}

function usage(words: string): Error {
  return daemonError("usage", `reading the command line: ${words}`);
}

function shown(text: string): string {
  return displayRaw(rawFromText(text));
}
