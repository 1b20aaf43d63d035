/**
 * The capture loop of one store, on the main thread: hints and sweeps make mailboxes dirty; one at a time is examined by the
 * capture worker, which records what it found (record-found.ts) before the next one is looked at.
 *
 * INVARIANT: nothing here waits for Dovecot's lock: a mailbox whose lock is held is looked at again a little later, and the
 * others go on.
 */
import type { Clock } from "../base/clock.js";
import { Gate } from "../base/gate.js";
import type { RawPath } from "../base/raw-name.js";
import type { WorkerClient } from "../base/worker-rpc.js";
import type { MailboxRow } from "../log/state-types.js";
import type { FoundDirectory } from "../maildir/discover.js";
import type { MailboxGuid } from "../maildir/ids.js";
import { type CaptureCounts, noteNumbered, zeroCounts } from "./capture-counts.js";
import type {
  BackAgain,
  BrakeReport,
  CaptureMethods,
  CaptureProblem,
  ExamineOutcome,
  HintedName,
  Numbered,
  Recorded,
  Waiting,
} from "./capture-types.js";
import { CoveredMailboxes } from "./covered-mailboxes.js";
import { type Dirt, DirtySet, type FullReason } from "./dirty-set.js";
import { problemOfKind, problemOfLock } from "./errors.js";
import { FreshBodies } from "./fresh-bodies.js";
import { ListingHistory } from "./listing-history.js";
import { ConfirmRounds, problemAfter } from "./listing-problems.js";
import { meaningOf } from "./locate.js";
import { nextStep, type Step } from "./next-step.js";
import { planStructure } from "./plan-structure.js";
import type { CapturerLimits } from "./ration.js";
import { Renumbering } from "./renumbering.js";
import { StoreLooks } from "./store-looks.js";

export interface CapturerPorts {
  readonly worker: WorkerClient<CaptureMethods>;
  readonly clock: Clock;
  /** New transactions are in the log. */
  readonly onCommitted: (captured: {
    readonly lastLsn: number;
    readonly saves: number;
    readonly changes: number;
  }) => void;
}

const LOCK_PAUSE_MS = 5;
/** A lock that is held longer becomes a problem of its mailbox. */
const LOCK_WAIT_MS_MAX = 30_000;
/** Between two looks at files that have no UID yet. */
const UNNUMBERED_PAUSE_MS = 50;

export class Capturer {
  readonly counts: CaptureCounts = zeroCounts();
  readonly fresh: FreshBodies;
  readonly problems = new Map<RawPath, CaptureProblem>();
  readonly renumbering: Renumbering;
  /** Deletions that are held back, as of the last answer of the worker. */
  brake: BrakeReport | undefined;
  readonly #ports: CapturerPorts;
  readonly #limits: CapturerLimits;
  readonly #dirty = new DirtySet();
  readonly #covered: CoveredMailboxes;
  readonly #history = new ListingHistory();
  readonly #rounds = new ConfirmRounds();
  readonly #looks: StoreLooks;
  /** Where something has no UID and can get none. */
  readonly #uncounted = new Set<RawPath>();
  readonly #wake = new Gate();
  #watching = false;
  #busy = false;
  #hintedInRow = 0;
  /** Called when a mailbox wakes, so that the message tier watches it. Returns whether it has done so all along. */
  onActive: (path: RawPath) => boolean = () => false;
  /** Called with the directories that each look at the store finds. Resolves to whether some were not watched before: what happened there was not seen. */
  onDirectories: ((directories: readonly FoundDirectory[]) => Promise<boolean>) | undefined;
  /** Called when a mailbox has another path now, or none: watches follow the directory and would name the old path. */
  onMoved: (from: RawPath, to: RawPath | undefined) => void = () => undefined;

  constructor(ports: CapturerPorts, limits: CapturerLimits, rows: readonly MailboxRow[]) {
    this.#ports = ports;
    this.fresh = new FreshBodies(ports.clock);
    this.#limits = limits;
    this.#looks = new StoreLooks(this.problems, limits.sweepMs, () => this.#nowMs());
    this.#covered = new CoveredMailboxes(rows);
    this.#covered.onMoved = (from, to) => this.onMoved(from, to);
    const { counts, problems } = this;
    const tell = {
      markFull: (path: RawPath) => this.markFull(path, "continue"),
      markUidlist: (path: RawPath) => this.onUidlistHint(path),
      sweepSoon: () => this.sweepSoon(),
    };
    this.renumbering = new Renumbering({ ...ports, counts, problems, row: (guid) => this.row(guid), ...tell });
    this.#count();
  }

  /** The row of a mailbox by its identity: where it is now. */
  row(guid: MailboxGuid): MailboxRow | undefined {
    return this.#covered.row(guid);
  }

  get rows(): Iterable<MailboxRow> {
    return this.#covered.rows;
  }

  /** Nothing is dirty, nothing is awaited: all that was there when the last sweep began is in the log, or among the problems. */
  get settled(): boolean {
    return !this.#busy && this.#dirty.size === 0 && !this.#looks.isAwaited;
  }

  get isWatching(): boolean {
    return this.#watching;
  }

  /** From now on sweep again and again, and list a mailbox that went quiet. */
  startWatching(): void {
    this.#watching = true;
    this.#looks.repeat();
    this.#wake.wake();
  }

  onMessageHint(path: RawPath, hint: HintedName): void {
    const nowMs = this.#nowMs();
    const isNews = this.#dirty.markName(path, hint, nowMs);
    this.#history.noteHint(path, nowMs);
    if (isNews) this.#wake.wake();
  }

  onUidlistHint(path: RawPath): void {
    const nowMs = this.#nowMs();
    const isNews = this.#dirty.markUidlist(path, nowMs);
    this.#history.noteHint(path, nowMs);
    if (isNews) this.#wake.wake();
  }

  /** An event of the structure tier: something happened to that name (bytes-in-a-string) in that directory. */
  onName(dir: RawPath, name: string): void {
    const meaning = meaningOf(name, this.#covered.guidAt(dir) !== undefined);
    if (meaning === "structure") {
      this.#looks.hintNow();
      this.#wake.wake();
    } else if (meaning === "mailbox") {
      const wasWatched = this.onActive(dir);
      const isEcho = wasWatched && !this.problems.has(dir) && this.#history.isEcho(dir, this.#nowMs());
      if (!isEcho) this.onUidlistHint(dir);
    }
  }

  /** Compare the list of mailboxes and all fingerprints at once. */
  sweepSoon(): void {
    this.#looks.askNow();
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
      if (this.#allCameBack) await this.approveDeletions();
      if (once && this.settled) return;
      const step = this.#nextStep();
      if (step.kind === "wait") {
        await this.#wake.waitUntil(step.untilMs, this.#ports.clock, signal);
        continue;
      }
      this.#busy = true;
      try {
        if (step.kind === "structure") await this.#compareStructure();
        else await this.#examine(step.path, step.full);
      } finally {
        this.#busy = false;
      }
    }
  }

  /** What the brake holds back may go, and goes; `back`: only that of it. Resolves when that it may is durable. */
  async approveDeletions(back?: readonly BackAgain[]): Promise<void> {
    const { paths } = await this.#ports.worker.call("approve", back);
    if (back === undefined) this.brake = undefined;
    for (const path of paths) this.markFull(path, "sweep");
    this.sweepSoon();
  }

  /** The brake is on, and all mailboxes that may have something to be held have been looked at. */
  get #allCameBack(): boolean {
    return this.brake?.mailboxes === 0 && this.settled && this.counts.sweeps > 0 && this.problems.size === 0;
  }

  #nowMs(): number {
    return this.#ports.clock.monotonicMs();
  }

  #nextStep(): Step {
    const step = nextStep({
      nowMs: this.#nowMs(),
      structureDueMs: this.#looks.dueMs,
      dirty: this.#dirty,
      listingDueMs: (path, reason) => (this.#watching ? this.#history.dueMs(path, reason) : 0),
      hintsDueMs: (path, hintedMs) => (this.#watching ? this.#history.hintsDueMs(path, hintedMs, this.#limits) : 0),
      hintedInRow: this.#hintedInRow,
    });
    const isHinted = step.kind === "examine" && this.#dirty.urgency(step.path)?.hintedMs !== undefined;
    this.#hintedInRow = isHinted ? this.#hintedInRow + 1 : 0;
    return step;
  }

  async #compareStructure(): Promise<void> {
    this.counts.sweeps++;
    const request = { ...this.#looks.begin(), directories: this.onDirectories !== undefined };
    const outcome = await this.#ports.worker.call("discover", request);
    if ((await this.onDirectories?.(outcome.directories ?? [])) === true) this.#looks.hintNow();
    const { mailboxes, problems } = outcome;
    this.brake = outcome.brake;
    const unread = problems.map((problem) => problem.path);
    const plan = planStructure(mailboxes, this.#covered.rows, unread);
    const gone = this.#looks.end(outcome, plan);
    this.counts.sweptMs = this.#ports.clock.nowMs();
    if (gone === undefined) return;
    for (const { path, guid } of plan.examine) this.#markDifferent(path, guid);
    let ahead = gone.reduce((sum, { guid }) => sum + this.#messagesOf(guid), 0);
    for (const { guid } of gone) {
      ahead -= this.#messagesOf(guid);
      // Another user's that has its GUID is a new one then.
      if ((await this.#captureGone(guid, ahead)) && plan.duplicates.length > 0) this.sweepSoon();
    }
    this.#looks.noteNameless(mailboxes.filter(({ guid }) => guid === undefined).map(({ path }) => path));
  }

  #markDifferent(path: RawPath, guid: MailboxGuid | undefined): void {
    const isKnown = guid !== undefined && this.#covered.row(guid)?.path === path;
    if (isKnown && this.#history.restsOnHints(path)) this.#dirty.markFull(path, "quiet", this.#nowMs());
    else this.#dirty.markFull(path, isKnown ? "sweep" : "first", this.#nowMs());
  }

  #messagesOf(guid: MailboxGuid): number {
    return this.#covered.row(guid)?.messages ?? 0;
  }

  async #captureGone(guid: MailboxGuid, ahead: number): Promise<boolean> {
    const path = this.#covered.row(guid)?.path;
    const outcome = await this.#ports.worker.call("vanished", { guid, ahead, nowMs: this.#ports.clock.nowMs() });
    this.brake = outcome.brake;
    if (outcome.kind === "problem") this.#looks.addProblem(outcome.problem);
    if (path === undefined || outcome.kind !== "sealed") return false;
    this.#take(path, outcome.commit, { saves: 0, changes: 0 });
    this.problems.delete(path);
    return true;
  }

  async #examine(path: RawPath, full: boolean): Promise<void> {
    const dirt = this.#dirty.take(path, full);
    if (dirt === undefined) return;
    const outcome = await this.#ports.worker.call("examine", {
      path,
      hints: { names: dirt.names, uidlist: dirt.uidlist },
      full,
      nowMs: this.#ports.clock.nowMs(),
      wantsBodies: this.#watching && this.fresh.isWanted,
    });
    this.brake = outcome.brake;
    this.counts.examined++;
    if (full) {
      const listed = "listed" in outcome ? outcome.listed : undefined;
      if (listed !== undefined) this.counts.listings++;
      // What the listing itself cost, not how long the call waited for its turn.
      this.#history.noteListing(path, this.#nowMs(), listed?.ms);
    } else this.#history.noteHintedExamination(path, this.#nowMs());
    await this.#settle(path, dirt, outcome);
  }

  async #settle(path: RawPath, dirt: Dirt, outcome: ExamineOutcome): Promise<void> {
    if (outcome.kind === "absent") {
      this.problems.delete(path);
      this.#looks.puzzleAt(path);
      return;
    }
    if (outcome.kind === "problem") {
      this.problems.set(path, outcome.problem);
      return;
    }
    const problem = problemAfter(path, this.problems.get(path), outcome);
    this.problems.delete(path);
    if (problem !== undefined) this.problems.set(path, problem);
    if (outcome.kind === "sealed") {
      const isHinted = dirt.uidlist || dirt.names.length > 0;
      if (this.#watching && dirt.full === "sweep" && !isHinted) this.counts.caughtBySweep += outcome.changes;
      const { lastLsn } = outcome.commit;
      if (outcome.bodies !== undefined && lastLsn !== undefined) this.fresh.put(lastLsn, outcome.bodies);
      this.#take(path, outcome.commit, outcome);
    } else if (outcome.commit !== undefined) this.#take(path, outcome.commit, { saves: 0, changes: 0 });
    await this.#settleWaiting(path, dirt, outcome);
  }

  async #settleWaiting(
    path: RawPath,
    dirt: Dirt,
    outcome: Waiting & { readonly kind: ExamineOutcome["kind"] },
  ): Promise<void> {
    const { recheckInMs, unnumbered, late } = outcome;
    if (recheckInMs !== undefined) this.#dirty.restore(path, dirt, this.#nowMs() + recheckInMs);
    if (outcome.more) this.#dirty.markFull(path, "continue", this.#nowMs());
    if (outcome.grown) this.#lookAgain(path, { full: undefined, inMs: 0 });
    if (outcome.needListing) this.#listAgain(path, outcome);
    else this.#rounds.noteProgress(path);
    if (unnumbered.count > 0) await this.#settleUnnumbered(path, unnumbered.oldestSeenMs);
    const guid = this.#covered.guidAt(path);
    if (
      guid !== undefined &&
      late.length > 0 &&
      (await this.renumbering.once({ guid, uids: late, floor: 0 })) === "busy"
    )
      this.#lookAgain(path, { full: "confirm", inMs: UNNUMBERED_PAUSE_MS });
    if (this.#watching && this.#history.restsOnHints(path)) this.#dirty.markFull(path, "quiet", this.#nowMs());
  }

  #listAgain(path: RawPath, { kind, listed }: Waiting & { readonly kind: ExamineOutcome["kind"] }): void {
    if (kind === "sealed" || this.#watching) this.#rounds.noteProgress(path);
    const next = this.#rounds.next(path, listed !== undefined);
    if (next.kind === "give-up") this.problems.set(path, next.problem);
    else if (next.inMs === 0) this.#dirty.markFull(path, "confirm", this.#nowMs());
    else this.#lookAgain(path, { full: "confirm", inMs: next.inMs });
  }

  /** Waits for Dovecot to number a file; past the limit numbers it under Dovecot's lock. */
  async #settleUnnumbered(path: RawPath, oldestSeenMs: number): Promise<void> {
    const { worker, clock } = this.#ports;
    const waitMs = oldestSeenMs + this.#limits.unnumberedMsMax - clock.nowMs();
    // A busy mailbox is not looked at again before `busyMs`: rather a little early than that much late.
    if (waitMs > this.#limits.busyMs / 2) {
      // New records show in the uidlist's tail: no listing.
      this.#lookAgain(path, { full: undefined, inMs: Math.min(waitMs, UNNUMBERED_PAUSE_MS) });
      return;
    }
    const outcome = await worker.call("number", { path, nowMs: clock.nowMs() });
    switch (outcome.kind) {
      case "numbered":
        noteNumbered(this.counts, outcome);
        this.#settleNumbered(path, outcome);
        return;
      case "busy":
        if (outcome.ageMs < LOCK_WAIT_MS_MAX) this.#lookAgain(path, { full: undefined, inMs: LOCK_PAUSE_MS });
        else this.problems.set(path, problemOfLock(path, outcome)); // tried again when a sweep comes by.
        return;
      case "absent":
        this.#looks.puzzleAt(path);
        return;
      case "problem":
        this.problems.set(path, outcome.problem); // tried again when a sweep comes by.
        return;
    }
  }

  #settleNumbered(path: RawPath, { count, more, notFiles, isIdentified }: Numbered): void {
    if (count === 0 && this.#uncounted.has(path)) this.problems.set(path, problemOfKind(path, notFiles));
    else if (count === 0 || more || isIdentified === true)
      // Without a count the files are gone, which a listing tells; if it does not, they are no files.
      this.#lookAgain(path, { full: "confirm", inMs: count === 0 ? UNNUMBERED_PAUSE_MS : 0 });
    else {
      // They have waited long enough; their records show in the uidlist's tail.
      this.#history.hurry(path);
      this.#lookAgain(path, { full: undefined, inMs: 0 });
    }
    this.#uncounted[count === 0 ? "add" : "delete"](path);
  }

  #lookAgain(path: RawPath, { full, inMs }: { readonly full: FullReason | undefined; readonly inMs: number }): void {
    const nowMs = this.#nowMs();
    this.#dirty.restore(path, { names: [], uidlist: true, full, sinceMs: nowMs, notBeforeMs: 0 }, nowMs + inMs);
  }

  #take(
    path: RawPath,
    recorded: Recorded,
    { saves, changes }: { readonly saves: number; readonly changes: number },
  ): void {
    this.#covered.take(recorded);
    this.#count();
    const { lastLsn } = recorded;
    if (lastLsn === undefined) return;
    this.#ports.onCommitted({ lastLsn, saves, changes });
    if (this.#watching) this.onActive(path);
  }

  #count(): void {
    this.counts.mailboxes = this.#covered.rows.length;
    this.counts.messages = this.#covered.messages;
  }
}
