/**
 * What has been in the limbo for long enough goes for good, and of what is too much the oldest. In slices: one call does so many steps
 * on the disk at most, so that applying is not held up, however large a mailbox is that goes.
 *
 * A call has the store's thread to itself, so nothing is applied meanwhile. What was prepared and found its body here has that staged,
 * or finds it lacking and has it sent.
 *
 * INVARIANT: the file goes first, durably, and then its row: a row without a file is harmless and is dropped by the next purge, a
 * file without a row would be recorded anew (lost-rows.ts). A whole mailbox is first renamed, into limbo/purged/, where nobody
 * takes what is left of it for one whose move to the limbo broke off.
 * INVARIANT: nothing is removed but by a name of ours, in the directory of a day; links are removed, not followed.
 */
import type { Dir } from "../base/disk.js";
import { errnoOf } from "../base/errors.js";
import { displayRaw, isRawName, type RawName } from "../base/raw-name.js";
import { whyItFailed } from "../base/system-error.js";
import type { LimboRow } from "../log/state-types.js";
import { openMade, openScratch } from "./limbo.js";
import { dayOf, type EntryName, isDay, readEntryName } from "./limbo-names.js";
import type { PurgeOutcome, UndeleteLimits } from "./purge-types.js";
import type { StoreContext } from "./store-context.js";

type Context = Pick<StoreContext, "disk" | "options" | "clock" | "reader" | "limbo">;

const PURGED = "purged";
const LIMBO = "limbo";
const DAY_MS = 86_400_000;
/** A step is a file that is removed, or looked at. */
const STEPS_MAX = 256;
const PAGE_MAX = 256;
/** Mailboxes have one level. Each has a descriptor open while what is in it is removed. */
const LEVELS_MAX = 32;
/** The size of what was counted and has nothing in it. */
const EMPTY = 1;

export class LimboPurge {
  readonly #context: Context;
  #run: Iterator<PurgeOutcome, void> | undefined;

  constructor(context: Context) {
    this.#context = context;
  }

  step(limits: UndeleteLimits): PurgeOutcome {
    this.#run ??= new PurgeRun(this.#context, limits).slices();
    try {
      const next = this.#run.next();
      if (next.done !== true) return next.value;
    } catch (error) {
      this.#run = undefined;
      throw error;
    }
    this.#run = undefined;
    return { counted: [], dropped: [], more: false };
  }
}

type Slices<T = void> = Generator<PurgeOutcome, T, undefined>;

class PurgeRun {
  readonly #context: Context;
  readonly #nowMs: number;
  readonly #untilMs: number;
  readonly #bytesMax: number | undefined;
  #limbo: Dir | undefined;
  /** Of this slice: directories of days in which something was removed. */
  readonly #dirByDay = new Map<string, Dir>();
  #counted: LimboRow[] = [];
  #dropped: LimboRow[] = [];
  #failed: string | undefined;
  #stepsLeft = STEPS_MAX;

  constructor(context: Context, { keptMs, bytesMax }: UndeleteLimits) {
    this.#context = context;
    this.#nowMs = context.clock.nowMs();
    this.#untilMs = this.#nowMs - keptMs;
    this.#bytesMax = bytesMax;
  }

  *slices(): Slices {
    const { disk, options } = this.#context;
    this.#limbo = openScratch(disk, options.scratchRoot, [LIMBO]);
    try {
      yield* this.#emptyPurged(); // what an earlier one did not come to.
      if (this.#bytesMax !== undefined) yield* this.#countMailboxes();
      yield this.#slice(); // the sizes are to be in the rows.
      yield* this.#dropOldest();
      yield this.#slice(); // no row has what is gone.
      yield* this.#clearDays();
      yield* this.#emptyPurged();
      yield this.#slice();
    } finally {
      for (const dir of this.#dirByDay.values()) dir.close();
      this.#limbo?.close();
    }
  }

  *#dropOldest(): Slices {
    const { reader } = this.#context;
    let bytes = this.#bytesMax === undefined ? 0 : reader.limboBytes();
    let after: Pick<LimboRow, "removedMs" | "name"> = { removedMs: Number.MIN_SAFE_INTEGER, name: "" };
    for (;;) {
      const rows = reader.oldestLimbo(after, PAGE_MAX);
      for (const row of rows) {
        const isTooMuch = this.#bytesMax !== undefined && bytes > this.#bytesMax;
        if (row.removedMs > this.#untilMs && !isTooMuch) return;
        after = row;
        if (this.#mayServe(row)) continue;
        if (this.#trying(row.name, () => this.#remove(row.name))) this.#dropped.push(row);
        bytes -= row.size; // also what cannot be removed: nothing else goes in its place.
        yield* this.#step();
      }
      if (rows.length < PAGE_MAX) return;
    }
  }

  /** An empty directory of today may be taken for a whole mailbox at any time (`LimboBatch.mailboxName`), before that has its own row. */
  #mayServe({ name, size }: LimboRow): boolean {
    const place = placeOf(name);
    return place !== undefined && place.read.uid === undefined && place.day >= dayOf(this.#nowMs) && size <= EMPTY;
  }

  /** Once for each: their rows have the sizes from then on. */
  *#countMailboxes(): Slices {
    const { reader } = this.#context;
    for (let after = ""; ; ) {
      const rows = reader.uncountedLimbo(after, PAGE_MAX);
      for (const row of rows) {
        after = row.name;
        const place = placeOf(row.name);
        if (place === undefined || place.read.uid !== undefined) continue;
        const { day, entry } = place;
        const size = yield* this.#tryingSlowly(row.name, () => this.#sizeOf(this.#day(day), entry));
        if (size !== undefined) this.#counted.push({ ...row, size: Math.max(size, EMPTY) });
        yield* this.#step();
      }
      if (rows.length < PAGE_MAX) return;
    }
  }

  *#sizeOf(parent: Dir | undefined, name: RawName, level = 0): Slices<number> {
    const stat = parent?.stat(name);
    if (parent === undefined || stat === undefined) return 0;
    if (stat.kind !== "directory" || level > LEVELS_MAX) return stat.size;
    const dir = parent.openDir(name);
    try {
      let size = 0;
      using walk = dir?.walk();
      for (let names = walk?.next(PAGE_MAX) ?? []; names.length > 0; names = walk?.next(PAGE_MAX) ?? []) {
        for (const child of names.filter(isRawName)) {
          size += yield* this.#sizeOf(dir, child, level + 1);
          yield* this.#step();
        }
      }
      return size;
    } finally {
      dir?.close();
    }
  }

  /** Whether it is gone. */
  #remove(rowName: string): boolean {
    const place = placeOf(rowName);
    if (place === undefined) return false;
    const { day, entry } = place;
    const dir = this.#day(day);
    const stat = dir?.stat(entry);
    if (dir === undefined || stat === undefined) return true;
    if (stat.kind === "directory") this.#moveToPurged(dir, entry, `${day}.${entry}`);
    else dir.unlink(entry);
    return true;
  }

  #moveToPurged(dir: Dir, name: RawName, target: string): void {
    const { disk, options } = this.#context;
    const purged = openMade(disk, options.scratchRoot, [LIMBO, PURGED]);
    try {
      dir.rename(name, purged, target);
      purged.sync();
    } finally {
      purged.close();
    }
  }

  /** Of days that are over: what is left in them without a row, since the rows were lost, say, and those that are empty. */
  *#clearDays(): Slices {
    const today = dayOf(this.#nowMs);
    for (const day of (this.#limbo?.list() ?? []).filter(isDay)) {
      if (day >= today) continue; // that of now may be about to be filled.
      const endMs = Date.parse(day) + DAY_MS;
      if (endMs <= this.#untilMs) yield* this.#tryingSlowly(day, () => this.#clearDay(day));
      this.#closeDay(day);
      yield* this.#step();
      this.#trying(day, () => removeIfEmpty(this.#limbo, day));
    }
  }

  *#clearDay(day: RawName): Slices {
    const { reader } = this.#context;
    using walk = this.#day(day)?.walk();
    for (let names = walk?.next(PAGE_MAX) ?? []; names.length > 0; names = walk?.next(PAGE_MAX) ?? []) {
      for (const name of names) {
        const rowName = `${day}/${name}`;
        if (reader.limboRow(rowName) === undefined) this.#trying(rowName, () => this.#remove(rowName));
        yield* this.#step();
      }
    }
  }

  *#emptyPurged(): Slices {
    const { disk, options } = this.#context;
    const purged = openScratch(disk, options.scratchRoot, [LIMBO, PURGED]);
    if (purged === undefined) return;
    try {
      for (const name of purged.list().filter(isRawName))
        yield* this.#tryingSlowly(name, () => this.#removeTree(purged, name));
    } finally {
      purged.close();
    }
  }

  *#removeTree(parent: Dir, name: RawName, level = 0): Slices {
    if (level > LEVELS_MAX) return; // the directory above it says that it is not empty.
    const stat = parent.stat(name);
    if (stat === undefined) return;
    if (stat.kind !== "directory") {
      parent.unlink(name);
      return;
    }
    const dir = parent.openDir(name);
    try {
      using walk = dir?.walk();
      for (let names = walk?.next(PAGE_MAX) ?? []; names.length > 0; names = walk?.next(PAGE_MAX) ?? []) {
        for (const child of names.filter(isRawName)) {
          if (dir !== undefined) yield* this.#removeTree(dir, child, level + 1);
          yield* this.#step();
        }
      }
    } finally {
      dir?.close();
    }
    parent.rmdir(name);
  }

  *#step(): Slices {
    this.#stepsLeft -= 1;
    if (this.#stepsLeft <= 0) yield this.#slice();
  }

  #slice(): PurgeOutcome {
    for (const day of [...this.#dirByDay.keys()]) this.#closeDay(day);
    const [counted, dropped, failed] = [this.#counted, this.#dropped, this.#failed];
    [this.#counted, this.#dropped, this.#failed, this.#stepsLeft] = [[], [], undefined, STEPS_MAX];
    this.#context.limbo.forget(dropped);
    return { counted, dropped, ...(failed === undefined ? {} : { failed }), more: true };
  }

  /** Open until the slice ends. */
  #day(day: RawName): Dir | undefined {
    const opened = this.#dirByDay.get(day) ?? this.#limbo?.openDir(day);
    if (opened !== undefined) this.#dirByDay.set(day, opened);
    return opened;
  }

  #closeDay(day: string): void {
    const dir = this.#dirByDay.get(day);
    this.#dirByDay.delete(day);
    try {
      dir?.sync();
    } finally {
      dir?.close();
    }
  }

  /** What cannot be removed keeps nothing else. */
  #trying(name: string, remove: () => boolean): boolean {
    try {
      return remove();
    } catch (error) {
      this.#noteFailure(name, error);
      return false;
    }
  }

  *#tryingSlowly<T>(name: string, remove: () => Slices<T>): Slices<T | undefined> {
    try {
      return yield* remove();
    } catch (error) {
      this.#noteFailure(name, error);
      return undefined;
    }
  }

  #noteFailure(name: string, error: unknown): void {
    if (errnoOf(error) === undefined) throw error;
    this.#failed ??= `removing ${displayRaw(name)} from the limbo: ${whyItFailed(error)}`;
  }
}

interface Place {
  readonly day: RawName;
  readonly entry: RawName;
  readonly read: EntryName;
}

/** Undefined for a row that names nothing of ours. */
function placeOf(rowName: string): Place | undefined {
  const [day = "", entry = "", ...rest] = rowName.split("/");
  const read = rest.length === 0 && isDay(day) && isRawName(entry) ? readEntryName(entry) : undefined;
  return read === undefined || !isDay(day) || !isRawName(entry) ? undefined : { day, entry, read };
}

/** Returns true. */
function removeIfEmpty(limbo: Dir | undefined, day: RawName): boolean {
  try {
    limbo?.rmdir(day);
  } catch (error) {
    if (!["ENOTEMPTY", "EEXIST"].includes(errnoOf(error) ?? "")) throw error;
  }
  return true;
}
