/**
 * The reading side of one store: everything that the capture worker does, as a plain class that a test can use in its own
 * thread. Synchronous but for opening.
 *
 * INVARIANT: at most one outcome with a commit is under way: its caller commits it, or calls `forgetSealed`, before the next call.
 */
import { AssertionError } from "node:assert";
import { assert } from "../base/assert.js";
import { type Clock, systemClock } from "../base/clock.js";
import { type CrashPoint, crashPointsFromEnv, noCrashPoint } from "../base/crash-points.js";
import type { Disk } from "../base/disk.js";
import { openNodeDisk } from "../base/disk-node.js";
import type { MailtwinError } from "../base/errors.js";
import { openHash } from "../base/hash.js";
import { type Mount, readMounts } from "../base/mount-table.js";
import { displayRaw, isRawPath, type RawPath, rawFromText } from "../base/raw-name.js";
import { type BaselineSources, MailboxBaseline } from "../log/baseline.js";
import { openStateReader } from "../log/state-reader.js";
import type { CaptureCommit, MailboxRow } from "../log/state-types.js";
import { maildirError } from "../maildir/errors.js";
import type { MailboxGuid } from "../maildir/ids.js";
import { UIDLIST_FILE } from "../maildir/mailbox-files.js";
import type { Uidlist } from "../maildir/uidlist.js";
import { type DirectoryMark, isSameDirectory, oneTree, treesOf } from "../maildir/whose-tree.js";
import { StateDigester } from "../txn/digest.js";
import type { Transaction } from "../txn/transaction.js";
import { BroughtBack, type HeldNow } from "./brought-back.js";
import {
  type BackAgain,
  type Braked,
  CAPTURE_LIMITS,
  type CaptureLimits,
  type CaptureMethods,
  type CaptureOptions,
  type DescribeOutcome,
  type DiscoverOutcome,
  type ExamineOutcome,
  type ExamineRequest,
  type HeldWhy,
  type NumberOutcome,
  type RaiseOutcome,
  type RenumberOutcome,
  type StatesPage,
  type VanishedOutcome,
} from "./capture-types.js";
import { type ClaimTells, genuineOf, markClaims } from "./claims.js";
import { CommitBuilder } from "./commit-builder.js";
import type { DeletionBrake } from "./deletion-brake.js";
import { describeMailbox } from "./describe-mailbox.js";
import { discoverStore, guidAt, guidIfAny, isTreeOfUsers } from "./discover-store.js";
import { type BaselineReader, EMPTY_STATE, fileExists } from "./empty-state.js";
import { problemOf } from "./errors.js";
import { Examiner } from "./examine.js";
import { directoryOf } from "./fingerprint-text.js";
import { MailboxMemories } from "./mailbox-memory.js";
import { MailboxRows } from "./mailbox-rows.js";
import { type Surroundings, sealDeletion } from "./mailbox-structure.js";
import { numberFiles } from "./number.js";
import { isOfStore, openStoreDir, pinStore, type StorePlace } from "./open-mailbox.js";
import { OriginFinder } from "./origin.js";
import { chooseHomes, planStructure } from "./plan-structure.js";
import { type RaiseRequest, raiseNextUid } from "./raise-next-uid.js";
import { type RenumberRequest, renumberMessages } from "./renumber.js";
import { directoryAt, hasFileOf, ownerAbove } from "./same-files.js";
import { statesAfter } from "./states-page.js";
import { uncertainAfter } from "./two-walks.js";
import { UidlistCache } from "./uidlist-cache.js";
import type { LockSources } from "./under-lock.js";
import { evidenceIn, type StoreEvidence } from "./whose-numbers.js";
import { approveHeld, heldBeside, mountAt, notesOf, openBrake, withBrake } from "./with-brake.js";

export interface SourceStorePorts {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly reach: CrashPoint;
  readonly reader: BaselineReader;
  readonly mounts: () => readonly Mount[];
}

/** What `capture` passes on its way, in order; the last two where it is recorded (record-found.ts). */
export const CAPTURE_CRASH_POINTS = [
  "capture.examined",
  "capture.numbered-locked",
  "capture.numbered-written",
  "capture.sealed",
  "capture.committed",
] as const;

/** With the ports of the real world where none are given. Throws: what opening the state database throws. */
export async function openSourceStore(
  options: CaptureOptions,
  ports: Partial<SourceStorePorts> = {},
): Promise<SourceStore> {
  const disk = ports.disk ?? openNodeDisk();
  const { statePath } = options;
  const hasState = statePath !== undefined && fileExists(disk, rawFromText(statePath));
  const reader = ports.reader ?? (hasState ? openStateReader(statePath) : EMPTY_STATE);
  return new SourceStore(options, new StateDigester(await openHash()), {
    disk: pinStore(disk, options.storeRoot, options.storeSite),
    clock: ports.clock ?? systemClock,
    reach: ports.reach ?? (options.crashAt === undefined ? noCrashPoint : crashPointsFromEnv(options.crashAt)),
    reader,
    mounts: ports.mounts ?? readMounts,
  });
}

/** A smaller uidlist is read in a few milliseconds when it is needed. */
const WARM_BYTES_MIN = 256 * 1024;

export class SourceStore implements Omit<CaptureMethods<CaptureCommit>, "open">, Disposable {
  readonly #place: StorePlace;
  readonly #limits: CaptureLimits;
  readonly #ports: SourceStorePorts;
  readonly #baselines: BaselineSources;
  readonly #rows: MailboxRows;
  readonly #memories: MailboxMemories;
  readonly #uidlists: UidlistCache;
  readonly #examiner: Examiner;
  readonly #locks: LockSources;
  readonly #tells: ClaimTells;
  readonly #brake: DeletionBrake | undefined;
  readonly #back: BroughtBack;
  /** As of the last `discover`. */
  #evidence: StoreEvidence | undefined;
  /** GUIDs in the last outcome with a commit. */
  #together: readonly MailboxGuid[] = [];
  #news: Transaction | undefined;

  /** Use `openSourceStore`. */
  constructor(options: CaptureOptions, digester: StateDigester, ports: SourceStorePorts) {
    const { disk, clock, reach, reader } = ports;
    const { storeRoot, sentinel, hostname, pid } = options;
    this.#ports = ports;
    this.#place = { disk, storeRoot, sentinel };
    const limits = { ...CAPTURE_LIMITS, ...options.limits };
    this.#limits = limits;
    this.#baselines = { reader, digester };
    this.#rows = new MailboxRows(reader);
    this.#memories = new MailboxMemories(limits.mailboxesCachedMax);
    this.#uidlists = new UidlistCache(limits.uidlistCacheBytesMax);
    const mountOf = (path: RawPath) => mountAt(path, this.#brake);
    this.#locks = { ...this.#place, uidlists: this.#uidlists, clock, hostname, pid, reach, mountOf };
    const baselineOf = (row: MailboxRow): MailboxBaseline => this.#baselineOf(row);
    const isTree = isTreeOfUsers(this.#place);
    const isKnown = (path: string): boolean => isRawPath(path) && this.#rows.byPath(path) !== undefined;
    this.#tells = {
      isTree,
      isKnown,
      rowOf: (guid) => this.#rows.byGuid(guid),
      knownDirectoryOf: (row) => this.#memories.peek(row.guid)?.directory ?? directoryOf(row.fingerprint),
      directoryAt: (path) => directoryAt(this.#place, path),
      ownerAbove: (path) => ownerAbove(this.#place, path),
      hasFileOf: (row, path) => hasFileOf(this.#place, path, baselineOf(row)),
    };
    const origins = new OriginFinder({
      treeOf: isTree ? treesOf(isKnown) : oneTree,
      rows: () => this.#rows.all(),
      baselineOf,
      readUidlist: (path) => this.#readSibling(path),
    });
    this.#brake = openBrake(options.brake, {
      meta: (key) => reader.meta(key),
      total: () => this.#rows.messages,
      standing: (row, findings) => origins.standing(row, findings),
      mounts: { place: this.#place, table: ports.mounts, genuine: (standing) => genuineOf(standing, this.#tells) },
    });
    this.#back = new BroughtBack({
      ...{ place: this.#place, logId: () => reader.meta("log-id"), held: () => this.held, baselineOf },
    });
    this.#examiner = new Examiner({
      brake: this.#brake,
      place: this.#place,
      rows: this.#rows,
      memories: this.#memories,
      baselines: this.#baselines,
      limits,
      uidlists: this.#uidlists,
      clock,
      reach,
      origins,
      baselineOf,
      mountOf,
      isOnlyClaim: (row, path, directory) => this.#isOnlyClaim(row, path, directory),
      lookAround: () => this.#lookAround(),
      onSealed: (commit) => this.#takeOver(commit),
      refusal: (path, trace) => this.#refusal(path, trace),
    });
  }

  /** Throws: store-missing, store-unreadable. */
  discover(request: { readonly twice?: boolean; readonly directories?: boolean } = {}): DiscoverOutcome {
    const { directories, ...outcome } = this.#discover(request.twice ?? false);
    const answer = { ...outcome, ...heldBeside(outcome.mailboxes, this.#brake) };
    return request.directories === true && directories !== undefined ? { ...answer, directories } : answer;
  }

  #discover(twice: boolean): DiscoverOutcome {
    const first = this.#look();
    if (!twice) return first;
    const second = this.#look();
    const walks = { first: first.mailboxes, second: second.mailboxes, isTree: this.#tells.isTree };
    return { ...second, uncertain: uncertainAfter(walks, [...this.#rows.all()]) };
  }

  #look(): DiscoverOutcome {
    const nowMs = (): number => this.#ports.clock.nowMs();
    this.#brake?.mounts.wake();
    const found = discoverStore(this.#place, nowMs);
    const outcome = this.#brake?.mounts.sift(found, this.#rows.all(), nowMs()) ?? found;
    this.#evidence = evidenceIn(outcome);
    return { ...outcome, mailboxes: markClaims(outcome.mailboxes, this.#tells) };
  }

  warm({ paths }: { readonly paths: readonly RawPath[] }): void {
    for (const path of paths) {
      if (!this.#uidlists.hasRoom) return;
      try {
        // Any name: the first search builds the index.
        this.#readUidlist(path, WARM_BYTES_MIN)?.indexOfBase("");
      } catch (error) {
        if (error instanceof AssertionError) throw error; // whoever needs the mailbox hears of the rest.
      }
    }
  }

  /** Throws: store-missing, store-unreadable. */
  examine(request: ExamineRequest): ExamineOutcome<CaptureCommit> & Braked {
    return withBrake(this.#examiner.examine(request), this.#brake);
  }

  /** Throws: store-missing, store-unreadable. */
  vanished(request: Parameters<CaptureMethods["vanished"]>[0]): VanishedOutcome<CaptureCommit> & Braked {
    return withBrake(this.#vanished(request), this.#brake);
  }

  /** Call it after `discover`. It moves nothing. */
  takeNotes(): CaptureCommit | undefined {
    return notesOf(this.#brake);
  }

  approve(back?: readonly BackAgain[]): ReturnType<CaptureMethods<CaptureCommit>["approve"]> {
    return approveHeld(this.#brake, back);
  }

  broughtBack(): readonly BackAgain[] {
    return this.#back.find();
  }

  whyHeld({ guid, uids }: Parameters<CaptureMethods["whyHeld"]>[0]): HeldWhy | undefined {
    const row = this.#rows.byGuid(guid);
    return row === undefined ? undefined : this.#brake?.whyHeld(row, uids);
  }

  /** What the brake holds back, by the mailboxes' rows as they are now. */
  get held(): readonly HeldNow[] {
    return (this.#brake?.held ?? []).map(({ row, uids }) => ({ row: this.#rows.byGuid(row.guid) ?? row, uids }));
  }

  #vanished({ guid, ahead = 0, nowMs }: Parameters<CaptureMethods["vanished"]>[0]): VanishedOutcome<CaptureCommit> {
    const row = this.#rows.byGuid(guid);
    if (row === undefined) return { kind: "unknown" };
    try {
      const standing = guidAt(this.#place, row.path);
      if (standing === guid || this.#isCopy(row.path, standing)) return { kind: "present" };
    } catch (error) {
      if (isOfStore(error)) throw error;
      return { kind: "problem", problem: problemOf(row.path, error) };
    }
    if (mountAt(row.path, this.#brake) !== "well") return { kind: "present" }; // the next look at the store tells.
    if (this.#brake?.mayDelete(row, { ahead, nowMs }) === false) return { kind: "held" };
    const commit = new CommitBuilder();
    sealDeletion(commit, row, nowMs);
    this.#takeOver(commit);
    return { kind: "sealed", commit: commit.seal() };
  }

  number({ path }: { readonly path: RawPath }): NumberOutcome {
    return numberFiles(this.#locks, {
      path,
      countMax: this.#limits.numberedMax,
      isKnown: this.#rows.byPath(path) !== undefined,
      refusal: (trace) => this.#refusal(path, trace),
    });
  }

  renumber(request: RenumberRequest): RenumberOutcome {
    return renumberMessages(this.#locks, request);
  }

  raiseNextUid(request: RaiseRequest): RaiseOutcome {
    return raiseNextUid(this.#locks, request);
  }

  /** The transaction of the last outcome with a commit, if it had one alone. */
  get news(): Transaction | undefined {
    return this.#news;
  }

  /** The last commit came to nothing: what it told of its mailboxes is void, and the state database is read again. */
  forgetSealed(): void {
    for (const guid of this.#together) {
      this.#memories.drop(guid);
      this.#rows.remove(guid);
    }
    for (const guid of this.#together) {
      const row = this.#ports.reader.mailboxByGuid(guid);
      if (row !== undefined) this.#rows.put(row);
    }
    this.#together = [];
  }

  describe(request: { readonly guid: MailboxGuid; readonly path: RawPath }): DescribeOutcome {
    return describeMailbox(this.#place, request);
  }

  states({ guid, afterUid, max }: Parameters<CaptureMethods["states"]>[0]): StatesPage {
    assert(max > 0, "a page has at least one state");
    const row = this.#rows.byGuid(guid);
    return row === undefined ? { states: [] } : statesAfter(this.#baselineOf(row), afterUid, max);
  }

  [Symbol.dispose](): void {
    this.#memories[Symbol.dispose]();
    this.#ports.reader[Symbol.dispose]();
  }

  /** What was sealed counts from now on. */
  #takeOver(commit: CommitBuilder): void {
    this.#news = commit.only;
    const kept = new Set([...commit.rows].map(({ guid }) => guid));
    for (const { guid } of commit.removed) {
      this.#rows.remove(guid);
      if (!kept.has(guid)) this.#memories.drop(guid);
    }
    // All go before any comes: rows may change places.
    for (const { guid } of commit.rows) this.#rows.remove(guid);
    for (const row of commit.rows) this.#rows.put(row);
    this.#together = [...kept, ...commit.removed.map(({ guid }) => guid)];
  }

  #baselineOf(row: MailboxRow): MailboxBaseline {
    const known = this.#memories.peek(row.guid)?.baseline;
    return known?.row.id === row.id ? known : new MailboxBaseline(this.#baselines, row);
  }

  #refusal(path: RawPath, trace: string | undefined): MailtwinError | undefined {
    this.#evidence ??= evidenceIn(this.discover());
    return this.#evidence.refusal(path, trace);
  }

  /** The mailbox at that path is named like another one that stands where it is known to. */
  #isCopy(path: RawPath, guid: MailboxGuid | undefined): boolean {
    const original = guid === undefined ? undefined : this.#rows.byGuid(guid);
    return original !== undefined && original.path !== path && guidIfAny(this.#place, original.path) === guid;
  }

  #isOnlyClaim(row: MailboxRow, path: RawPath, directory: DirectoryMark): boolean {
    const known = this.#tells.knownDirectoryOf(row);
    if (known !== undefined && isSameDirectory(known, directory)) return false;
    const found = this.discover().mailboxes.find((mailbox) => mailbox.path === path);
    if (found?.guid === row.guid) return found.claims !== undefined;
    throw maildirError("mailbox-vanished", `examining the mailbox "${displayRaw(path)}": it is another one meanwhile`);
  }

  #lookAround(): Surroundings {
    const { mailboxes, problems } = this.discover();
    const pathByGuid = chooseHomes(mailboxes, { get: (guid) => this.#rows.byGuid(guid) });
    const unread = problems.map(({ path }) => path);
    const claims = mailboxes.flatMap(({ guid, path, claims, claimant }) =>
      guid === undefined || claims === undefined || claimant !== undefined ? [] : [[guid, path] as const],
    );
    const claimByGuid = new Map(claims);
    return { pathByGuid, claimByGuid, isEmptied: planStructure(mailboxes, [...this.#rows.all()], unread).emptied };
  }

  /** Undefined for one that cannot be read: another mailbox is being examined, and is not to suffer for it. */
  #readSibling(path: RawPath): Uidlist | undefined {
    try {
      return this.#readUidlist(path);
    } catch (error) {
      if (isOfStore(error)) throw error;
      problemOf(path, error); // whoever examines that mailbox hears of it, but for a defect.
      return undefined;
    }
  }

  /** Undefined also when the file is smaller than `bytesMin`. */
  #readUidlist(path: RawPath, bytesMin = 0): Uidlist | undefined {
    const mailbox = openStoreDir(this.#place, path);
    if (mailbox === undefined) return undefined;
    try {
      if (bytesMin > 0 && (mailbox.stat(UIDLIST_FILE)?.size ?? 0) < bytesMin) return undefined;
      const read = this.#uidlists.read(path, mailbox);
      return "uidlist" in read ? read.uidlist : undefined;
    } finally {
      mailbox.close();
    }
  }
}
