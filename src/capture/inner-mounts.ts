/**
 * File systems that are mounted inside of a store (a volume for each domain, say) and have mailboxes in them. Where one is gone its mount
 * point is left: empty, or with what lay there before. Nobody has deleted what is missing there, and what stands there is not what it was.
 *
 * Which there are is noted over restarts, with what tells one from another. The mount table says it, and not the device: a directory can be
 * mounted elsewhere in its own file system, and devices have other numbers after a restart of the host.
 *
 * INVARIANT: of mailboxes at and below the mount point of one that is gone, or in whose place, or over whose mail, another one is mounted,
 * nothing is captured or called gone, until it is back or a person has decided (`accept`).
 */
import type { Site } from "../base/disk.js";
import { errnoOf } from "../base/errors.js";
import type { Mount } from "../base/mount-table.js";
import { isSite, siteOf } from "../base/pinned-roots.js";
import { isRawPath, parentRaw, type RawPath } from "../base/raw-name.js";
import type { MailboxRow } from "../log/state-types.js";
import type { MailboxGuid } from "../maildir/ids.js";
import type { DiscoverOutcome, FoundMailbox } from "./capture-types.js";
import { problemOfMount } from "./errors.js";
import { openStoreDir, type StorePlace } from "./open-mailbox.js";

/** Of the table `meta`. */
export const MOUNTS_KEY = "inner-mounts";

export interface MountPorts {
  readonly place: StorePlace;
  /** As mount-table.ts reads it. */
  readonly table: () => readonly Mount[];
  /** Of these those that are the known mailboxes whose GUIDs they have (claims.ts). */
  readonly genuine: (standing: readonly FoundMailbox[]) => readonly FoundMailbox[];
}

interface NotePorts {
  readonly meta: (key: string) => string | undefined;
  readonly note: (key: string, value: string) => void;
}

/** A mount point, relative to the store, at which the file system that belongs there is not. */
export interface LostMount {
  readonly path: RawPath;
  /** "another": something else is mounted there. */
  readonly why: "missing" | "another";
  readonly sinceMs: number;
  /** Known mailboxes in it that stand nowhere else. */
  readonly rows: readonly MailboxRow[];
}

/** The directory that is mounted. A number alone says nothing where the file system does not say when it was made (0). */
interface MountMark {
  readonly ino: number;
  readonly birthtimeMs: number;
}

interface NotedMount extends MountMark {
  readonly path: string;
}

interface MarkedSite {
  readonly mark: MountMark;
  readonly site: Site;
}

/** What lies at and below one mount point. */
interface Inside {
  readonly rows: MailboxRow[];
  readonly standing: FoundMailbox[];
}

export class InnerMounts {
  readonly #ports: MountPorts & NotePorts;
  #known: ReadonlyMap<RawPath, MountMark>;
  /** Of those that were there at the last look. */
  #siteByPath: ReadonlyMap<RawPath, Site> = new Map();
  #lostByPath: ReadonlyMap<RawPath, LostMount> = new Map();
  #lost: readonly LostMount[] = [];

  constructor(ports: MountPorts & NotePorts) {
    this.#ports = ports;
    this.#known = parseKnown(ports.meta(MOUNTS_KEY));
  }

  /** As of the last look; another array when another look has found some. */
  get lost(): readonly LostMount[] {
    return this.#lost;
  }

  /** Before a look at the store: what is mounted when somebody comes by is mounted then. */
  wake(): void {
    for (const path of this.#known.keys()) this.#markAt(path);
  }

  /** What a walk has found, without the mailboxes that are to be left alone: a problem of their mount point stands for them. */
  sift(found: DiscoverOutcome, rows: Iterable<MailboxRow>, nowMs: number): DiscoverOutcome {
    this.#look(found.mailboxes, rows, nowMs);
    if (this.#lostByPath.size === 0) return found;
    const isVisible = ({ path }: { readonly path: RawPath }): boolean => !isIn(path, this.#lostByPath);
    const told = this.#lost.map(({ path, why }) => problemOfMount(path, why));
    return {
      ...found,
      mailboxes: found.mailboxes.filter(isVisible),
      problems: [...found.problems.filter(isVisible), ...told],
    };
  }

  /** Asked after a mailbox at that path was opened. "doubtful": another look at the store has to tell. */
  standingOf(path: RawPath): "well" | "lost" | "doubtful" {
    if (isIn(path, this.#lostByPath)) return "lost";
    const own = aboveIn(path, this.#known);
    return own.every((each) => this.#isUnchanged(each)) ? "well" : "doubtful";
  }

  /** What is lost does not come back: what is there now counts, and is judged as any other change. */
  accept(): void {
    const known = new Map(this.#known);
    const points = this.#points();
    for (const path of this.#lostByPath.keys()) {
      const mark = points.has(path) ? this.#markAt(path)?.mark : undefined;
      if (mark === undefined) known.delete(path);
      else known.set(path, mark);
    }
    this.#setLost(new Map());
    this.#keep(known);
  }

  #look(standing: readonly FoundMailbox[], rows: Iterable<MailboxRow>, nowMs: number): void {
    const points = this.#points();
    const inside = insideOf(new Set([...points, ...this.#known.keys()]), standing, rows);
    const marks = new Map<RawPath, MarkedSite>();
    const suspects = new Map<RawPath, LostMount>();
    for (const [path, all] of inside) {
      const now = points.has(path) ? this.#markAt(path) : undefined;
      if (now !== undefined) marks.set(path, now);
      const why = points.has(path) ? this.#whyAnother(path, now?.mark, all) : "missing";
      const sinceMs = this.#lostByPath.get(path)?.sinceMs ?? nowMs;
      if (why !== undefined) suspects.set(path, { path, why, sinceMs, rows: all.rows });
    }
    const outside = suspects.size === 0 ? [] : standing.filter((found) => !isIn(found.path, suspects));
    const lost = elsewhereLeftOut(suspects, this.#ports.genuine(outside));
    const known = new Map<RawPath, MountMark>();
    for (const path of inside.keys()) {
      const noted = this.#known.get(path);
      // What cannot be looked at stays as it was; what has nothing left in it is as if it had never been mounted.
      const mark = lost.has(path) || points.has(path) ? noted : undefined;
      const now = lost.has(path) ? undefined : marks.get(path)?.mark;
      if (now !== undefined) known.set(path, now);
      else if (mark !== undefined) known.set(path, mark);
    }
    this.#setLost(lost);
    this.#siteByPath = new Map([...marks].map(([path, { site }]) => [path, site]));
    this.#keep(known);
  }

  /** Something is mounted there, and is not what belongs there, or hides it. */
  #whyAnother(path: RawPath, mark: MountMark | undefined, { rows, standing }: Inside): "another" | undefined {
    const noted = this.#known.get(path);
    if (noted !== undefined) return mark !== undefined && isOther(noted, mark) ? "another" : undefined;
    const guids = new Set(standing.map(({ guid }) => guid));
    return rows.length > 0 && !rows.some(({ guid }) => guids.has(guid)) ? "another" : undefined;
  }

  #isUnchanged(path: RawPath): boolean {
    const before = this.#siteByPath.get(path);
    const now = this.#markAt(path)?.site;
    return before !== undefined && now !== undefined && isSite(now, before);
  }

  /** Mount points below the store. */
  #points(): ReadonlySet<RawPath> {
    const { place, table } = this.#ports;
    const top = `${place.storeRoot}/`;
    const mounts = table().filter(({ mountPoint, fsType }) => mountPoint.startsWith(top) && fsType !== "autofs");
    return new Set(mounts.map(({ mountPoint }) => mountPoint.slice(top.length)).filter(isRawPath));
  }

  /** Undefined for what is not there, or cannot be looked at: whoever walks the store says why. */
  #markAt(path: RawPath): MarkedSite | undefined {
    try {
      const dir = openStoreDir(this.#ports.place, path);
      if (dir === undefined) return undefined;
      try {
        const { ino, birthtimeMs } = dir.statSelf();
        return { mark: { ino, birthtimeMs }, site: siteOf(dir) };
      } finally {
        dir.close();
      }
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      return undefined;
    }
  }

  #setLost(lost: ReadonlyMap<RawPath, LostMount>): void {
    if (lost.size + this.#lostByPath.size === 0) return;
    this.#lostByPath = lost;
    this.#lost = [...lost.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  #keep(known: ReadonlyMap<RawPath, MountMark>): void {
    const text = formatKnown(known);
    if (text === formatKnown(this.#known)) return;
    this.#known = known;
    this.#ports.note(MOUNTS_KEY, text);
  }
}

/** By mount point, those that have anything in them. */
function insideOf(
  points: ReadonlySet<RawPath>,
  standing: readonly FoundMailbox[],
  rows: Iterable<MailboxRow>,
): ReadonlyMap<RawPath, Inside> {
  const inside = new Map<RawPath, Inside>();
  const at = (path: RawPath): Inside => {
    const known = inside.get(path) ?? { rows: [], standing: [] };
    inside.set(path, known);
    return known;
  };
  for (const row of rows) for (const path of aboveIn(row.path, points)) at(path).rows.push(row);
  for (const found of standing) for (const path of aboveIn(found.path, points)) at(path).standing.push(found);
  return inside;
}

/** A mailbox that was moved out of there is not lost. `outside`: what stands in none of them, and is what it is called. */
function elsewhereLeftOut(
  suspects: ReadonlyMap<RawPath, LostMount>,
  outside: readonly FoundMailbox[],
): ReadonlyMap<RawPath, LostMount> {
  const lost = new Map<RawPath, LostMount>();
  const guids = new Set<MailboxGuid | undefined>(outside.map(({ guid }) => guid));
  for (const [path, suspect] of suspects) {
    const rows = suspect.rows.filter(({ guid }) => !guids.has(guid));
    if (rows.length > 0) lost.set(path, { ...suspect, rows });
  }
  return lost;
}

function isOther(one: MountMark, other: MountMark): boolean {
  const tells = one.birthtimeMs !== 0 && other.birthtimeMs !== 0;
  return tells && (one.ino !== other.ino || one.birthtimeMs !== other.birthtimeMs);
}

/** Those of `points` that the path is at or below. */
function aboveIn(path: RawPath, points: Pick<ReadonlySet<RawPath>, "has" | "size">): readonly RawPath[] {
  const found: RawPath[] = [];
  if (points.size === 0) return found;
  for (let at = path; at !== ""; at = parentRaw(at)) if (points.has(at)) found.push(at);
  return found;
}

function isIn(path: RawPath, points: Pick<ReadonlySet<RawPath>, "has" | "size">): boolean {
  return aboveIn(path, points).length > 0;
}

/** By path, so that the same is the same text. */
function formatKnown(known: ReadonlyMap<RawPath, MountMark>): string {
  const entries = [...known].sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify(entries.map(([path, { ino, birthtimeMs }]) => ({ path, ino, birthtimeMs })));
}

/** What cannot be read is as if nothing had been noted. */
function parseKnown(text: string | undefined): ReadonlyMap<RawPath, MountMark> {
  const noted = (text === undefined || text === "" ? [] : JSON.parse(text)) as readonly NotedMount[];
  return new Map(noted.flatMap(({ path, ...mark }) => (isRawPath(path) ? [[path, mark] as const] : [])));
}
