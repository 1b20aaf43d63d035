/**
 * Mailboxes that somebody renamed in this store: they stand where neither the baseline nor the log has them. They are known by
 * their GUID, and the next transaction that they get puts them back to where it has them, before anything else of it.
 *
 * INVARIANT: a mailbox that is where it should be is never looked for elsewhere, so a copy of its directory is not taken for it.
 */
import type { Clock } from "../base/clock.js";
import type { Dir } from "../base/disk.js";
import { displayRaw, isRawPath, type RawPath } from "../base/raw-name.js";
import { discoverMailboxes } from "../maildir/discover.js";
import type { MailboxGuid } from "../maildir/ids.js";
import { type Elsewhere, holdsAll, isRenamed, type Written } from "../maildir/renamed.js";
import {
  type DirectoryMark,
  isOneUsers,
  markOf,
  oneTree,
  parseMark,
  type TreeOf,
  treesOf,
} from "../maildir/whose-tree.js";
import type { Transaction } from "../txn/transaction.js";
import type { ApplyNote } from "./apply-types.js";
import { closeBelow, type Located, locateMailbox } from "./locate.js";
import type { KnownMailbox } from "./mailbox-cache.js";
import { isWrongKind, withDir } from "./mailbox-place.js";
import { surveyMailbox } from "./survey.js";

/** Looking through the store takes at most this part of the time, however many mailboxes are sought. */
const PAUSE_PER_LOOK = 4;

interface Sighting {
  readonly placesByGuid: ReadonlyMap<MailboxGuid, readonly Elsewhere[]>;
  readonly treeOf: TreeOf;
}

/** Where the mailboxes of the store stand, read when one is sought. */
export class Whereabouts {
  readonly #storeRoot: string;
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #recorded: () => readonly { readonly path: RawPath }[];
  #seen: Sighting | undefined;
  #believedUntilMs = Number.NEGATIVE_INFINITY;
  #stood: ReadonlySet<MailboxGuid> = new Set();

  /** `recorded`: what was written to the store, as the database has it. */
  constructor(
    storeRoot: string,
    clock: Pick<Clock, "monotonicMs">,
    recorded: () => readonly { readonly path: RawPath }[],
  ) {
    this.#storeRoot = storeRoot;
    this.#clock = clock;
    this.#recorded = recorded;
  }

  /** A hint: the caller looks whether it is there. Of several the first one by path that is what was written (without `written`: the first). */
  of(root: Dir, guid: MailboxGuid, written: Written | undefined): RawPath | undefined {
    const { placesByGuid, treeOf } = this.#look(root);
    const places = placesByGuid.get(guid) ?? [];
    if (written === undefined) return places[0]?.path;
    const ownerOf = (path: string): number | undefined => (isRawPath(path) ? directoryAt(root, path)?.uid : undefined);
    const holds = (path: RawPath, messages: ReturnType<Written["messages"]>): boolean =>
      withDir(root, path, (dir) => dir !== undefined && holdsAll(dir, messages));
    return places.find((place) => isRenamed(written, place, { treeOf, ownerOf, holds }))?.path;
  }

  /** Whether two paths are one user's. */
  areOfOne(root: Dir, path: RawPath, other: RawPath): boolean {
    const { treeOf } = this.#look(root);
    return treeOf(path) === treeOf(other);
  }

  #look(root: Dir): Sighting {
    const startMs = this.#clock.monotonicMs();
    if (this.#seen !== undefined && startMs < this.#believedUntilMs) return this.#seen;
    const seen = this.#read(root);
    this.#seen = seen;
    const endMs = this.#clock.monotonicMs();
    this.#believedUntilMs = endMs + PAUSE_PER_LOOK * (endMs - startMs);
    return seen;
  }

  /** Mailboxes have moved: what was read no longer holds. */
  forget(): void {
    this.#believedUntilMs = Number.NEGATIVE_INFINITY;
  }

  /** What of the source's stood in the store at first contact, before anything was written to it. */
  noteStanding(guids: ReadonlySet<MailboxGuid>): void {
    this.#stood = guids;
  }

  /** Whether the mailbox is the source's and stood somewhere at this run's first contact. */
  hasStood(guid: MailboxGuid): boolean {
    return this.#stood.has(guid);
  }

  /** Also those whose move broke off between `cur/` and the uidlist. */
  #read(root: Dir): Sighting {
    const { mailboxes, problems } = discoverMailboxes(this.#storeRoot);
    const torn = problems.filter(({ code }) => code === "mailbox-without-cur").map(({ path }) => path);
    const placesByGuid = new Map<MailboxGuid, Elsewhere[]>();
    const paths = new Set<string>(this.#recorded().map(({ path }) => path));
    for (const path of [...mailboxes.map((mailbox) => mailbox.path), ...torn.filter(isRawPath)]) {
      paths.add(path);
      const { guid } = surveyMailbox(root, path);
      const directory = guid === undefined ? undefined : directoryAt(root, path);
      if (guid === undefined || directory === undefined) continue;
      placesByGuid.set(guid, [...(placesByGuid.get(guid) ?? []), { path, directory }]);
    }
    return { placesByGuid, treeOf: isOneUsers(root) ? oneTree : treesOf((path) => paths.has(path)) };
  }
}

/** Undefined where something else stands in its way. */
export function directoryAt(root: Dir, path: RawPath): DirectoryMark | undefined {
  try {
    return withDir(root, path, (dir) => (dir === undefined ? undefined : markOf(dir.statSelf())));
  } catch (error) {
    if (!isWrongKind(error)) throw error;
    return undefined;
  }
}

/** What a mailbox was written as; at first contact, where it is to be. */
export function writtenAs({ baseline }: Pick<KnownMailbox, "baseline">, path: RawPath): Written {
  if (baseline === undefined) return { path, directory: undefined, messages: () => [] };
  const { row } = baseline;
  const messages = () => baseline.looks().flatMap(({ chunk }) => [...baseline.records(chunk)]);
  return { path: row.path, directory: parseMark(row.fingerprint.split(" ")), messages };
}

/**
 * As `locateMailbox`; a mailbox that was written before is looked for everywhere, and one that stood somewhere at first contact: by
 * its GUID and UIDVALIDITY it is the source's own, at a wrong place. One of another user's tree is none (maildir/renamed.ts).
 */
export function locateAnywhere(
  whereabouts: Whereabouts,
  root: Dir,
  known: KnownMailbox,
  txn: Pick<Transaction, "mailbox" | "path" | "structure"> & Partial<Pick<Transaction, "uidValidity">>,
): Located {
  const located = locateMailbox(root, known, txn);
  if (located.kind !== "absent") return located;
  const isWritten = known.baseline !== undefined;
  if (!isWritten && !whereabouts.hasStood(txn.mailbox)) return located;
  known.standsAt = whereabouts.of(root, txn.mailbox, writtenAs(known, txn.path));
  if (known.standsAt === undefined) return located;
  const found = locateMailbox(root, known, txn);
  if (isWritten || found.kind !== "found" || found.uidlist.header.uidValidity === txn.uidValidity) return found;
  closeBelow(root, found.dir);
  known.standsAt = undefined;
  return located;
}

/** Whether it was found only because it was looked for everywhere. */
export function isAstray(
  { standsAt, baseline }: KnownMailbox,
  found: RawPath,
  { path, structure }: Transaction,
): boolean {
  const homes = [baseline?.row.path, path, structure?.kind === "rename" ? structure.from : undefined];
  return found === standsAt && !homes.includes(found);
}

/** After it has moved to `path`. */
export function notePutBack(standsAt: RawPath, path: RawPath): ApplyNote {
  const [from, to] = [standsAt, path].map((each) => (each === "" ? "INBOX" : displayRaw(each)));
  return { kind: "mailbox-found-elsewhere", words: `it was renamed to ${from} here, and is ${to} now` };
}
