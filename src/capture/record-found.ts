/**
 * Puts what was found into the log, in the thread that found it.
 *
 * INVARIANT: log first, baseline second, in one database transaction. A crash before it repeats the examination (a phantom),
 * never loses a change (a hole). The store, which believes in a commit from the moment it made it, is told if it failed.
 */
import type { CrashPoint } from "../base/crash-points.js";
import type { CaptureWrites } from "../log/own-writes.js";
import type { CaptureCommit } from "../log/state-types.js";
import type { CaptureMethods, ExamineOutcome, Recorded, VanishedOutcome } from "./capture-types.js";
import type { SourceStore } from "./source-store.js";

export interface RecordPorts {
  readonly store: Pick<SourceStore, "forgetSealed">;
  readonly writes: CaptureWrites;
  readonly reach: CrashPoint;
}

/** Throws: what keeps the state database from being written; then nothing of it is there. */
export function recordExamined(ports: RecordPorts, outcome: ExamineOutcome<CaptureCommit>): ExamineOutcome {
  if (outcome.kind === "sealed") return { ...outcome, commit: record(ports, outcome.commit) };
  if (outcome.kind === "absent") return outcome;
  const { commit, ...rest } = outcome;
  return commit === undefined ? rest : { ...rest, commit: record(ports, commit) };
}

/** As `recordExamined`. */
export function recordVanished(ports: RecordPorts, outcome: VanishedOutcome<CaptureCommit>): VanishedOutcome {
  if (outcome.kind === "sealed") return { ...outcome, commit: record(ports, outcome.commit) };
  if (outcome.kind !== "held") return outcome;
  const { commit, ...held } = outcome;
  return commit === undefined ? held : { ...held, commit: record(ports, commit) };
}

/** As `recordExamined`: what a look at the store has to say for later. */
export function recordLooked(ports: RecordPorts, notes: CaptureCommit | undefined): void {
  if (notes !== undefined) record(ports, notes);
}

type Approved<C> = ReturnType<CaptureMethods<C>["approve"]>;

/** As `recordExamined`. */
export function recordApproved(ports: RecordPorts, { paths, commit }: Approved<CaptureCommit>): Approved<Recorded> {
  return commit === undefined ? { paths } : { paths, commit: record(ports, commit) };
}

function record({ store, writes, reach }: RecordPorts, commit: CaptureCommit): Recorded {
  reach("capture.sealed");
  let lsns: readonly number[];
  try {
    lsns = writes.appendCaptured(commit);
  } catch (error) {
    store.forgetSealed();
    throw error;
  }
  reach("capture.committed");
  const { mailboxes, removedMailboxIds } = commit;
  return { mailboxes, removedMailboxIds, lastLsn: lsns.at(-1) };
}
