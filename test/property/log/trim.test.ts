/** The laws of trimming: as planned for any log, and as the database carries it out. */
import { join } from "node:path";
import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { keepLogWithin } from "../../../src/log/keep-log-within.js";
import { openStateReader } from "../../../src/log/state-reader.js";
import { planTrim, type TrimQuestion } from "../../../src/log/trim.js";
import { openInlineStateWriter } from "../../contract/inline-state-writer.js";
import { type ListedEntry, listedLog } from "../../unit/log/listed-log.js";
import { entries, tempDir } from "../../unit/log/state-fixtures.js";
import { tries } from "../tries.js";

const NOW_MS = 1000;
const FIRST_LSN = 5;

const anEntry: fc.Arbitrary<ListedEntry> = fc.record({ bytes: fc.nat(50), capturedMs: fc.nat(NOW_MS) });
const someLimits = fc.record({
  ...{ maxBytes: fc.nat(400), maxAgeMs: fc.nat(NOW_MS), recentEntries: fc.nat(12) },
});
const aReplica = fc.record({
  ...{
    lsn: fc.integer({ min: FIRST_LSN - 1, max: 30 }),
    needsResyncSinceMs: fc.option(fc.constant(3), { nil: undefined }),
  },
  heldLsn: fc.option(fc.integer({ min: FIRST_LSN, max: 30 }), { nil: undefined }),
});
const question: fc.Arbitrary<TrimQuestion> = fc
  .record({
    list: fc.array(anEntry, { maxLength: 20 }),
    rows: fc.array(aReplica, { maxLength: 4 }),
    limits: someLimits,
  })
  .map(({ list, rows, limits }) => {
    const replicas = rows.map((row, i) => ({ ...row, replica: `r${i}` }));
    return { log: listedLog(FIRST_LSN, list), replicas, limits, nowMs: NOW_MS };
  });

describe("planTrim", () => {
  test.prop([question], tries(2000))("what stays is within the size", (asked) => {
    const { upTo } = planTrim(asked);
    expect(asked.log.logBytes(upTo)).toBeLessThanOrEqual(asked.limits.maxBytes);
  });

  test.prop([question], tries(2000))("what nobody needs and stays is a sixteenth of the size at most", (asked) => {
    const { upTo } = planTrim(asked);
    const needed = planTrim({ ...asked, limits: { ...asked.limits, recentEntries: 0 } });
    if (upTo < needed.upTo) expect(asked.log.logBytes(upTo)).toBeLessThanOrEqual(asked.limits.maxBytes / 16);
  });

  test.prop([question], tries(2000))("nothing goes that somebody needs who is not marked", (asked) => {
    const { upTo, needsResync } = planTrim(asked);
    const marked = new Set(needsResync.map(({ replica }) => replica));
    for (const { replica, lsn, needsResyncSinceMs, heldLsn = lsn + 1 } of asked.replicas) {
      if (needsResyncSinceMs !== undefined || marked.has(replica)) continue;
      expect(upTo).toBeLessThanOrEqual(lsn);
      if (heldLsn <= asked.log.lastLsn()) expect(upTo).toBeLessThan(heldLsn);
    }
  });

  test.prop([question], tries(2000))("only who lags beyond a limit is marked, and all of them are", (asked) => {
    const { log, limits, replicas } = asked;
    const lagging = replicas.filter(({ lsn, needsResyncSinceMs, heldLsn = lsn + 1 }) => {
      const hasLsn = Math.min(lsn, heldLsn - 1);
      const ageMs = NOW_MS - (log.oldestEntryMs(hasLsn) ?? NOW_MS);
      const isTooFar = log.logBytes(hasLsn) > limits.maxBytes || ageMs > limits.maxAgeMs;
      return needsResyncSinceMs === undefined && isTooFar;
    });
    expect(planTrim(asked).needsResync.map(({ replica }) => replica)).toStrictEqual(lagging.map((it) => it.replica));
  });

  test.prop([question], tries(1000))("who is marked and not being compared makes no difference", (asked) => {
    const others = asked.replicas.filter((it) => it.needsResyncSinceMs === undefined || it.heldLsn !== undefined);
    expect(planTrim(asked)).toStrictEqual(planTrim({ ...asked, replicas: others }));
  });

  test.prop([question], tries(1000))("what is left needs no further trim", (asked) => {
    const { log, replicas } = asked;
    const { upTo, needsResync } = planTrim(asked);
    const firstLsn = Math.max(log.firstLsn(), upTo + 1);
    const left = Array.from({ length: log.lastLsn() + 1 - firstLsn }, (_, i) => {
      const lsn = firstLsn + i;
      return { bytes: log.logBytes(lsn - 1) - log.logBytes(lsn), capturedMs: log.oldestEntryMs(lsn - 1) ?? 0 };
    });
    const now = replicas.map((it) =>
      needsResync.some(({ replica }) => replica === it.replica) ? { ...it, needsResyncSinceMs: NOW_MS } : it,
    );
    const again = planTrim({ ...asked, log: listedLog(firstLsn, left), replicas: now });
    expect(again.needsResync).toStrictEqual([]);
    expect(again.upTo).toBeLessThan(firstLsn);
  });
});

type Call =
  | { readonly kind: "append"; readonly count: number; readonly bytes: number }
  | { readonly kind: "cursor" | "clear"; readonly replica: string; readonly lsn: number }
  | { readonly kind: "add" | "forget"; readonly replica: string }
  | { readonly kind: "keep"; readonly maxBytes: number };

const replica = fc.constantFrom("a", "b", "c");
const calls: fc.Arbitrary<Call[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("append" as const), count: fc.nat(5), bytes: fc.nat(300) }) },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constantFrom("cursor" as const, "clear" as const), replica, lsn: fc.nat(40) }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("add" as const, "forget" as const), replica }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("keep" as const), maxBytes: fc.nat(1500) }) },
  ),
  { maxLength: 30 },
);

describe("the log of a database", () => {
  test.prop([calls], tries(60))("is whole from where the least of its unmarked replicas is", async (list) => {
    using dir = tempDir();
    const path = join(dir.path, "state.db");
    await using writer = openInlineStateWriter(path);
    using reader = openStateReader(path);
    for (const call of list) {
      const lastLsn = reader.lastLsn();
      const known = reader.replicas().find((row) => "replica" in call && row.replica === call.replica);
      if (call.kind === "append") await writer.appendCaptured(entries(call.count, new Uint8Array(call.bytes)));
      if (call.kind === "add") await writer.addReplica(call.replica, 7);
      if (call.kind === "forget") await writer.forgetReplica(call.replica);
      // As a replay agent does: of a replica that has a row and is not marked, and never beyond the log.
      if (call.kind === "cursor" && known?.needsResyncSinceMs === undefined && known !== undefined)
        await writer.setCursor(call.replica, Math.min(call.lsn, lastLsn));
      if (call.kind === "clear") {
        const firstLsn = reader.firstLsn();
        const isCleared = await writer.clearResync(call.replica, call.lsn);
        expect(isCleared).toBe(known !== undefined && call.lsn >= firstLsn - 1 && call.lsn <= lastLsn);
      }
      if (call.kind === "keep") {
        const limits = { maxBytes: call.maxBytes, maxAgeMs: 1000, recentEntries: 3 };
        await keepLogWithin({ reader, writer }, { limits, nowMs: 9 });
        expect(reader.logBytes()).toBeLessThanOrEqual(call.maxBytes);
      }
      const stored = reader.entriesAfter(0, 1_000_000);
      expect(reader.logBytes()).toBe(stored.reduce((sum, { bytes }) => sum + bytes.length + 64, 0));
      for (const { lsn, needsResyncSinceMs } of reader.replicas()) {
        if (needsResyncSinceMs !== undefined) continue;
        expect(reader.firstLsn()).toBeLessThanOrEqual(lsn + 1);
      }
    }
  });
});
