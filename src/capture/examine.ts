/**
 * One examination of one mailbox: read, compare, settle, seal.
 *
 * INVARIANT: what is sealed was read while the uidlist was one and the same file: if it was rewritten meanwhile, all is read
 * again, and after some rounds nothing is sealed and the caller comes back.
 */

import type { Clock } from "../base/clock.js";
import type { CrashPoint } from "../base/crash-points.js";
import { displayRaw } from "../base/raw-name.js";
import type { CaptureCommit } from "../log/state-types.js";
import { listMessages } from "../maildir/listing.js";
import { splitBaseName } from "../maildir/message-name.js";
import { markOf } from "../maildir/whose-tree.js";
import type { CaptureLimits, ExamineOutcome, ExamineRequest, Waiting } from "./capture-types.js";
import { type CompareContext, groupHints } from "./compare-context.js";
import { captureError, problemOf } from "./errors.js";
import { findSubject, noteOrphans, type Subject, type SubjectSources } from "./examine-subject.js";
import type { Comparison } from "./finding.js";
import { changedSince, hasKeywordsOf, readFingerprintText, uidlistInoOf } from "./fingerprint-text.js";
import { compareListed } from "./full-compare.js";
import { compareByHints, compareHintedNames, compareNewRecords } from "./hint-compare.js";
import type { InnerMounts } from "./inner-mounts.js";
import { ListingCursor } from "./listing-cursor.js";
import { type FinishedListing, ListingRun } from "./listing-run.js";
import { closeMailbox, hasVanished, isOfStore, type MailboxDirs, openMailbox } from "./open-mailbox.js";
import { type Examined, OutcomeMaker, type OutcomeSources } from "./outcome.js";
import type { UidlistCache } from "./uidlist-cache.js";
import { uidlistOf } from "./under-lock.js";
import { findTrace, type StoreEvidence } from "./whose-numbers.js";

const ATTEMPTS_MAX = 3;
/** A listing is worked off within this time, or made again. */
const CURSOR_MS_MAX = 60_000;
/** Mail that hints have named shall not wait for a whole slice, only for this part of one. */
const HINTED_SLICE = 0.25;
/** A mailbox whose uidlist is rewritten again and again during its listing is listed in one go. */
const RUNS_LOST_MAX = 2;
const REWRITTEN_RECHECK_MS = 5;
const SUCCESSOR_RECHECK_MS = 10;

export interface ExamineSources extends SubjectSources, OutcomeSources {
  readonly uidlists: UidlistCache;
  readonly clock: Clock;
  readonly reach: CrashPoint;
  readonly limits: CaptureLimits;
  readonly mountOf: InnerMounts["standingOf"];
  /** What `StoreEvidence` says of a mailbox without a uidlist. */
  readonly refusal: StoreEvidence["refusal"];
}

interface Looked {
  readonly comparison: Comparison;
  readonly cursor: ListingCursor | undefined;
  readonly listed: Waiting["listed"];
  readonly recheckInMs: number | undefined;
}

/** A listing that ended in this call. */
interface Listed {
  readonly cursor: ListingCursor;
  readonly listed: Waiting["listed"];
  readonly run: ListingRun;
}

export class Examiner {
  readonly #sources: ExamineSources;
  readonly #outcomes: OutcomeMaker;

  constructor(sources: ExamineSources) {
    this.#sources = sources;
    this.#outcomes = new OutcomeMaker(sources);
  }

  /** Failures of the mailbox are outcomes. Throws: store-missing, store-unreadable, and what is no operating failure. */
  examine(request: ExamineRequest): ExamineOutcome<CaptureCommit> {
    const { path } = request;
    let dirs: MailboxDirs | undefined;
    try {
      dirs = openMailbox(this.#sources.place, path);
      const mount = this.#sources.mountOf(path);
      if (mount === "lost") return { kind: "unchanged", ...NOTHING_OPEN }; // a problem of its mount point.
      if (mount === "doubtful") return { kind: "absent" };
      return dirs === undefined ? { kind: "absent" } : this.#examineOpen(request, dirs);
    } catch (error) {
      this.#sources.brake?.takeBack();
      if (isOfStore(error)) throw error;
      return hasVanished(error) ? { kind: "absent" } : { kind: "problem", problem: problemOf(path, error) };
    } finally {
      if (dirs !== undefined) closeMailbox(dirs);
    }
  }

  #examineOpen(request: ExamineRequest, dirs: MailboxDirs): ExamineOutcome<CaptureCommit> {
    const { uidlists, memories } = this.#sources;
    const { path } = request;
    uidlists.pin(path);
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
      const read = uidlists.read(path, dirs.mailbox);
      const uidlist = uidlistOf(path, read);
      const guid = uidlist?.header.guid;
      if (uidlist === undefined || guid === undefined)
        return this.#examineNameless(request, dirs, uidlist !== undefined);
      if (request.guid !== undefined && request.guid !== guid) return { kind: "absent" };
      memories.dropUnnumberedAt(path);
      const subject = findSubject(this.#sources, request, {
        ...{ uidlist, guid },
        directory: markOf(dirs.mailbox.statSelf()),
      });
      const ino = "stat" in read ? read.stat.ino : undefined;
      const looked = this.#look({ request, dirs, subject, uidlist, ino });
      if (looked === "listing") return { kind: "unchanged", ...NOTHING_OPEN, more: true };
      const lastUid = uidlist.lastUid; // what comes after was not looked at.
      const after = looked === undefined ? undefined : uidlists.read(path, dirs.mailbox);
      if (looked === undefined || after === undefined || !("uidlist" in after) || after.uidlist !== uidlist) {
        subject.memory.cursor = undefined;
        continue;
      }
      if (after.kind === "grown" && looked.cursor === undefined && attempt < ATTEMPTS_MAX) continue;
      this.#sources.reach("capture.examined");
      return this.#outcomes.make({ request, dirs, subject, uidlist, lastUid, ...looked });
    }
    return { kind: "unchanged", ...NOTHING_OPEN, recheckInMs: REWRITTEN_RECHECK_MS };
  }

  /** Undefined when the uidlist was rewritten meanwhile; "listing": nothing can be said before the listing has ended. */
  #look(
    part: Pick<Examined, "request" | "dirs" | "subject" | "uidlist"> & { readonly ino: number | undefined },
  ): Looked | "listing" | undefined {
    const { request, dirs, subject, uidlist, ino } = part;
    const { memory, row, isReset } = subject;
    const { baseline } = memory;
    const { limits, uidlists } = this.#sources;
    const uidNext = baseline.row.uidNext;
    const context: CompareContext = {
      dirs,
      uidlist,
      memory,
      baseline,
      uidNext,
      hinted: groupHints(request.hints.names),
      nowMs: request.nowMs,
      findingsMax: limits.changesMax,
    };
    const isSameFile = row !== undefined && ino !== undefined && uidlistInoOf(row.fingerprint) === ino;
    const old = uidlists.compared(request.path);
    const orphansKnown = noteOrphans(memory, uidlist, { old, isSameFile, orphansMax: limits.namesMax });
    const isFull = request.full || row === undefined || isReset;
    if (orphansKnown) uidlists.setCompared(request.path, uidlist);
    const kept = this.#usableCursor(context);
    const listed = kept === undefined && isFull ? this.#listOn(context, request, subject) : "unfinished";
    if (listed === undefined) return undefined;
    if (kept !== undefined || listed !== "unfinished") uidlists.setCompared(request.path, uidlist);
    if (kept !== undefined) return this.#lookAtAll(context, kept, true);
    if (listed !== "unfinished") return this.#lookAtListed(context, listed);
    if (row === undefined || isReset) return "listing";
    const looked = this.#lookByHints(context, orphansKnown);
    return isFull ? whileListing(looked, memory.run) : looked;
  }

  #lookByHints(context: CompareContext, orphansKnown: boolean): Looked {
    const { uidlist, memory, uidNext } = context;
    const open = { cursor: undefined, listed: undefined };
    const hadCursor = memory.cursor !== undefined;
    memory.cursor = undefined; // too old to go on with.
    if (hadCursor || !orphansKnown) {
      const hinted = compareHintedNames(context, context.findingsMax);
      const openFrom = uidlist.lastUid >= uidNext ? uidNext : undefined;
      return { ...open, comparison: { ...hinted, openFrom, needListing: true }, recheckInMs: undefined };
    }
    const comparison = compareByHints(context);
    return { ...open, comparison, recheckInMs: comparison.recheck ? SUCCESSOR_RECHECK_MS : undefined };
  }

  /** The listing has just ended. */
  #lookAtListed(context: CompareContext, { cursor, listed, run }: Listed): Looked {
    const { comparison, ...looked } = this.#lookAtAll(context, cursor, run.slices > 1);
    const needListing = comparison.needListing || run.isDoubted;
    return { ...looked, comparison: { ...comparison, needListing }, listed };
  }

  /** `isBehind`: names may have changed after the listing passed them, and be hinted now. */
  #lookAtAll(context: CompareContext, cursor: ListingCursor, isBehind: boolean): Looked {
    const { memory } = context;
    const isKept = memory.cursor === cursor;
    memory.cursor = cursor;
    const hinted = isBehind ? compareHintedNames(context, context.findingsMax / 2) : undefined;
    const room = context.findingsMax - (hinted?.findings.length ?? 0);
    const found = compareListed({ ...context, findingsMax: room }, cursor);
    const comparison = mergeComparisons(hinted, this.#followUp(context, cursor, found));
    const { believable, facts } = cursor.parts;
    // What happened since a kept listing is only known as far as events told of it.
    const isOutdated = isKept && !comparison.more && (!believable || changedSince(context.dirs, facts));
    const needListing = comparison.needListing || isOutdated;
    return { comparison: { ...comparison, needListing }, cursor, listed: undefined, recheckInMs: undefined };
  }

  #usableCursor({ uidlist, memory, dirs, nowMs }: CompareContext): ListingCursor | undefined {
    const { cursor } = memory;
    if (cursor === undefined || cursor.isDoubtful) return undefined;
    const { parts } = cursor;
    const isFresh = Math.abs(nowMs - parts.atMs) <= CURSOR_MS_MAX;
    return isFresh && parts.census.uidlist === uidlist && parts.dirIno === dirs.mailbox.ino ? cursor : undefined;
  }

  /** Begins a listing or goes on with it, for one slice. Undefined when the uidlist was rewritten meanwhile. */
  #listOn(context: CompareContext, request: ExamineRequest, subject: Subject): Listed | "unfinished" | undefined {
    const { memory, uidlist, dirs } = context;
    const isLost = memory.run !== undefined && !isOf(memory.run, context);
    if (isLost) memory.runsLost += 1;
    if (isLost) memory.dropRun();
    memory.run ??= this.#beginRun(context, subject);
    const { run } = memory;
    const { names, uidlist: isHinted } = request.hints;
    const { listingSliceMs } = this.#sources.limits;
    const sliceMs = isHinted || names.length > 0 ? listingSliceMs * HINTED_SLICE : listingSliceMs;
    try {
      const finished = run.listOn(memory.runsLost > RUNS_LOST_MAX ? Number.POSITIVE_INFINITY : sliceMs);
      if (finished === undefined) return "unfinished";
      const again = this.#sources.uidlists.read(request.path, dirs.mailbox);
      memory.dropRun();
      if (!("uidlist" in again) || again.uidlist !== uidlist) {
        memory.runsLost += 1;
        return undefined;
      }
      memory.runsLost = 0;
      return this.#endRun(context, run, finished);
    } catch (error) {
      memory.dropRun();
      throw error;
    }
  }

  #beginRun({ dirs, uidlist, memory, baseline, nowMs }: CompareContext, subject: Subject): ListingRun {
    const { clock } = this.#sources;
    const fingerprint = readFingerprintText(dirs.mailbox, () => clock.nowMs());
    const trusted = subject.row?.fingerprint ?? "";
    const isFresh = baseline.row.messages === 0;
    const changed = memory.letters.refresh(dirs.mailbox, ({ mtimeMs }) => {
      return isFresh || hasKeywordsOf(trusted, mtimeMs, dirs.mailbox);
    });
    memory.namesChanged ||= changed;
    return new ListingRun(dirs, { uidlist, fingerprint, nowMs }, clock);
  }

  #endRun({ memory, baseline, nowMs }: CompareContext, run: ListingRun, finished: FinishedListing): Listed {
    const { dirIno, fingerprint, begunMs, spentMs } = run;
    const { namesChanged } = memory;
    const before = { looks: baseline.looks(), lackedBefore: memory.absent.size };
    const cursor = new ListingCursor({ ...finished, ...before, namesChanged, fingerprint, atMs: nowMs, dirIno });
    memory.unnumbered.replace(finished.census.unnumbered, nowMs, begunMs);
    memory.missedOnce.clear();
    memory.orphanUidByBase.clear(); // found again, as far as they still are.
    return { cursor, listed: { entries: finished.census.entries, ms: spentMs }, run };
  }

  /** Records that are younger than the listing are looked for by name, once everything below them is known. */
  #followUp(context: CompareContext, cursor: ListingCursor, listed: Comparison): Comparison {
    const { openFrom } = listed;
    const isYounger = openFrom !== undefined && openFrom > cursor.lastUid;
    if (listed.more || !isYounger || cursor.isDoubtful) return listed;
    const findingsMax = context.findingsMax - listed.findings.length;
    return mergeComparisons(
      { ...listed, openFrom: undefined },
      compareNewRecords({ ...context, findingsMax }, openFrom),
    );
  }

  /** A mailbox that Dovecot has not given an identity yet: its files wait for their numbers. */
  #examineNameless(
    { path, nowMs }: ExamineRequest,
    dirs: MailboxDirs,
    hasUidlist: boolean,
  ): ExamineOutcome<CaptureCommit> {
    const { memories, limits, rows } = this.#sources;
    const { names, inNew } = listMessages(dirs.mailbox);
    if (names.length > 0 && !hasUidlist && rows.byPath(path) !== undefined) {
      throw captureError("uidlist-lost", `examining the mailbox "${displayRaw(path)}": its dovecot-uidlist is gone`);
    }
    const unnumbered = memories.unnumberedAt(path, limits.namesMax);
    const places = names.map(
      (name, index) => [splitBaseName(name), { dir: index < inNew ? "new" : "cur", name }] as const,
    );
    unnumbered.replace(places, nowMs);
    const { count, oldestSeenMs } = unnumbered;
    const refusal = hasUidlist || count === 0 ? undefined : this.#sources.refusal(path, findTrace(dirs.mailbox));
    const refused = refusal === undefined ? {} : { refused: problemOf(path, refusal) };
    return { kind: "unchanged", ...NOTHING_OPEN, unnumbered: { count, oldestSeenMs, ...refused } };
  }
}

const NOTHING_OPEN: Waiting = {
  pending: 0,
  unnumbered: { count: 0, oldestSeenMs: 0 },
  needListing: false,
  more: false,
  grown: false,
  late: [],
};

/** Findings of one UID come from the first that has them. */
function mergeComparisons(first: Comparison | undefined, second: Comparison): Comparison {
  if (first === undefined) return second;
  const taken = new Set<number>(first.findings.map(({ uid }) => uid));
  const findings = [...first.findings, ...second.findings.filter(({ uid }) => !taken.has(uid))];
  return {
    findings: findings.sort((a, b) => a.uid - b.uid),
    openFrom: lowest(first.openFrom, second.openFrom),
    needListing: first.needListing || second.needListing,
    late: [...first.late, ...second.late],
    more: first.more || second.more,
  };
}

/** There is more to come. What the hints leave open, the listing may have passed: then another one has to tell. */
function whileListing(looked: Looked, run: ListingRun | undefined): Looked {
  const { comparison } = looked;
  if (run !== undefined) run.isDoubted ||= comparison.needListing;
  return { ...looked, comparison: { ...comparison, needListing: false, more: true } };
}

function isOf(run: ListingRun, { uidlist, dirs }: CompareContext): boolean {
  return run.census.uidlist === uidlist && run.dirIno === dirs.mailbox.ino;
}

function lowest(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return Math.min(a, b);
}
