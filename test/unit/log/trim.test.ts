/** How far the log is trimmed, row by row. The laws are in test/property/log/trim.test.ts. */
import { describe, expect, test } from "vitest";
import { planTrim, type TrimReplica } from "../../../src/log/trim.js";
import { listedLog } from "./listed-log.js";

const DAY_MS = 86_400_000;
const NOW_MS = 100 * DAY_MS;
const LIMITS = { maxBytes: 1000, maxAgeMs: 14 * DAY_MS, recentEntries: 0 };

/** Ten entries of 100 bytes, LSN 11 to 20, captured a day ago. */
const TEN = listedLog(
  11,
  Array.from({ length: 10 }, () => ({ bytes: 100, capturedMs: NOW_MS - DAY_MS })),
);
const at = (lsn: number, more: Partial<TrimReplica> = {}): TrimReplica => ({
  ...{ replica: `at-${lsn}`, lsn, needsResyncSinceMs: undefined, ...more },
});
const marked = (lsn: number, heldLsn?: number) => at(lsn, { replica: "marked", needsResyncSinceMs: 5, heldLsn });

describe("planTrim", () => {
  test.each<[string, readonly TrimReplica[], Partial<typeof LIMITS>, number, readonly (readonly [string, string])[]]>([
    ["all have all: all goes", [at(20), at(20)], {}, 20, []],
    ["one lags: what it lacks stays", [at(20), at(15)], {}, 15, []],
    ["one has nothing of it: nothing goes", [at(10), at(20)], {}, 10, []],
    ["a cursor beyond the log counts as its end", [at(25)], {}, 20, []],
    ["no replica at all: nobody is waited for", [], {}, 20, []],
    ["lags by just the limit", [at(15)], { maxBytes: 500 }, 15, []],
    ["lags by more than the limit", [at(15), at(18)], { maxBytes: 499 }, 18, [["at-15", "log-size"]]],
    [
      "several lag by more than the limit",
      [at(12), at(15), at(20)],
      { maxBytes: 499 },
      20,
      [
        ["at-12", "log-size"],
        ["at-15", "log-size"],
      ],
    ],
    ["the last one lags too far", [at(15)], { maxBytes: 499 }, 20, [["at-15", "log-size"]]],
    ["what it lacks is just as old as allowed", [at(15)], { maxAgeMs: DAY_MS }, 15, []],
    ["what it lacks is too old", [at(15), at(20)], { maxAgeMs: DAY_MS - 1 }, 20, [["at-15", "log-age"]]],
    ["it lacks nothing, however old the log is", [at(20)], { maxAgeMs: 1 }, 20, []],
    ["a marked one holds nothing back", [marked(11), at(20)], {}, 20, []],
    ["a marked one that lags too far is not marked again", [marked(11), at(20)], { maxBytes: 100 }, 20, []],
    ["a marked one that is being compared holds what follows", [marked(11, 17), at(20)], {}, 16, []],
    ["but not more than the limits allow", [marked(11, 17), at(20)], { maxBytes: 399 }, 20, []],
    ["a rejected transaction stays", [at(20, { heldLsn: 14 })], {}, 13, []],
    ["a rejected one ahead of the cursor is no matter", [at(12, { heldLsn: 14 })], {}, 12, []],
    [
      "a rejected transaction that is too far back",
      [at(20, { heldLsn: 14 })],
      { maxBytes: 699 },
      20,
      [["at-20", "log-size"]],
    ],
    ["some stay to be looked at", [at(20)], { recentEntries: 3, maxBytes: 4800 }, 17, []],
    ["those that somebody lacks are among them", [at(15)], { recentEntries: 3, maxBytes: 4800 }, 15, []],
    ["all of them, if there are no more", [at(20)], { recentEntries: 500, maxBytes: 16_000 }, -480, []],
    ["fewer where they take more than a part of the limit", [at(20)], { recentEntries: 8, maxBytes: 12_799 }, 16, []],
    ["none where one takes more", [at(20)], { recentEntries: 8, maxBytes: 1599 }, 20, []],
    ["also without replicas", [], { recentEntries: 3, maxBytes: 4800 }, 17, []],
  ])("%s", (_, replicas, limits, upTo, needsResync) => {
    const plan = planTrim({ log: TEN, replicas, limits: { ...LIMITS, ...limits }, nowMs: NOW_MS });
    expect(plan).toStrictEqual({ upTo, needsResync: needsResync.map(([replica, why]) => ({ replica, why })) });
  });

  test("an empty log has nothing to trim and nobody to mark", () => {
    const plan = planTrim({ log: listedLog(21, []), replicas: [at(3), at(20)], limits: LIMITS, nowMs: NOW_MS });
    expect(plan).toStrictEqual({ upTo: 3, needsResync: [] });
  });

  test("a clock that was set back marks nobody", () => {
    const plan = planTrim({ log: TEN, replicas: [at(12)], limits: LIMITS, nowMs: 5 });
    expect(plan).toStrictEqual({ upTo: 12, needsResync: [] });
  });
});
