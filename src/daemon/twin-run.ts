/**
 * One run of a twin, from a source in this process to a replica at the other end of a link: until both are equal, or on and on.
 *
 * Reads top to bottom as its life: meet, watch, capture and ship at once, settle, live, drain, tell.
 */
import type { NextUidNews } from "../agent/next-uids.js";
import { ReplayAgent } from "../agent/replay-agent.js";
import { systemClock } from "../base/clock.js";
import type { Disposer } from "../base/disposal.js";
import type { MailtwinError } from "../base/errors.js";
import { displayRaw, type RawPath } from "../base/raw-name.js";
import { Waiter } from "../base/waiter.js";
import type { CaptureProblem } from "../capture/capture-types.js";
import { captureError } from "../capture/errors.js";
import { latestFirst } from "../capture/fingerprint-text.js";
import type { Link } from "../wire/link.js";
import { LATE_ADOPTION, refuseSeed } from "./adopt.js";
import { wordsOfBrake } from "./brake-words.js";
import { BroughtBackRelease } from "./brought-back.js";
import { EqualRounds } from "./equal-rounds.js";
import { daemonError } from "./errors.js";
import { meetDestination, surveyDestination } from "./first-contact.js";
import { restoreAside } from "./foreign-moves.js";
import { HeldRetry } from "./held-retry.js";
import { firstCause, withWords } from "./interruption.js";
import { type NextUidPorts, tellNextUid } from "./next-uids.js";
import type { Reporter } from "./reporter.js";
import { adaptSource } from "./source-adapter.js";
import { type SourceSide, watchStore } from "./source-side.js";
import { problemOfRejection, problemOfWatch, StandingProblems } from "./standing-problems.js";
import { renumberedBy, reportOf, sourceSums, type Tally, wordsOfShipped } from "./tally.js";
import type { TwinParts } from "./twin-parts.js";
import { countOf, mailboxName, wordsOfLateForeign } from "./words.js";

const REPLICA = "destination";

const PROGRESS_EVERY_MS = 200;
const LOOK_EVERY_MS = 5_000;
/** How long an interrupted twin goes on shipping what it has captured. */
const DRAIN_MS_MAX = 5_000;
/** Mailboxes that are watched closely from the start. */
const PROMOTED_MAX = 64;

/** The state of one run. */
export class TwinRun {
  readonly #parts: TwinParts;
  readonly #reporter: Reporter;
  readonly #source: SourceSide;
  readonly #tally: Tally;
  readonly #startMs = systemClock.monotonicMs();
  readonly #standing = new StandingProblems();
  readonly #rounds = new EqualRounds();
  readonly #broughtBack: BroughtBackRelease;
  readonly #heldRetry: HeldRetry;
  #agent: ReplayAgent | undefined;
  /** Both sides were equal once in this run, and what was captured after that is shipped. */
  #isEqual = false;
  #isLive = false;
  #isFirst = false;
  #foreignProblems = 0;
  #hasApproved = false;
  /** Since when the brake is on that was told of. */
  #toldBrakeMs: number | undefined;
  #captured: () => void = () => undefined;
  /** The first sweep has been worked off. */
  readonly #firstCapture = new Promise<void>((resolve) => {
    this.#captured = resolve;
  });

  constructor(parts: TwinParts, reporter: Reporter) {
    this.#parts = parts;
    this.#reporter = reporter;
    this.#source = parts.source;
    this.#broughtBack = new BroughtBackRelease(parts.source);
    this.#heldRetry = new HeldRetry(parts.source.capturer);
    this.#tally = parts.tally;
  }

  makeAgent(link: Link): ReplayAgent {
    const { reader, writer, bodies, notes } = this.#source;
    const source = adaptSource(this.#source);
    this.#agent = new ReplayAgent(
      REPLICA,
      { link, bodies, reader, writer, clock: systemClock, source, onRead: notes.onRead },
      {
        onShipped: ({ lsn, transaction, notes: told }) => {
          notes.onShipped(transaction);
          const report = reportOf(lsn, transaction, told, systemClock.nowMs());
          this.#tally.add(report);
          this.#reporter.shipped(report);
          const renumbered = renumberedBy(transaction, reader);
          if (renumbered !== undefined) this.#reporter.renumbered(renumbered);
        },
        onBodyBytes: (bytes) => {
          this.#tally.bodyBytes += bytes;
        },
        onConflict: (path, words) => this.#reporter.conflict({ path: displayRaw(path), words }),
        onNextUid: (news) => this.#tellNextUid(news),
        onRejected: (row) => {
          // Else it is listed at the end, where it is not lost among others.
          if (this.#parts.watch) this.#reporter.problem(problemOfRejection(row));
        },
      },
      this.#parts.recovery ?? {},
    );
    return this.#agent;
  }

  /** Before the first offer. */
  async meet(firstContact: boolean, signal: AbortSignal): Promise<void> {
    this.#isFirst = firstContact;
    if (!firstContact) return this.#meetAgain(signal);
    const { adopts, stores } = this.#parts;
    const { worker, bodies, capturer } = this.#source;
    const { asker } = this.#need();
    const standing = await surveyDestination(asker, signal);
    if (standing.length > 0 || adopts) await this.#untilCaptured(signal);
    if (adopts) refuseSeed(standing, capturer.rows, stores.destination);
    if (standing.length === 0) return;
    const onConflict = (path: RawPath, words: string) => this.#reporter.conflict({ path: displayRaw(path), words });
    const onRefused = (path: RawPath, error: MailtwinError) =>
      this.#refused(path, error, {
        what: "moving mail that only DST has to the limbo",
        hint: "It stays in DST, and no later run moves it. Remove the cause, and remove the mailbox in DST yourself if it is to go.",
      });
    const { foreign, onKept, isAnew, acceptsUidValidity, recovery } = this.#parts;
    await this.#parts.onMeeting();
    // Where all is compared, that renumbers, and tells of it.
    const told = recovery?.mustCompare === true ? {} : { onRenumbered: this.#reporter.renumbered };
    const ports = {
      ...this.#nextUids(),
      ...{ worker, bodies, capturer, stores, onConflict, onKept, isAnew, onRefused },
      // Of a destination that was written to before it is not known any more what was.
      leavesUidValidity: acceptsUidValidity === "none" || (isAnew && acceptsUidValidity !== "all"),
    };
    this.#tally.meet(await meetDestination({ ...ports, ...told }, standing, foreign, signal));
  }

  async #meetAgain(signal: AbortSignal): Promise<void> {
    const { foreign, adopts, recovery, renumbered } = this.#parts;
    const late = wordsOfLateForeign(foreign);
    if (late !== undefined) this.#reporter.warning(late);
    if (adopts) this.#reporter.warning(LATE_ADOPTION);
    if (recovery !== undefined) await this.#untilCaptured(signal); // it may be compared.
    for (const mailbox of renumbered) await this.#need().resync(mailbox);
  }

  async #untilCaptured(signal: AbortSignal): Promise<void> {
    const captured = new Waiter<void>(signal); // capture may fail before it gets there.
    void this.#firstCapture.then(() => captured.settle());
    await captured.promise;
  }

  async live(
    ends: readonly Promise<void>[],
    owner: Disposer,
    stop: AbortController,
    signal: AbortSignal,
  ): Promise<number> {
    // The first failure; an end that returns because the other one closed the link is none.
    const failed = firstCause(ends, this.#workerLost());
    failed.catch((error: unknown) => stop.abort(error));
    const work = AbortSignal.any([signal, stop.signal]);
    const ticker = this.#startTicker(work);
    try {
      const watching = this.#parts.watch
        ? watchStore(
            this.#parts.stores.source,
            this.#source.capturer,
            { onDegraded: (error) => this.#reporter.problem(problemOfWatch(error)) },
            owner,
          )
        : undefined;
      await this.#untilEqual(work);
      const { counts, problems: unread } = this.#source.capturer;
      if (this.#isFirst && counts.mailboxes === 0 && unread.size === 0)
        this.#reporter.warning(`no mailbox was found in ${this.#parts.stores.source}: is it the right directory?`);
      if (await this.#restore(work)) await this.#untilEqual(work); // the source's next UIDs were raised.
      this.#isEqual = true;
      if (watching !== undefined) await this.#watchOn(watching.hot.promote.bind(watching.hot), work);
    } catch (error) {
      // Asked to stop, or why it failed.
      if (!signal.aborted || stop.signal.aborted) {
        this.#tellRejections();
        this.#tell(this.#source.capturer.problems.values()); // they may be why.
        throw stop.signal.aborted ? stop.signal.reason : error;
      }
      this.#isEqual = this.#isLive && (await this.#drain(stop.signal));
    } finally {
      ticker.cancel();
    }
    const problems = await this.#end();
    if (signal.aborted && !this.#isEqual) throw withWords(signal.reason, this.#doneSoFar());
    this.#summarise(problems);
    return problems;
  }

  /** Captures until nothing is dirty and ships until all of it is acknowledged; conflicts may need another round. */
  async #untilEqual(signal: AbortSignal): Promise<void> {
    const { capturer, reader } = this.#source;
    for (;;) {
      await capturer.run(signal, true);
      if (await this.#approve()) continue;
      this.#captured();
      this.#heldRetry.look([this.#need()]);
      const lsn = reader.lastLsn();
      await this.#untilAcked(lsn, signal);
      if (await this.#settleBroughtBack()) continue;
      if ((capturer.settled && reader.lastLsn() === lsn) || this.#rounds.isEnough(systemClock.monotonicMs())) return;
    }
  }

  #settleBroughtBack(): Promise<boolean> {
    return this.#broughtBack.settle((lsn) => this.#need().ackedLsn >= lsn);
  }

  /** Once in a run. Returns whether there is more to be captured now. */
  async #approve(): Promise<boolean> {
    const isFirst = !this.#hasApproved && this.#parts.approvesDeletions;
    this.#hasApproved = true;
    if (!isFirst || this.#source.capturer.brake === undefined) return false;
    await this.#source.capturer.approveDeletions();
    return true;
  }

  /** The capture goes on meanwhile: shipping may find that the source has moved on (a renamed mailbox, a conflict). */
  async #untilAcked(lsn: number, signal: AbortSignal): Promise<void> {
    const acked = new AbortController();
    const capturing = this.#source.capturer.run(AbortSignal.any([signal, acked.signal]), false);
    const ended = capturing.catch((error: unknown) => {
      if (!acked.signal.aborted) throw error;
    });
    try {
      await Promise.race([this.#need().untilAcked(lsn, signal), ended]);
    } finally {
      acked.abort();
    }
    await ended;
  }

  /** Ships what was captured, and returns whether all of it is; what takes too long is in the log and shipped by the next run. */
  async #drain(signal: AbortSignal): Promise<boolean> {
    const deadline = AbortSignal.timeout(DRAIN_MS_MAX);
    try {
      await this.#need().untilAcked(this.#source.reader.lastLsn(), AbortSignal.any([signal, deadline]));
      return true;
    } catch (error) {
      if (!deadline.aborted || signal.aborted) throw error;
      return false;
    }
  }

  /** Returns whether there is more to be captured now. */
  async #restore(signal: AbortSignal): Promise<boolean> {
    if (!this.#parts.hasAside()) return false;
    const { capturer } = this.#source;
    const raisedBefore = capturer.counts.raised;
    const onRefused = (path: RawPath, error: MailtwinError) =>
      this.#refused(path, error, {
        what: "putting back mail that was set aside",
        hint: "It is kept in the scratch directory, below aside/, and put back by the next run.",
      });
    const isWhole = await restoreAside({ ...this.#nextUids(), onRefused }, [...capturer.rows], signal);
    if (isWhole) await this.#parts.onRestored();
    return capturer.counts.raised > raisedBefore;
  }

  #nextUids(): NextUidPorts {
    const source = adaptSource(this.#source);
    return { asker: this.#need().asker, source, onNextUid: (news) => this.#tellNextUid(news) };
  }

  #tellNextUid(news: NextUidNews): void {
    if (tellNextUid(this.#reporter, news) === "problem") this.#foreignProblems += 1;
  }

  /** What a mailbox of the destination does not let be done with foreign mail. */
  #refused(
    path: RawPath,
    { code, message }: MailtwinError,
    told: { readonly what: string; readonly hint: string },
  ): void {
    this.#foreignProblems += 1;
    const words = `${told.what}, in ${mailboxName(path)}: ${message}`;
    this.#reporter.problem({ path: displayRaw(path), code, message: words, hint: told.hint });
  }

  async #watchOn(promote: (path: RawPath) => boolean, signal: AbortSignal): Promise<void> {
    const { capturer, worker } = this.#source;
    const hottest = latestFirst(capturer.rows).slice(0, PROMOTED_MAX);
    for (const path of hottest) promote(path);
    await worker.call("warm", { paths: hottest });
    capturer.sweepSoon(); // what changed between the first sweep and the watches.
    await this.#untilEqual(signal);
    capturer.startWatching();
    this.#isLive = true;
    this.#reporter.live({ mailboxes: capturer.counts.mailboxes, messages: capturer.counts.messages });
    await capturer.run(signal, false);
  }

  #startTicker(signal: AbortSignal): { cancel(): void } {
    let timer = systemClock.setTimer(PROGRESS_EVERY_MS, () => tick());
    let lastLookMs = 0;
    const tick = () => {
      if (signal.aborted) return;
      const { capturer, writer } = this.#source;
      const elapsedMs = systemClock.monotonicMs() - this.#startMs;
      if (elapsedMs > 1000 && this.#tally.saves < capturer.counts.messages && !this.#isLive) {
        this.#reporter.progress({
          messagesTotal: capturer.counts.messages,
          counting: !capturer.settled,
          messagesDone: this.#tally.saves,
          bytesDone: this.#tally.bodyBytes,
          elapsedMs,
        });
      }
      if (elapsedMs - lastLookMs > LOOK_EVERY_MS) {
        lastLookMs = elapsedMs;
        if (this.#isLive) this.#tell(this.#standing.due(capturer.problems));
        if (this.#isLive) this.#tellBrake();
        if (this.#isLive) this.#heldRetry.look([this.#need()]);
        if (this.#isLive) void this.#settleBroughtBack().catch(() => undefined); // it is tried again.
        void writer.trimLog(this.#need().trimmableLsn).catch(() => undefined); // the next commit meets the same error.
      }
      timer = systemClock.setTimer(PROGRESS_EVERY_MS, tick);
    };
    return { cancel: () => timer.cancel() };
  }

  async #workerLost(): Promise<never> {
    const { worker, bodies } = this.#source;
    const error = await Promise.race([worker.ended, bodies.ended]);
    throw error ?? daemonError("worker-lost", "running the twin: a worker thread has ended");
  }

  /** Tells of what is left to a person; returns how much that is. */
  async #end(): Promise<number> {
    const { capturer, writer } = this.#source;
    const agent = this.#need();
    await writer.trimLog(agent.trimmableLsn);
    this.#tellRejections();
    this.#tell(capturer.problems.values());
    this.#toldBrakeMs = undefined; // once more, at the end.
    const held = this.#tellBrake() ? 1 : 0;
    return held + capturer.problems.size + agent.rejections.length + this.#foreignProblems;
  }

  #tellRejections(): void {
    for (const row of this.#need().rejections) this.#reporter.problem(problemOfRejection(row));
  }

  #tell(problems: Iterable<CaptureProblem>): void {
    for (const problem of problems) this.#reporter.problem({ ...problem, path: displayRaw(problem.path) });
  }

  /** Each time that it is on, once. Returns whether it is. */
  #tellBrake(): boolean {
    const { brake } = this.#source.capturer;
    if (brake === undefined) return false;
    if (this.#toldBrakeMs !== brake.sinceMs) {
      const { code, message, hint } = captureError("deletions-held", wordsOfBrake(brake));
      this.#reporter.problem({ path: "", code, message, hint });
    }
    this.#toldBrakeMs = brake.sinceMs;
    return true;
  }

  #doneSoFar(): string {
    const left = this.#source.reader.lastLsn() - this.#need().ackedLsn;
    if (this.#isLive) return `still to be shipped: ${countOf(left, "transaction")}`;
    return wordsOfShipped(this.#tally.totals(), this.#source.capturer.counts.messages);
  }

  #summarise(problems: number): void {
    const elapsedMs = systemClock.monotonicMs() - this.#startMs;
    this.#reporter.summary({
      ...sourceSums(this.#source.capturer.counts),
      ...this.#tally.totals(),
      problems,
      elapsedMs,
    });
  }

  #need(): ReplayAgent {
    if (this.#agent === undefined) throw new TypeError("the agent is made first");
    return this.#agent;
  }
}
