/** When a mailbox may be listed. */
import { describe, expect, test } from "vitest";
import { ListingHistory } from "../../../src/capture/listing-history.js";
import { hintsDueMs, listingDueMs, QUIET_MS, RESTLESS_MS_MAX } from "../../../src/capture/ration.js";
import { rawPath } from "../log/state-fixtures.js";

describe("listingDueMs", () => {
  const hints = (lastHintMs: number, restsSinceMs = lastHintMs) => ({ lastHintMs, restsSinceMs });

  test("the first listing, and one that goes on, is due at once", () => {
    expect(listingDueMs("first", undefined, hints(500))).toBe(0);
    expect(listingDueMs("continue", { endMs: 1000, tookMs: 900 }, hints(500))).toBe(0);
  });

  test("after one that took long, nine times as long is waited; a cheap one costs no wait", () => {
    expect(listingDueMs("confirm", { endMs: 1000, tookMs: 100 }, hints(0))).toBe(1900);
    expect(listingDueMs("sweep", { endMs: 1000, tookMs: 2 }, hints(0))).toBe(1000);
  });

  test("one for the fingerprint's sake waits for quiet too, also if it is the first, but not for ever", () => {
    expect(listingDueMs("quiet", undefined, hints(5000))).toBe(5000 + QUIET_MS);
    expect(listingDueMs("quiet", { endMs: 1000, tookMs: 1 }, hints(5000))).toBe(5000 + QUIET_MS);
    expect(listingDueMs("quiet", { endMs: 90_000, tookMs: 10_000 }, hints(5000))).toBe(180_000);
    const restless = listingDueMs("quiet", { endMs: 1000, tookMs: 1 }, hints(3000 + 10 * RESTLESS_MS_MAX, 3000));
    expect(restless).toBe(3000 + RESTLESS_MS_MAX);
  });
});

test("hints are gathered for a moment, and a busy mailbox is looked at now and then", () => {
  const limits = { gatherMs: 3, busyMs: 20 };
  expect(hintsDueMs(limits, 1000, Number.NEGATIVE_INFINITY)).toBe(1003);
  expect(hintsDueMs(limits, 1000, 900)).toBe(1003);
  expect(hintsDueMs(limits, 1000, 995)).toBe(1015);
});

describe("ListingHistory", () => {
  const A = rawPath("a");

  test("hints end with the next listing", () => {
    const history = new ListingHistory();
    history.noteHintedExamination(A, 7);
    expect(history.restsOnHints(A)).toBe(true);
    history.noteListing(A, 10, 1);
    expect(history.restsOnHints(A)).toBe(false);
  });

  test("going on with a listing keeps its cost", () => {
    const history = new ListingHistory();
    history.noteListing(A, 1000, 100);
    history.noteListing(A, 2000, undefined);
    expect(history.dueMs(A, "sweep")).toBe(2900);
  });
});
