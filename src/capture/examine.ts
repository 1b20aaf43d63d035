/**
 * One examination of one mailbox: read, compare, settle, seal.
 *
 * INVARIANT: what is sealed was read while the uidlist was one and the same file: if it was rewritten meanwhile, all is read
 * again, and after some rounds nothing is sealed and the caller comes back.
 */
import type { Clock } from "../base/clock.js";
import type { CrashPoint } from "../base/crash-points.js";
import { errnoOf, MailtwinError } from "../base/errors.js";
import { displayRaw } from "../base/raw-name.js";
import { listMessages } from "../maildir/listing.js";
import type { CaptureLimits, ExamineOutcome, ExamineRequest, Waiting } from "./capture-types.js";
import { type CompareContext, groupHints } from "./compare-context.js";
import { captureError, problemOf } from "./errors.js";
import { findSubject, noteOrphans, type Subject, type SubjectSources } from "./examine-subject.js";
import { baseOfName } from "./find-files.js";
import type { Comparison } from "./finding.js";
import { changedSince, hasKeywordsMtime, readFingerprintText, uidlistInoOf } from "./fingerprint-text.js";
import { compareListed } from "./full-compare.js";
import { compareByHints, compareHintedNames, compareNewRecords } from "./hint-compare.js";
import { ListingCursor } from "./listing-cursor.js";
import { closeMailbox, type MailboxDirs, openMailbox } from "./open-mailbox.js";
import { type Examined, OutcomeMaker, type OutcomeSources } from "./outcome.js";
import { listSettled } from "./settled-listing.js";
import type { UidlistCache } from "./uidlist-cache.js";
import { uidlistOf } from "./under-lock.js";

const ATTEMPTS_MAX = 3;
/** A listing is worked off within this time, or made again. */
const CURSOR_MS_MAX = 60_000;
const REWRITTEN_RECHECK_MS = 5;
const SUCCESSOR_RECHECK_MS = 10;

export interface ExamineSources extends SubjectSources, OutcomeSources {
  readonly uidlists: UidlistCache;
  readonly clock: Clock;
  readonly reach: CrashPoint;
  readonly limits: CaptureLimits;
}

interface Looked {
  readonly comparison: Comparison;
  readonly cursor: ListingCursor | undefined;
  readonly listed: Waiting["listed"];
  readonly recheckInMs: number | undefined;
}

export class Examiner {
  readonly #sources: ExamineSources;
  readonly #outcomes: OutcomeMaker;

  constructor(sources: ExamineSources) {
    this.#sources = sources;
    this.#outcomes = new OutcomeMaker(sources);
  }

  /** Failures of the mailbox are outcomes. Throws: store-missing, and what is no operating failure. */
  examine(request: ExamineRequest): ExamineOutcome {
    const { path } = request;
    let dirs: MailboxDirs | undefined;
    try {
      dirs = openMailbox(this.#sources.place, path);
      return dirs === undefined ? { kind: "absent" } : this.#examineOpen(request, dirs);
    } catch (error) {
      if (error instanceof MailtwinError && error.code === "store-missing") throw error;
      const vanished =
        (error instanceof MailtwinError && error.code === "mailbox-vanished") || errnoOf(error) === "ENOENT";
      return vanished ? { kind: "absent" } : { kind: "problem", problem: problemOf(path, error) };
    } finally {
      if (dirs !== undefined) closeMailbox(dirs);
    }
  }

  #examineOpen(request: ExamineRequest, dirs: MailboxDirs): ExamineOutcome {
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
      const subject = findSubject(this.#sources, request, uidlist, guid);
      const ino = "stat" in read ? read.stat.ino : undefined;
      const looked = this.#look({ request, dirs, subject, uidlist, ino });
      const after = looked === undefined ? undefined : uidlists.read(path, dirs.mailbox);
      if (looked === undefined || after === undefined || !("uidlist" in after) || after.uidlist !== uidlist) {
        subject.memory.cursor = undefined;
        continue;
      }
      if (after.kind === "grown" && looked.cursor === undefined && attempt < ATTEMPTS_MAX) continue;
      this.#sources.reach("capture.examined");
      return this.#outcomes.make({ request, dirs, subject, uidlist, ...looked });
    }
    return { kind: "unchanged", ...NOTHING_OPEN, recheckInMs: REWRITTEN_RECHECK_MS };
  }

  /** Undefined when the uidlist was rewritten meanwhile. */
  #look(
    part: Pick<Examined, "request" | "dirs" | "subject" | "uidlist"> & { readonly ino: number | undefined },
  ): Looked | undefined {
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
    if (isFull || orphansKnown) uidlists.setCompared(request.path, uidlist);
    if (isFull || this.#usableCursor(context) !== undefined) return this.#lookAtAll(context, request, subject);
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

  #lookAtAll(context: CompareContext, request: ExamineRequest, subject: Subject): Looked | undefined {
    const { memory } = subject;
    const kept = this.#usableCursor(context);
    const fresh = kept === undefined ? this.#list(context, request, subject) : undefined;
    const cursor = kept ?? fresh?.cursor;
    if (cursor === undefined) return undefined;
    memory.cursor = cursor;
    // Names that changed after a kept listing: its chunks may be behind already.
    const hinted = kept === undefined ? undefined : compareHintedNames(context, context.findingsMax / 2);
    const room = context.findingsMax - (hinted?.findings.length ?? 0);
    const listed = compareListed({ ...context, findingsMax: room }, cursor);
    const comparison = mergeComparisons(hinted, this.#followUp(context, cursor, listed));
    const { believable, listing } = cursor.parts;
    // What happened since a kept listing is only known as far as events told of it.
    const isOutdated = kept !== undefined && !comparison.more && (!believable || changedSince(context.dirs, listing));
    const needListing = comparison.needListing || isOutdated;
    return { comparison: { ...comparison, needListing }, cursor, listed: fresh?.listed, recheckInMs: undefined };
  }

  #usableCursor({ uidlist, memory, dirs, nowMs }: CompareContext): ListingCursor | undefined {
    const { cursor } = memory;
    if (cursor === undefined || cursor.isDoubtful) return undefined;
    const { parts } = cursor;
    const isFresh = Math.abs(nowMs - parts.atMs) <= CURSOR_MS_MAX;
    return isFresh && parts.uidlist === uidlist && parts.dirIno === dirs.mailbox.ino ? cursor : undefined;
  }

  /** Undefined when the uidlist was rewritten meanwhile. */
  #list(context: CompareContext, request: ExamineRequest, subject: Subject) {
    const { clock, uidlists } = this.#sources;
    const { dirs, uidlist, memory, baseline, nowMs } = context;
    const { mailbox } = dirs;
    const startMs = clock.monotonicMs();
    const fingerprint = readFingerprintText(mailbox, () => clock.nowMs());
    const trusted = subject.row?.fingerprint ?? "";
    const isFresh = baseline.row.messages === 0;
    const changed = memory.letters.refresh(mailbox, (file) => isFresh || hasKeywordsMtime(trusted, file.mtimeMs));
    memory.namesChanged ||= changed;
    const { lastUid } = uidlist;
    const { listing, believable } = listSettled(dirs, uidlist.count, () => clock.nowMs());
    const again = uidlists.read(request.path, mailbox);
    if (!("uidlist" in again) || again.uidlist !== uidlist) return undefined;
    const { namesChanged } = memory;
    const looks = baseline.looks();
    const cursor = new ListingCursor({
      listing,
      believable,
      uidlist,
      lastUid,
      looks,
      namesChanged,
      fingerprint,
      atMs: nowMs,
      dirIno: mailbox.ino,
    });
    memory.unnumbered.replace(cursor.unnumbered, nowMs);
    memory.missedOnce.clear();
    memory.orphanUidByBase.clear(); // found again, as far as they still are.
    return { cursor, listed: { entries: cursor.entries, ms: clock.monotonicMs() - startMs } };
  }

  /** Records that are younger than the listing are looked for by name, once everything below them is known. */
  #followUp(context: CompareContext, cursor: ListingCursor, listed: Comparison): Comparison {
    const { openFrom } = listed;
    const isYounger = openFrom !== undefined && openFrom > cursor.parts.lastUid;
    if (listed.more || !isYounger || cursor.isDoubtful) return listed;
    const findingsMax = context.findingsMax - listed.findings.length;
    return mergeComparisons(
      { ...listed, openFrom: undefined },
      compareNewRecords({ ...context, findingsMax }, openFrom),
    );
  }

  /** A mailbox that Dovecot has not given an identity yet: its files wait for their numbers. */
  #examineNameless({ path, nowMs }: ExamineRequest, dirs: MailboxDirs, hasUidlist: boolean): ExamineOutcome {
    const { memories, limits, rows } = this.#sources;
    const { names, inNew } = listMessages(dirs.mailbox);
    if (names.length > 0 && !hasUidlist && rows.byPath(path) !== undefined) {
      throw captureError("uidlist-lost", `examining the mailbox "${displayRaw(path)}": its dovecot-uidlist is gone`);
    }
    const unnumbered = memories.unnumberedAt(path, limits.namesMax);
    const places = names.map(
      (name, index) => [baseOfName(name), { dir: index < inNew ? "new" : "cur", name }] as const,
    );
    unnumbered.replace(places, nowMs);
    return {
      kind: "unchanged",
      ...NOTHING_OPEN,
      unnumbered: { count: unnumbered.count, oldestSeenMs: unnumbered.oldestSeenMs },
    };
  }
}

const NOTHING_OPEN: Waiting = {
  pending: 0,
  unnumbered: { count: 0, oldestSeenMs: 0 },
  needListing: false,
  more: false,
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

function lowest(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return Math.min(a, b);
}
