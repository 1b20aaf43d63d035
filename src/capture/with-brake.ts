/**
 * An answer of the capture worker, with what the brake has to say and to have recorded: what holds something back is durable before
 * anybody hears of it.
 */
import type { RawPath } from "../base/raw-name.js";
import type { CaptureCommit } from "../log/state-types.js";
import type { BrakeLimits } from "./brake.js";
import type { BackAgain, Braked, CaptureMethods, DiscoverOutcome, FoundMailbox } from "./capture-types.js";
import { type BrakeSources, DeletionBrake } from "./deletion-brake.js";
import type { InnerMounts } from "./inner-mounts.js";

/** It moves nothing. */
const NO_CAPTURE: CaptureCommit = { mailboxes: [], removedMailboxIds: [], chunks: [], transactions: [] };

/** `limits` undefined: no deletion is ever held back. */
export function openBrake(limits: BrakeLimits | undefined, sources: BrakeSources): DeletionBrake | undefined {
  return limits === undefined ? undefined : new DeletionBrake(limits, sources);
}

interface Answer {
  readonly kind: string;
  readonly commit?: CaptureCommit;
}

/** What cannot record leaves it to the next answer. */
const RECORDING: ReadonlySet<string> = new Set(["sealed", "unchanged", "problem", "held"]);

export function withBrake<T extends Answer>(answer: T, brake: DeletionBrake | undefined): T & Braked {
  if (brake === undefined) return answer;
  const { report } = brake;
  const told = report === undefined ? answer : { ...answer, brake: report };
  const meta = RECORDING.has(answer.kind) ? brake.takeMeta() : [];
  return meta.length === 0 ? told : { ...told, commit: { ...(answer.commit ?? NO_CAPTURE), meta } };
}

/** Asked after a mailbox at that path was opened (inner-mounts.ts). */
export function mountAt(path: RawPath, brake: DeletionBrake | undefined): ReturnType<InnerMounts["standingOf"]> {
  return brake?.mounts.standingOf(path) ?? "well";
}

/** What a look at the store has to have recorded, once: so that it is known after a restart, though nothing was captured. */
export function notesOf(brake: DeletionBrake | undefined): CaptureCommit | undefined {
  const meta = brake?.takeMeta() ?? [];
  return meta.length === 0 ? undefined : { ...NO_CAPTURE, meta };
}

/** What is held back, and which mailboxes of that are gone: of those that stand none is. */
export function heldBeside(
  standing: readonly FoundMailbox[],
  brake: DeletionBrake | undefined,
): Pick<DiscoverOutcome, "brake" | "held"> {
  brake?.noteStanding(standing.flatMap(({ guid, claims }) => (claims === undefined ? [guid] : [])));
  const report = brake?.report;
  return brake === undefined || report === undefined ? {} : { brake: report, held: brake.heldWhole };
}

/** `back`: only that. */
export function approveHeld(
  brake: DeletionBrake | undefined,
  back: readonly BackAgain[] | undefined,
): ReturnType<CaptureMethods<CaptureCommit>["approve"]> {
  const paths = (back === undefined ? brake?.approve() : brake?.release(back)) ?? [];
  const meta = brake?.takeMeta() ?? [];
  return meta.length === 0 ? { paths } : { paths, commit: { ...NO_CAPTURE, meta } };
}
