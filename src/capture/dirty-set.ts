/**
 * What the watchers have said so far, per mailbox: suspects only. Nothing is read here and no order is trusted.
 *
 * INVARIANT: a mark is never lost: too many names become "list the whole mailbox", and a taken mark that could not be
 * worked off is put back with `restore`.
 */
import type { RawPath } from "../base/raw-name.js";
import type { HintedName } from "./capture-types.js";

/** Why a whole listing is due. `confirm`: an expunge is suspected; `quiet`: to be able to trust the fingerprint again. */
export type FullReason = "first" | "sweep" | "overflow" | "confirm" | "quiet" | "continue";

export interface Dirt {
  readonly names: readonly HintedName[];
  readonly uidlist: boolean;
  readonly full: FullReason | undefined;
  /** When the oldest of these marks was made. */
  readonly sinceMs: number;
  /** Do not look before. */
  readonly notBeforeMs: number;
}

/** A listing that is under way goes on at once; one for the fingerprint's sake waits until the mailbox is quiet. */
const URGENCY: Readonly<Record<FullReason, number>> = {
  quiet: 0,
  first: 1,
  sweep: 1,
  overflow: 1,
  confirm: 1,
  continue: 2,
};

/** What the scheduler asks for, without the names. */
export interface Urgency {
  /** When the first of the hints was given; undefined: there is none. */
  readonly hintedMs: number | undefined;
  readonly full: FullReason | undefined;
  readonly notBeforeMs: number;
}

interface Marks {
  readonly names: Map<string, HintedName>;
  uidlist: boolean;
  /** When the first of the hints was given; undefined: there is none. */
  hintedMs: number | undefined;
  full: FullReason | undefined;
  sinceMs: number;
  notBeforeMs: number;
}

/** More names than this at once are worth a listing instead. */
const NAMES_MAX = 8192;

export class DirtySet {
  readonly #marks = new Map<RawPath, Marks>();

  get size(): number {
    return this.#marks.size;
  }

  /** Whether it changes when the mailbox is to be looked at: of several hints, the first does. */
  markName(path: RawPath, hint: HintedName, nowMs: number): boolean {
    const marks = this.#of(path, nowMs);
    addName(marks, hint);
    return noteHinted(marks, nowMs);
  }

  /** As `markName`. */
  markUidlist(path: RawPath, nowMs: number): boolean {
    const marks = this.#of(path, nowMs);
    marks.uidlist = true;
    return noteHinted(marks, nowMs);
  }

  /** The most urgent reason counts. */
  markFull(path: RawPath, reason: FullReason, nowMs: number): void {
    addReason(this.#of(path, nowMs), reason);
  }

  /** Puts back what was taken, not to be looked at before `notBeforeMs`. Hints that came meanwhile, or come, end the delay. */
  restore(path: RawPath, dirt: Dirt, notBeforeMs: number): void {
    const marks = this.#of(path, dirt.sinceMs);
    const isHinted = marks.hintedMs !== undefined;
    for (const hint of dirt.names) addName(marks, hint);
    marks.uidlist ||= dirt.uidlist;
    if (marks.uidlist || marks.names.size > 0) marks.hintedMs ??= dirt.sinceMs;
    if (dirt.full !== undefined) addReason(marks, dirt.full);
    marks.sinceMs = Math.min(marks.sinceMs, dirt.sinceMs);
    if (!isHinted) marks.notBeforeMs = notBeforeMs;
  }

  /** Marked mailboxes, in the order in which they first became dirty. */
  paths(): Iterable<RawPath> {
    return this.#marks.keys();
  }

  peek(path: RawPath): Dirt | undefined {
    const marks = this.#marks.get(path);
    if (marks === undefined) return undefined;
    const { hintedMs: _, ...dirt } = marks;
    return { ...dirt, names: [...marks.names.values()] };
  }

  /** Cheap questions for the scheduler, without copying the names. */
  urgency(path: RawPath): Urgency | undefined {
    const marks = this.#marks.get(path);
    if (marks === undefined) return undefined;
    const { hintedMs, full, notBeforeMs } = marks;
    return { hintedMs, full, notBeforeMs };
  }

  /** Takes the hints; a due listing is taken along only if `withFull`, else it stays marked. */
  take(path: RawPath, withFull: boolean): Dirt | undefined {
    const dirt = this.peek(path);
    if (dirt === undefined) return undefined;
    this.#marks.delete(path);
    if (dirt.full !== undefined && !withFull) {
      this.#marks.set(path, { ...noMarks(dirt.sinceMs), full: dirt.full });
      return { ...dirt, full: undefined };
    }
    return dirt;
  }

  drop(path: RawPath): void {
    this.#marks.delete(path);
  }

  #of(path: RawPath, nowMs: number): Marks {
    let marks = this.#marks.get(path);
    if (marks === undefined) {
      marks = noMarks(nowMs);
      this.#marks.set(path, marks);
    }
    return marks;
  }
}

function noMarks(sinceMs: number): Marks {
  return { names: new Map(), uidlist: false, hintedMs: undefined, full: undefined, sinceMs, notBeforeMs: 0 };
}

function noteHinted(marks: Marks, nowMs: number): boolean {
  const isNews = marks.hintedMs === undefined || marks.notBeforeMs > nowMs;
  marks.hintedMs ??= nowMs;
  marks.notBeforeMs = 0;
  return isNews;
}

function addName(marks: Marks, hint: HintedName): void {
  if (marks.names.size >= NAMES_MAX) {
    marks.names.clear();
    addReason(marks, "overflow");
  }
  marks.names.set(`${hint.dir}/${hint.name}`, hint);
}

function addReason(marks: Marks, reason: FullReason): void {
  if (marks.full === undefined || URGENCY[reason] > URGENCY[marks.full]) marks.full = reason;
}
