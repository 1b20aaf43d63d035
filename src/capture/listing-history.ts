/**
 * What is remembered of each mailbox to ration its listings: the last one, the last hint, and what rests on hints alone.
 */
import type { RawPath } from "../base/raw-name.js";
import type { FullReason } from "./dirty-set.js";
import { type GatherLimits, hintsDueMs, type LastListing, listingDueMs } from "./ration.js";

const ECHO_MS = 500;

interface History {
  lastListing: LastListing | undefined;
  lastHintMs: number;
  /** When it was examined by hints last. */
  examinedMs: number;
  /** Since when the last examinations relied on hints; undefined after a listing. */
  restsSinceMs: number | undefined;
}

export class ListingHistory {
  readonly #byPath = new Map<RawPath, History>();

  /** The last examination relied on hints, so a stored fingerprint that differs tells nothing. */
  restsOnHints(path: RawPath): boolean {
    return this.#of(path).restsSinceMs !== undefined;
  }

  noteHint(path: RawPath, nowMs: number): void {
    this.#of(path).lastHintMs = nowMs;
  }

  noteHintedExamination(path: RawPath, nowMs: number): void {
    const history = this.#of(path);
    history.restsSinceMs ??= nowMs;
    history.examinedMs = nowMs;
  }

  /** What is hinted at next is not to wait because the mailbox was examined a moment ago. */
  hurry(path: RawPath): void {
    this.#of(path).examinedMs = Number.NEGATIVE_INFINITY;
  }

  /** `tookMs` is undefined for an examination that went on with an earlier listing. */
  noteListing(path: RawPath, endMs: number, tookMs: number | undefined): void {
    const history = this.#of(path);
    history.lastListing = { endMs, tookMs: tookMs ?? history.lastListing?.tookMs ?? 0 };
    history.restsSinceMs = undefined;
  }

  /** When the mailbox may be listed for that reason. */
  dueMs(path: RawPath, reason: FullReason): number {
    const { lastListing, lastHintMs, restsSinceMs = 0 } = this.#of(path);
    return listingDueMs(reason, lastListing, { lastHintMs, restsSinceMs });
  }

  /**
   * Whether what the structure tier says is what the message tier says of the same change, before or after it: the mailbox was examined
   * a moment ago. What the message tier did not say is left to the next hint or sweep.
   */
  isEcho(path: RawPath, nowMs: number): boolean {
    return nowMs - this.#of(path).examinedMs < ECHO_MS;
  }

  /** When what was hinted at first then is to be looked at. */
  hintsDueMs(path: RawPath, hintedMs: number, limits: GatherLimits): number {
    return hintsDueMs(limits, hintedMs, this.#of(path).examinedMs);
  }

  #of(path: RawPath): History {
    let history = this.#byPath.get(path);
    if (history === undefined) {
      history = {
        lastListing: undefined,
        lastHintMs: 0,
        examinedMs: Number.NEGATIVE_INFINITY,
        restsSinceMs: undefined,
      };
      this.#byPath.set(path, history);
    }
    return history;
  }
}
