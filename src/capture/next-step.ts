/**
 * What the capture loop does next. Pure.
 *
 * The list of mailboxes comes first, then hints (they are cheap), then listings as far as they are rationed in. A mailbox that
 * is hinted all the time must not keep the others from being listed, so now and then a listing has its turn.
 */
import { assert } from "../base/assert.js";
import type { RawPath } from "../base/raw-name.js";
import type { DirtySet, FullReason } from "./dirty-set.js";

/** Hinted mailboxes that are examined before a listing that is due gets its turn. */
export const HINTED_IN_ROW_MAX = 16;

export type Step =
  | { readonly kind: "structure" }
  | { readonly kind: "examine"; readonly path: RawPath; readonly full: boolean }
  | { readonly kind: "wait"; readonly untilMs: number };

export interface StepInput {
  readonly nowMs: number;
  /** When the list of mailboxes is to be compared. */
  readonly structureDueMs: number;
  readonly dirty: Pick<DirtySet, "paths" | "urgency">;
  readonly listingDueMs: (path: RawPath, reason: FullReason) => number;
  /** When a mailbox whose first hint came then is to be examined: what belongs together is gathered until then. */
  readonly hintsDueMs: (path: RawPath, hintedMs: number) => number;
  /** Hinted mailboxes that were examined since the last listing of another. */
  readonly hintedInRow: number;
}

export function nextStep({ nowMs, structureDueMs, dirty, listingDueMs, hintsDueMs, hintedInRow }: StepInput): Step {
  if (structureDueMs <= nowMs) return { kind: "structure" };
  const isListingsTurn = hintedInRow >= HINTED_IN_ROW_MAX;
  let untilMs = structureDueMs;
  let hinted: Step | undefined;
  let listing: Step | undefined;
  for (const path of dirty.paths()) {
    const marks = dirty.urgency(path);
    assert(marks !== undefined, "a dirty path has marks");
    if (marks.notBeforeMs > nowMs) {
      untilMs = Math.min(untilMs, marks.notBeforeMs);
      continue;
    }
    const listAtMs = marks.full === undefined ? Number.POSITIVE_INFINITY : listingDueMs(path, marks.full);
    const examineAtMs = marks.hintedMs === undefined ? Number.POSITIVE_INFINITY : hintsDueMs(path, marks.hintedMs);
    if (examineAtMs <= nowMs) hinted ??= { kind: "examine", path, full: listAtMs <= nowMs };
    else if (listAtMs <= nowMs) listing ??= { kind: "examine", path, full: true };
    else untilMs = Math.min(untilMs, listAtMs, examineAtMs);
    if ((isListingsTurn ? listing : hinted) !== undefined) break;
  }
  const [first, second] = isListingsTurn ? [listing, hinted] : [hinted, listing];
  return first ?? second ?? { kind: "wait", untilMs };
}
