/**
 * The end of an examination: what can be sealed is sealed, and what stays open is said.
 *
 * INVARIANT: a fingerprint is stored only with a baseline that covers everything that the listing behind it saw.
 */
import type { FileStat } from "../base/disk.js";
import type { RawPath } from "../base/raw-name.js";
import type { CaptureCommit, MailboxRow } from "../log/state-types.js";
import type { Uidlist } from "../maildir/uidlist.js";
import type { Structure } from "../txn/transaction.js";
import type { CaptureLimits, ExamineOutcome, ExamineRequest, Waiting } from "./capture-types.js";
import { CommitBuilder } from "./commit-builder.js";
import type { Subject } from "./examine-subject.js";
import type { Comparison } from "./finding.js";
import { hasKeywordsOf } from "./fingerprint-text.js";
import type { ListingCursor } from "./listing-cursor.js";
import {
  readCreation,
  readRename,
  sealInside,
  sealVacating,
  structureTransaction,
  type VacateSources,
} from "./mailbox-structure.js";
import type { MailboxDirs } from "./open-mailbox.js";
import type { OriginFinder } from "./origin.js";
import { type SealResult, sealFindings } from "./seal.js";
import { type MarkedFinding, type SettledFindings, settleFindings } from "./settle-findings.js";

const LOCK_RECHECK_MS = 3;
const IGNORED_NAMED_MAX = 5;

export interface OutcomeSources extends VacateSources {
  readonly limits: CaptureLimits;
  readonly origins: OriginFinder;
  /** Takes over what was sealed. */
  readonly onSealed: (commit: CommitBuilder) => void;
}

/** All that an examination found out. */
export interface Examined {
  readonly request: ExamineRequest;
  readonly dirs: MailboxDirs;
  readonly subject: Subject;
  readonly uidlist: Uidlist;
  /** Records above this UID came too late to be looked at. */
  readonly lastUid: number;
  readonly comparison: Comparison;
  /** Set when a listing was compared. */
  readonly cursor: ListingCursor | undefined;
  readonly listed: Waiting["listed"];
  readonly recheckInMs: number | undefined;
}

interface SealedStructure {
  /** What the first transaction carries. */
  readonly structure: Structure | undefined;
  /** Where the log had a mailbox that moved. */
  readonly from?: RawPath;
}

export class OutcomeMaker {
  readonly #sources: OutcomeSources;

  constructor(sources: OutcomeSources) {
    this.#sources = sources;
  }

  make(examined: Examined): ExamineOutcome<CaptureCommit> {
    const { request, subject, uidlist, cursor, comparison } = examined;
    const { memory, row, isReset } = subject;
    const settled = this.#braked(examined, settleFindings(comparison, uidlist, this.#letterNames(examined)));
    const unseenFrom = examined.lastUid < uidlist.lastUid ? examined.lastUid + 1 : uidlist.nextUid;
    const uidNext = Math.max(Math.min(settled.openFrom ?? unseenFrom, unseenFrom), memory.baseline.row.uidNext);
    this.#settleCursor(examined, settled);
    const commit = new CommitBuilder();
    const { structure, from } = this.#sealStructure(commit, examined);
    const result = sealFindings(commit, {
      baseline: memory.baseline,
      path: request.path,
      header: uidlist.header,
      findings: settled.findings,
      uidNext,
      structure,
      directory: directoryOf(examined),
      fingerprint: this.#fingerprint(examined, settled),
      findOrigin: this.#originSearch(examined),
      nowMs: request.nowMs,
    });
    if (from !== undefined) sealInside(commit, { from, to: request.path }, this.#sources, request.nowMs);
    const waiting = waitingOf(examined, settled, uidNext);
    if (commit.isEmpty) return { kind: "unchanged", ...waiting };
    const hasNews = commit.transactions > 0;
    for (const { before, now } of settled.findings) {
      if (before === undefined || now !== undefined) continue;
      memory.orphanUidByBase.delete(before.base);
      cursor?.moved.delete(before.base);
    }
    this.#sources.origins.noteExpunged({ guid: subject.guid, path: request.path }, result.expunged, request.nowMs);
    this.#sources.onSealed(commit);
    if (!hasNews) return { kind: "unchanged", ...waiting, commit: commit.seal() };
    const visible = row === undefined || isReset ? {} : visibleSince(result);
    return {
      kind: "sealed",
      ...waiting,
      commit: commit.seal(),
      saves: result.saves.length,
      changes: result.changes,
      ...visible,
    };
  }

  /** Without the deletions that are held back: what the log has of them stays. */
  #braked({ request, subject, uidlist, comparison, cursor }: Examined, settled: SettledFindings): SettledFindings {
    const { brake } = this.#sources;
    if (brake === undefined) return settled;
    const row: MailboxRow = { ...subject.memory.baseline.row, path: request.path };
    const isRenumbered = ({ uid, before }: MarkedFinding): boolean => {
      const index = before === undefined ? -1 : uidlist.indexOfBase(before.base);
      return index >= 0 && uidlist.uidAt(index) !== uid;
    };
    const pass = cursor?.deletions;
    const findings = brake.sift({ row, findings: settled.findings, isRenumbered, pass, nowMs: request.nowMs });
    const hasEnded = !comparison.more && !comparison.needListing && settled.heldFrom === undefined;
    if (pass !== undefined && hasEnded) brake.endPass(row, pass);
    return { ...settled, findings };
  }

  /** Looks at the lock and the keywords when the first letters are asked for. */
  #letterNames({ request, dirs, subject }: Examined): (letters: number) => readonly string[] | undefined {
    const { memory, row } = subject;
    let state: "unknown" | "held" | "readable" = "unknown";
    return (letters) => {
      if (state === "unknown") {
        const isHeld = memory.letters.isHeldBack(dirs.mailbox, request.nowMs, this.#sources.limits.lettersWaitMsMax);
        state = isHeld ? "held" : "readable";
        const isTrusted = (file: { readonly mtimeMs: number }): boolean =>
          memory.baseline.row.messages === 0 || hasKeywordsOf(row?.fingerprint ?? "", file.mtimeMs, dirs.mailbox);
        if (!isHeld && memory.letters.refresh(dirs.mailbox, isTrusted)) memory.namesChanged = true;
      }
      return state === "held" ? undefined : memory.letters.namesOf(letters).names;
    };
  }

  #settleCursor({ subject, comparison, cursor }: Examined, { heldFrom }: SettledFindings): void {
    if (cursor === undefined) return;
    const { memory } = subject;
    if (heldFrom !== undefined) cursor.rewindTo(heldFrom);
    else if (!comparison.more) {
      memory.cursor = undefined;
      memory.absent = cursor.absent;
      if (!cursor.isDoubtful && cursor.parts.namesChanged) memory.namesChanged = false;
    }
  }

  #sealStructure(commit: CommitBuilder, { request, dirs, subject }: Examined): SealedStructure {
    const { path, nowMs } = request;
    const { guid, row, isReset } = subject;
    if (row?.path !== path) sealVacating(commit, path, guid, this.#sources, nowMs);
    if (row === undefined) return { structure: readCreation(this.#sources.place, path, dirs) };
    const from = commit.pathOf(row) ?? row.path; // what made room for it may have carried it along.
    const moved = from === path ? undefined : { from, structure: readRename(this.#sources.place, path, { from }) };
    if (!isReset) return moved ?? { structure: undefined };
    if (moved !== undefined) commit.log(structureTransaction({ ...row, path }, moved.structure, nowMs));
    commit.removeMailbox(row);
    return { ...moved, structure: { kind: "reset", before: row.uidValidity } };
  }

  #fingerprint({ subject, comparison, cursor, uidlist, lastUid }: Examined, settled: SettledFindings): string {
    const { memory } = subject;
    const stored = memory.baseline.row.fingerprint;
    const isWhole =
      cursor !== undefined &&
      cursor.parts.facts.ignored.length + cursor.notFiles.size === 0 && // named again by each run, as long as they are there.
      !comparison.more &&
      !comparison.needListing &&
      settled.openFrom === undefined &&
      settled.heldFrom === undefined &&
      settled.late.length === 0 &&
      this.#sources.brake?.holds(subject) !== true && // a restart has to find it again.
      memory.unnumbered.count === 0 &&
      !memory.namesChanged &&
      uidlist.endsWithNewline &&
      lastUid === uidlist.lastUid;
    return isWhole && cursor.parts.fingerprint !== "" ? cursor.parts.fingerprint : stored;
  }

  #originSearch({ subject, uidlist, request }: Examined): ReturnType<OriginFinder["begin"]> {
    const { memory } = subject;
    const own: MailboxRow = { ...memory.baseline.row, path: request.path };
    return this.#sources.origins.begin({
      own,
      ownUidlist: uidlist,
      ownBaseline: memory.baseline,
      nowMs: request.nowMs,
    });
  }
}

function directoryOf({ dirs }: Examined): FileStat {
  return dirs.mailbox.statSelf();
}

function waitingOf(examined: Examined, settled: SettledFindings, uidNext: number): Waiting {
  const { subject, uidlist, comparison, cursor, listed } = examined;
  const { memory } = subject;
  const { count, oldestSeenMs } = memory.unnumbered;
  const recheckInMs = settled.heldFrom === undefined ? examined.recheckInMs : LOCK_RECHECK_MS;
  const ignored = cursor?.parts.facts.ignored ?? [];
  const notFiles = [...(cursor?.notFiles ?? [])];
  const hasDone = cursor === undefined || !comparison.more;
  return {
    pending: uidlist.count - uidlist.firstIndexFrom(uidNext),
    unnumbered: { count, oldestSeenMs },
    needListing: comparison.needListing || (hasDone && memory.namesChanged && settled.heldFrom === undefined),
    ...(listed === undefined ? {} : { listed }),
    ...(recheckInMs === undefined ? {} : { recheckInMs }),
    more: comparison.more && settled.heldFrom === undefined,
    grown: examined.lastUid < uidlist.lastUid,
    late: settled.late,
    ...(ignored.length === 0 ? {} : { ignored: ignored.slice(0, IGNORED_NAMED_MAX) }),
    ...(notFiles.length === 0 ? {} : { notFiles: notFiles.slice(0, IGNORED_NAMED_MAX) }),
  };
}

function visibleSince({ saves }: SealResult): { readonly visibleMs?: number } {
  if (saves.length === 0) return {};
  return {
    visibleMs: saves.reduce((oldestMs, { stat }) => Math.min(oldestMs, stat.ctimeMs), Number.POSITIVE_INFINITY),
  };
}
