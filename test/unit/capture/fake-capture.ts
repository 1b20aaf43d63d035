/** A capture worker whose answers are scripted, and a log that numbers what it is given. */
import type {
  CaptureMethods,
  CaptureProblem,
  ExamineOutcome,
  ExamineRequest,
  FoundMailbox,
  NumberOutcome,
  RenumberOutcome,
  VanishedOutcome,
  Waiting,
} from "../../../src/capture/capture-types.js";
import { Capturer } from "../../../src/capture/capturer.js";
import type { CapturerLimits } from "../../../src/capture/ration.js";
import { type RecordPorts, recordExamined, recordVanished } from "../../../src/capture/record-found.js";
import type { CaptureCommit, MailboxRow } from "../../../src/log/state-types.js";
import type { FoundDirectory } from "../../../src/maildir/discover.js";
import type { MailboxGuid } from "../../../src/maildir/ids.js";
import { FakeClock } from "../../fake-clock.js";
import { until } from "../../turns.js";
import { inlineWorker } from "../../worker-client.js";
import { entries, mailboxRow } from "../log/state-fixtures.js";

export const IDLE: Waiting = {
  pending: 0,
  unnumbered: { count: 0, oldestSeenMs: 0 },
  needListing: false,
  more: false,
  grown: false,
  late: [],
};

export const UNCHANGED: ExamineOutcome<CaptureCommit> = { kind: "unchanged", ...IDLE };

/** A commit of `count` transactions that leaves the mailbox as `row`. */
export function commitOf(row: MailboxRow, count = 1): CaptureCommit {
  return { ...entries(count), mailboxes: [row] };
}

export function sealed(
  row: MailboxRow,
  more: Partial<Waiting> & { readonly changes?: number } = {},
): ExamineOutcome<CaptureCommit> {
  const { changes = 1, ...waiting } = more;
  return { kind: "sealed", ...IDLE, ...waiting, commit: commitOf(row), saves: changes, changes };
}

export function problem(path: MailboxRow["path"], code = "odd"): CaptureProblem {
  return { path, code, message: `${code} happened`, hint: "look" };
}

export function found({ path, guid, fingerprint }: MailboxRow, more: Partial<FoundMailbox> = {}): FoundMailbox {
  return { path, guid, fingerprint, ...more };
}

export class FakeCapture {
  mailboxes: FoundMailbox[] = [];
  problems: CaptureProblem[] = [];
  directories: FoundDirectory[] = [];
  readonly requests: ExamineRequest[] = [];
  /** Answers by path, one for each examination; then nothing changed. */
  readonly outcomes = new Map<string, ExamineOutcome<CaptureCommit>[]>();
  readonly numbers: NumberOutcome[] = [];
  readonly renumbers: RenumberOutcome[] = [];
  readonly known: { uid: number }[] = [];
  vanishedOutcome: VanishedOutcome<CaptureCommit> = { kind: "unknown" };
  /** Called with what is to be recorded; returns its LSNs. */
  onAppend: (commit: CaptureCommit) => readonly number[] = () => [];
  /** How often what was sealed came to nothing. */
  forgotten = 0;
  readonly points: string[] = [];
  discoveries = 0;
  /** What looks by two walks say, one after the other. */
  readonly uncertain: MailboxGuid[][] = [];
  onExamine: (request: ExamineRequest) => void = () => undefined;
  onDiscover: () => void | Promise<void> = () => undefined;

  async discover(request?: { readonly twice: boolean; readonly directories?: boolean }) {
    this.discoveries += 1;
    await this.onDiscover();
    const uncertain = request?.twice === true ? this.uncertain.shift() : undefined;
    return {
      ...{ mailboxes: this.mailboxes, problems: this.problems },
      ...(uncertain === undefined ? {} : { uncertain }),
      ...(request?.directories === true ? { directories: this.directories } : {}),
    };
  }

  warm(): void {}

  examine(request: ExamineRequest): ExamineOutcome {
    this.requests.push(request);
    this.onExamine(request);
    const outcome = this.outcomes.get(request.path)?.shift() ?? UNCHANGED;
    const isAnswer = outcome.kind === "sealed" || outcome.kind === "unchanged";
    const told = request.full && isAnswer ? { listed: { entries: 0, ms: 0 }, ...outcome } : outcome;
    return recordExamined(this.#recording, told);
  }

  number(): NumberOutcome {
    return this.numbers.shift() ?? { kind: "numbered", count: 0, more: false, uidNext: 1, notFiles: [] };
  }

  renumber(): RenumberOutcome {
    return this.renumbers.shift() ?? { kind: "renumbered", moves: [], uidNext: 1 };
  }

  states() {
    return { states: this.known };
  }

  vanished(): VanishedOutcome {
    return recordVanished(this.#recording, this.vanishedOutcome);
  }

  get #recording(): RecordPorts {
    return {
      store: {
        forgetSealed: () => {
          this.forgotten += 1;
        },
      },
      writes: { appendCaptured: (commit) => this.onAppend(commit) },
      reach: (point) => void this.points.push(point),
    };
  }

  /** What was asked of `examine`, in short: "path", with "!" for a listing. */
  get asked(): string[] {
    return this.requests.map(({ path, full }) => `${path}${full ? "!" : ""}`);
  }
}

export const LIMITS: CapturerLimits = { unnumberedMsMax: 500, sweepMs: 20_000, gatherMs: 0, busyMs: 0 };

export class Bench {
  readonly clock = new FakeClock();
  readonly capture = new FakeCapture();
  readonly worker = inlineWorker(this.capture as unknown as CaptureMethods);
  readonly commits: CaptureCommit[] = [];
  readonly captured: { lastLsn: number; saves: number; changes: number }[] = [];
  readonly stop = new AbortController();
  onAppend: () => void = () => undefined;
  #lastLsn = 0;

  capturer(rows: readonly MailboxRow[] = [], limits = LIMITS): Capturer {
    this.capture.onAppend = (commit) => {
      this.onAppend();
      this.commits.push(commit);
      return commit.transactions.map(() => {
        this.#lastLsn += 1;
        return this.#lastLsn;
      });
    };
    const onCommitted = (captured: Bench["captured"][number]) => void this.captured.push(captured);
    const ports = { worker: this.worker, clock: this.clock, onCommitted };
    return new Capturer(ports, limits, rows);
  }

  /** Runs until all is settled, time passing as needed. */
  async settle(capturer: Capturer, msMax = 2_000): Promise<void> {
    const state = { isDone: false };
    const run = capturer.run(this.stop.signal, true).finally(() => {
      state.isDone = true;
    });
    run.catch(() => undefined);
    for (let ms = 0; !state.isDone && ms < msMax; ms += 5) await this.clock.advance(5);
    await until(() => state.isDone, `all is settled within ${msMax} ms`);
    await run;
  }

  /** A capturer that watches mailboxes, each of which it has listed once; they stand as the baseline has them. */
  async watching(
    rows: readonly MailboxRow[],
    limits = LIMITS,
  ): Promise<{ readonly capturer: Capturer; readonly run: Promise<void> }> {
    this.capture.mailboxes = rows.map((row) => found(row, { fingerprint: "" }));
    const capturer = this.capturer(rows, limits);
    await capturer.run(this.stop.signal, true);
    this.capture.mailboxes = rows.map((row) => found(row));
    this.capture.requests.length = 0;
    capturer.startWatching();
    const run = capturer.run(this.stop.signal, false);
    run.catch(() => undefined);
    return { capturer, run };
  }
}

/** A row whose fingerprint is trusted, at "m<id>". */
export function row(id: number, more: Partial<MailboxRow> = {}): MailboxRow {
  return mailboxRow(id, { fingerprint: `f${id}`, ...more });
}
