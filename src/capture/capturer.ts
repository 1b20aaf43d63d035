/**
 * The capture loop of one store, on the main thread: hints and sweeps make mailboxes dirty; one at a time is examined by the
 * capture worker, and what it found is committed to the replication log together with the baseline.
 *
 * INVARIANT: log first, baseline second, in one database transaction. A crash before it repeats the examination (a phantom),
 * never loses a change (a hole).
 */
import { assert } from "../base/assert.js";
import type { Clock } from "../base/clock.js";
import type { CrashPoint } from "../base/crash-points.js";
import { Gate } from "../base/gate.js";
import { displayRaw, type RawPath } from "../base/raw-name.js";
import type { WorkerClient } from "../base/worker-rpc.js";
import type { StateWriter } from "../log/state-ports.js";
import type { CaptureCommit, MailboxRow } from "../log/state-types.js";
import type { MailboxGuid, Uid } from "../maildir/ids.js";
import type { CaptureMethods, CaptureProblem, ExamineOutcome, HintedName, Waiting } from "./capture-types.js";
import { type Dirt, DirtySet, type FullReason } from "./dirty-set.js";
import { captureError } from "./errors.js";
import { locate } from "./locate.js";
import { type KnownMailbox, planStructure, VANISH_MS } from "./plan-structure.js";
import { type LastListing, listingDueMs } from "./ration.js";

export interface CapturerLimits {
  /** A file without a record gets its UID from us after this long (R13). */
  readonly unnumberedMsMax: number;
  /** Pause between sweeps while watching. */
  readonly sweepMs: number;
}

export const CAPTURER_LIMITS: CapturerLimits = { unnumberedMsMax: 500, sweepMs: 20_000 };

export interface CapturerPorts {
  readonly worker: WorkerClient<CaptureMethods>;
  readonly writer: StateWriter;
  readonly clock: Clock;
  readonly reach: CrashPoint;
  /** New transactions are in the log. */
  readonly onCommitted: (captured: {
    readonly lastLsn: number;
    readonly saves: number;
    readonly changes: number;
  }) => void;
}

export interface CaptureCounts {
  mailboxes: number;
  messages: number;
  examined: number;
  listings: number;
  sweeps: number;
  /** Changes that only a sweep found: lost events. */
  caughtBySweep: number;
  numbered: number;
}

/** Messages that one conflict may renumber at once; more come with the next conflict. */
const RENUMBERED_MAX = 10_000;
const LOCK_PAUSE_MS = 5;

/** What the loop does next. */
type Step =
  | { readonly kind: "structure" }
  | { readonly kind: "examine"; readonly path: RawPath; readonly full: boolean }
  | { readonly kind: "wait"; readonly untilMs: number };

interface MailboxMemory {
  lastListing: LastListing | undefined;
  lastHintMs: number;
  /** The last examination relied on hints, so the stored fingerprint is not trusted. */
  hintedSinceListing: boolean;
}

export class Capturer {
  readonly counts: CaptureCounts = {
    mailboxes: 0,
    messages: 0,
    examined: 0,
    listings: 0,
    sweeps: 0,
    caughtBySweep: 0,
    numbered: 0,
  };
  readonly problems = new Map<RawPath, CaptureProblem>();
  readonly #ports: CapturerPorts;
  readonly #limits: CapturerLimits;
  readonly #dirty = new DirtySet();
  readonly #rows = new Map<MailboxGuid, MailboxRow>();
  readonly #guidByPath = new Map<RawPath, MailboxGuid>();
  readonly #memory = new Map<RawPath, MailboxMemory>();
  readonly #missingSinceMs = new Map<MailboxGuid, number>();
  readonly #wake = new Gate();
  #structureDueMs = 0;
  #nextSweepMs = Number.POSITIVE_INFINITY;
  #watching = false;
  #busy = false;
  /** Called when a mailbox wakes, so that the message tier watches it. */
  onActive: (path: RawPath) => void = () => undefined;
  /** Called when mailboxes came or moved, so that the structure tier watches them. */
  onStructure: () => void = () => undefined;
  /** Called when a mailbox has another path now, or none: watches follow the directory and would name the old path. */
  onMoved: (from: RawPath, to: RawPath | undefined) => void = () => undefined;

  constructor(ports: CapturerPorts, limits: CapturerLimits, rows: readonly MailboxRow[]) {
    this.#ports = ports;
    this.#limits = limits;
    for (const row of rows) this.#remember(row);
  }

  /** The row of a mailbox by its identity: where it is now. */
  row(guid: MailboxGuid): MailboxRow | undefined {
    return this.#rows.get(guid);
  }

  get rows(): Iterable<MailboxRow> {
    return this.#rows.values();
  }

  /** Nothing is dirty, nothing is awaited: all that was there when the last sweep began is in the log. */
  get settled(): boolean {
    return (
      !this.#busy &&
      this.#dirty.size === 0 &&
      this.#structureDueMs === Number.POSITIVE_INFINITY &&
      this.#missingSinceMs.size === 0
    );
  }

  /** From now on sweep again and again, and list a mailbox that went quiet. */
  startWatching(): void {
    this.#watching = true;
    this.#nextSweepMs = this.#ports.clock.monotonicMs() + this.#limits.sweepMs;
    this.#wake.wake();
  }

  onMessageHint(path: RawPath, hint: HintedName): void {
    const nowMs = this.#nowMs();
    this.#dirty.markName(path, hint, nowMs);
    this.#memoryOf(path).lastHintMs = nowMs;
    this.#wake.wake();
  }

  onUidlistHint(path: RawPath): void {
    const nowMs = this.#nowMs();
    this.#dirty.markUidlist(path, nowMs);
    this.#memoryOf(path).lastHintMs = nowMs;
    this.#wake.wake();
  }

  /** An event of the structure tier. */
  onPath(relative: string): void {
    const place = locate(relative, (path) => this.#guidByPath.has(path));
    if (place.kind === "nothing") return;
    if (place.kind === "mailbox") {
      this.onActive(place.path);
      this.onUidlistHint(place.path);
      return;
    }
    this.sweepSoon();
  }

  /** Compare the list of mailboxes and all fingerprints at once. */
  sweepSoon(): void {
    this.#structureDueMs = Math.min(this.#structureDueMs, this.#nowMs());
    this.#wake.wake();
  }

  markFull(path: RawPath, reason: FullReason): void {
    this.#dirty.markFull(path, reason, this.#nowMs());
    this.#wake.wake();
  }

  /** Runs until `signal` aborts; with `once`, until all is settled. Throws on what stops the whole store. */
  async run(signal: AbortSignal, once: boolean): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      if (once && this.settled) return;
      const step = this.#nextStep();
      if (step.kind === "wait") {
        await this.#pause(step.untilMs, signal);
        continue;
      }
      this.#busy = true;
      try {
        if (step.kind === "structure") await this.#compareStructure();
        else await this.#examine(step.path, step.full, signal);
      } finally {
        this.#busy = false;
      }
    }
  }

  /**
   * Gives the messages with UIDs in [from, below) new ones at the source (R12), at least `floor`: foreign mail on a replica
   * has theirs. The change is then captured like any other. `signal` ends the wait for Dovecot's lock.
   */
  async renumber(
    range: { readonly guid: MailboxGuid; readonly from: Uid; readonly below: number; readonly floor: number },
    signal: AbortSignal,
  ): Promise<void> {
    const { states } = await this.#ports.worker.call("states", {
      guid: range.guid,
      afterUid: range.from - 1,
      max: RENUMBERED_MAX,
    });
    const uids = states.map((state) => state.uid).filter((uid) => uid < range.below);
    await this.#renumberUids(range.guid, uids, range.floor, signal);
  }

  async #renumberUids(guid: MailboxGuid, uids: readonly Uid[], floor: number, signal: AbortSignal): Promise<void> {
    for (;;) {
      const row = this.#rows.get(guid);
      if (row === undefined || uids.length === 0) return;
      const outcome = await this.#ports.worker.call("renumber", {
        path: row.path,
        uids,
        floor,
        nowMs: this.#ports.clock.nowMs(),
      });
      if (outcome.kind === "problem") this.problems.set(row.path, outcome.problem);
      if (outcome.kind !== "busy") {
        this.markFull(row.path, "continue");
        return;
      }
      await this.#ports.clock.sleep(LOCK_PAUSE_MS, signal);
    }
  }

  #nowMs(): number {
    return this.#ports.clock.monotonicMs();
  }

  async #pause(untilMs: number, signal: AbortSignal): Promise<void> {
    const ms = Math.max(1, untilMs - this.#nowMs());
    const timer = Number.isFinite(ms) ? this.#ports.clock.setTimer(ms, () => this.#wake.wake()) : undefined;
    try {
      await this.#wake.wait(signal);
    } finally {
      timer?.cancel();
    }
  }

  /** Hints first (they are cheap), then the list of mailboxes, then listings as far as they are rationed in. */
  #nextStep(): Step {
    const nowMs = this.#nowMs();
    let untilMs = Math.min(this.#structureDueMs, this.#nextSweepMs);
    let listing: RawPath | undefined;
    if (this.#structureDueMs <= nowMs || this.#nextSweepMs <= nowMs) return { kind: "structure" };
    for (const path of this.#dirty.paths()) {
      const marks = this.#dirty.urgency(path);
      assert(marks !== undefined, "a dirty path has marks");
      if (marks.notBeforeMs > nowMs) {
        untilMs = Math.min(untilMs, marks.notBeforeMs);
        continue;
      }
      const listAtMs = marks.full === undefined ? Number.POSITIVE_INFINITY : this.#listingDueMs(path, marks.full);
      if (marks.hinted) return { kind: "examine", path, full: listAtMs <= nowMs };
      if (listAtMs <= nowMs) listing ??= path;
      else untilMs = Math.min(untilMs, listAtMs);
    }
    return listing === undefined ? { kind: "wait", untilMs } : { kind: "examine", path: listing, full: true };
  }

  #listingDueMs(path: RawPath, reason: FullReason): number {
    const memory = this.#memoryOf(path);
    return this.#watching ? listingDueMs(reason, memory.lastListing, memory.lastHintMs) : 0;
  }

  async #compareStructure(): Promise<void> {
    this.#structureDueMs = Number.POSITIVE_INFINITY;
    const periodic = this.#nextSweepMs <= this.#nowMs();
    if (this.#watching) this.#nextSweepMs = this.#nowMs() + this.#limits.sweepMs;
    this.counts.sweeps++;
    const { mailboxes, problems } = await this.#ports.worker.call("discover");
    for (const problem of problems) this.problems.set(problem.path, problem);
    const plan = planStructure(mailboxes, [...this.#rows.values()].map(knownOf));
    if (plan.emptied)
      throw captureError(
        "source-emptied",
        "looking for mailboxes in the source: there is none any more, but there were some",
      );
    for (const { path, of } of plan.duplicates) this.#noteDuplicate(path, of);
    for (const mailbox of plan.examine) this.#markDifferent(mailbox.path, mailbox.guid, periodic);
    await this.#settleMissing(plan.missing);
  }

  #markDifferent(path: RawPath, guid: MailboxGuid | undefined, periodic: boolean): void {
    const isNew = guid === undefined || this.#rows.get(guid)?.path !== path;
    const memory = this.#memoryOf(path);
    if (!isNew && memory.hintedSinceListing) {
      this.#dirty.markFull(path, "quiet", this.#nowMs());
      return;
    }
    if (periodic && !isNew) this.counts.caughtBySweep++;
    this.#dirty.markFull(path, isNew ? "first" : "sweep", this.#nowMs());
    if (isNew) this.onStructure();
  }

  #noteDuplicate(path: RawPath, of: RawPath): void {
    const { code, message, hint } = captureError(
      "mailbox-guid-twice",
      `examining mailbox ${displayRaw(path)}: its GUID is that of ${displayRaw(of)} too`,
    );
    this.problems.set(path, { path, code, message, hint });
  }

  /** Believes that a mailbox is gone only when it was missing twice, `VANISH_MS` apart. */
  async #settleMissing(missing: readonly KnownMailbox[]): Promise<void> {
    const nowMs = this.#nowMs();
    const still = new Set(missing.map((mailbox) => mailbox.guid));
    for (const guid of [...this.#missingSinceMs.keys()]) if (!still.has(guid)) this.#missingSinceMs.delete(guid);
    for (const mailbox of missing) {
      const sinceMs = this.#missingSinceMs.get(mailbox.guid);
      if (sinceMs === undefined) {
        this.#missingSinceMs.set(mailbox.guid, nowMs);
      } else if (nowMs - sinceMs >= VANISH_MS) {
        this.#missingSinceMs.delete(mailbox.guid);
        const outcome = await this.#ports.worker.call("vanished", {
          guid: mailbox.guid,
          nowMs: this.#ports.clock.nowMs(),
        });
        if (outcome.kind === "sealed") await this.#commit(mailbox.path, outcome.commit, { saves: 0, changes: 0 });
      }
    }
    if (this.#missingSinceMs.size > 0) this.#structureDueMs = Math.min(this.#structureDueMs, nowMs + VANISH_MS + 10);
  }

  async #examine(path: RawPath, full: boolean, signal: AbortSignal): Promise<void> {
    const dirt = this.#dirty.take(path, full);
    if (dirt === undefined) return;
    const memory = this.#memoryOf(path);
    const outcome = await this.#ports.worker.call("examine", {
      path,
      hints: { names: dirt.names, uidlist: dirt.uidlist },
      full,
      nowMs: this.#ports.clock.nowMs(),
    });
    this.counts.examined++;
    if (full) {
      this.counts.listings++;
      // What the listing itself cost, not how long the call waited for its turn.
      const tookMs = "listed" in outcome ? (outcome.listed?.ms ?? 0) : 0;
      memory.lastListing = { endMs: this.#nowMs(), tookMs };
    }
    memory.hintedSinceListing = !full;
    await this.#settle(path, dirt, outcome, signal);
  }

  async #settle(path: RawPath, dirt: Dirt, outcome: ExamineOutcome, signal: AbortSignal): Promise<void> {
    if (outcome.kind === "absent") {
      this.sweepSoon();
      return;
    }
    if (outcome.kind === "problem") {
      this.problems.set(path, outcome.problem);
      return;
    }
    this.problems.delete(path);
    if (outcome.kind === "sealed") await this.#commit(path, outcome.commit, outcome);
    else if (outcome.commit !== undefined) await this.#commit(path, outcome.commit, { saves: 0, changes: 0 });
    await this.#settleWaiting(path, dirt, outcome, signal);
  }

  async #settleWaiting(path: RawPath, dirt: Dirt, outcome: Waiting, signal: AbortSignal): Promise<void> {
    const nowMs = this.#nowMs();
    if (outcome.more) this.#dirty.markFull(path, "continue", nowMs);
    if (outcome.needListing) this.#dirty.markFull(path, "confirm", nowMs);
    if (outcome.recheckInMs !== undefined) this.#dirty.restore(path, dirt, nowMs + outcome.recheckInMs);
    if (outcome.unnumbered.count > 0) await this.#settleUnnumbered(path, outcome.unnumbered.oldestSeenMs);
    const guid = this.#guidByPath.get(path);
    if (guid !== undefined && outcome.late.length > 0) await this.#renumberUids(guid, outcome.late, 0, signal);
    if (this.#watching && this.#memoryOf(path).hintedSinceListing) this.#dirty.markFull(path, "quiet", nowMs);
  }

  /** Waits for Dovecot to number a file; past the limit numbers it under Dovecot's lock. */
  async #settleUnnumbered(path: RawPath, oldestSeenMs: number): Promise<void> {
    const waitMs = oldestSeenMs + this.#limits.unnumberedMsMax - this.#ports.clock.nowMs();
    const again: Dirt = { names: [], uidlist: true, full: "confirm", sinceMs: this.#nowMs(), notBeforeMs: 0 };
    if (waitMs > 0) {
      this.#dirty.restore(path, again, this.#nowMs() + Math.min(waitMs, 50));
      return;
    }
    const outcome = await this.#ports.worker.call("number", { path, nowMs: this.#ports.clock.nowMs() });
    if (outcome.kind === "numbered") this.counts.numbered += outcome.count;
    this.#dirty.restore(path, again, this.#nowMs() + (outcome.kind === "busy" ? 5 : 0));
  }

  async #commit(
    path: RawPath,
    commit: CaptureCommit,
    found: { readonly saves: number; readonly changes: number },
  ): Promise<void> {
    this.#ports.reach("capture.sealed");
    let lsns: readonly number[];
    try {
      lsns = await this.#ports.writer.appendCaptured(commit);
    } catch (error) {
      for (const row of commit.mailboxes) await this.#ports.worker.call("forget", { guid: row.guid });
      throw error;
    }
    this.#ports.reach("capture.committed");
    for (const row of commit.mailboxes) this.#remember(row);
    for (const id of commit.removedMailboxIds) this.#forgetRow(id);
    const lastLsn = lsns.at(-1);
    if (lastLsn !== undefined) this.#ports.onCommitted({ lastLsn, saves: found.saves, changes: found.changes });
    if (this.#watching && lastLsn !== undefined) this.onActive(path);
  }

  #remember(row: MailboxRow): void {
    const before = this.#rows.get(row.guid);
    if (before !== undefined && before.path !== row.path) {
      if (this.#guidByPath.get(before.path) === row.guid) this.#guidByPath.delete(before.path);
      this.onMoved(before.path, row.path);
    }
    this.counts.messages += row.messages - (before?.messages ?? 0);
    this.#rows.set(row.guid, row);
    this.#guidByPath.set(row.path, row.guid);
    this.counts.mailboxes = this.#rows.size;
  }

  #forgetRow(id: number): void {
    for (const row of this.#rows.values()) {
      if (row.id !== id) continue;
      this.counts.messages -= row.messages;
      this.#rows.delete(row.guid);
      if (this.#guidByPath.get(row.path) !== row.guid) continue;
      this.#guidByPath.delete(row.path);
      this.onMoved(row.path, undefined);
    }
    this.counts.mailboxes = this.#rows.size;
  }

  #memoryOf(path: RawPath): MailboxMemory {
    let memory = this.#memory.get(path);
    if (memory === undefined) {
      memory = { lastListing: undefined, lastHintMs: 0, hintedSinceListing: false };
      this.#memory.set(path, memory);
    }
    return memory;
  }
}

function knownOf(row: MailboxRow): KnownMailbox {
  return { path: row.path, guid: row.guid, fingerprint: row.fingerprint };
}
