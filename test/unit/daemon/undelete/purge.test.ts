/** When the limbo is purged, and what is recorded of it; `sync` does it at its end, by the limits that it is given. */
import { readdirSync, renameSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { PurgeOutcome } from "../../../../src/apply/purge-types.js";
import type { RawPath } from "../../../../src/base/raw-name.js";
import {
  isPurgeDue,
  type Purged,
  purgeLimbo,
  purgeOnce,
  schedulePurges,
} from "../../../../src/daemon/undelete/purge.js";
import { openStateReader } from "../../../../src/log/state-reader.js";
import { type LimboRow, NO_EFFECT } from "../../../../src/log/state-types.js";
import { openStateWriter } from "../../../../src/log/state-writer.js";
import { parseMailboxGuid } from "../../../../src/maildir/ids.js";
import { FakeClock } from "../../../fake-clock.js";
import { type Bench, expectRefusal, filledBench } from "../../../live/twin/small-store.js";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const WEEK = { keptMs: 7 * DAY_MS, bytesMax: undefined };
const NONE: Purged = { messages: 0, mailboxes: 0, bytes: 0, failed: undefined };

function row(name: string, parts: Partial<LimboRow> = {}): LimboRow {
  const mailbox = parseMailboxGuid("0".repeat(32));
  return { name, mailbox, path: "a" as RawPath, uid: 1, base: "x", size: 10, cause: "expunge", removedMs: 5, ...parts };
}

describe("purgeLimbo", () => {
  test("records each slice before the next one, and sums them up", async () => {
    const mailbox = row("m", { uid: 0, base: "", size: 0 });
    const slices: PurgeOutcome[] = [
      { counted: [{ ...mailbox, size: 70 }], dropped: [row("a")], more: true },
      { counted: [], dropped: [], failed: "one", more: true },
      { counted: [], dropped: [{ ...mailbox, size: 70 }, row("b", { uid: 0 })], failed: "two", more: true },
      { counted: [], dropped: [], more: false },
    ];
    const done: unknown[] = [];
    const store = {
      call: async () => {
        done.push("slice");
        return slices.shift();
      },
    };
    const writer = {
      recordEffect: async ({ limbo }: { readonly limbo: readonly LimboRow[] }) => void done.push(limbo),
      dropLimbo: async (names: readonly string[]) => void done.push(names),
    };
    const purged = await purgeLimbo({ store: store as never, writer }, WEEK, new AbortController().signal);
    expect(purged).toEqual({ messages: 2, mailboxes: 1, bytes: 90, failed: "one" });
    expect(done).toEqual([...["slice", [{ ...mailbox, size: 70 }], ["a"], "slice", "slice", ["m", "b"], "slice"]]);
  });

  test("ends between two slices when it is asked to", async () => {
    const stop = new AbortController();
    const store = {
      call: async () => {
        stop.abort(new Error("enough"));
        return { counted: [], dropped: [], more: true };
      },
    };
    await expect(purgeLimbo({ store, writer: {} } as never, WEEK, stop.signal)).rejects.toThrow("enough");
  });
});

test.each([
  ["is empty", [], WEEK, false],
  ["has only what is young", [row("a", { removedMs: 8 * DAY_MS })], WEEK, false],
  ["has something old", [row("a", { removedMs: 3 * DAY_MS })], WEEK, true],
  ["has too much", [row("a", { removedMs: 8 * DAY_MS })], { ...WEEK, bytesMax: 9 }, true],
  ["has as much as it may", [row("a", { removedMs: 8 * DAY_MS })], { ...WEEK, bytesMax: 10 }, false],
])("a purge of a limbo that %s", (_, rows, limits, isDue) => {
  const reader = { oldestLimbo: () => rows, limboBytes: () => rows.reduce((sum, { size }) => sum + size, 0) };
  expect(isPurgeDue(reader, limits, 10 * DAY_MS)).toBe(isDue);
});

describe("schedulePurges", () => {
  test("soon after the start and then every ten minutes, whatever comes of it, until it is disposed of", async () => {
    const clock = new FakeClock();
    const told: unknown[] = [];
    let failure: Error | undefined;
    const purge = async () => {
      if (failure !== undefined) throw failure;
      return NONE;
    };
    const schedule = schedulePurges(clock, {
      purge,
      onPurged: (purged) => told.push(purged),
      onFailed: (error) => told.push(error),
    });
    await clock.advance(59_000);
    expect(told).toEqual([]);
    await clock.advance(1_000);
    expect(told).toEqual([NONE]);
    failure = new Error("no disk");
    await clock.advance(600_000);
    expect(told).toEqual([NONE, failure]);
    failure = undefined;
    await clock.advance(600_000);
    expect(told).toEqual([NONE, new Error("no disk"), NONE]);
    await schedule[Symbol.asyncDispose]();
    expect(clock.timerCount).toBe(0);
  });

  test("what is under way is waited for at the end, and its end is no failure", async () => {
    const clock = new FakeClock();
    const told: unknown[] = [];
    let hasEnded = false;
    const purge = (signal: AbortSignal) =>
      new Promise<Purged>((_, reject) => {
        signal.addEventListener("abort", () =>
          setImmediate(() => {
            hasEnded = true;
            reject(new Error("stopped"));
          }),
        );
      });
    const tell = (it: unknown) => told.push(it);
    const schedule = schedulePurges(clock, { purge, onPurged: tell, onFailed: tell });
    await clock.advance(60_000);
    await schedule[Symbol.asyncDispose]();
    expect([hasEnded, told, clock.timerCount]).toEqual([true, [], 0]);
  });

  test("one alone keeps nothing else", async () => {
    const told: unknown[] = [];
    const failing = { purge: () => Promise.reject(new Error("no")), onPurged: () => undefined };
    await purgeOnce({ ...failing, onFailed: (error) => told.push(error) }, new AbortController().signal);
    expect(told).toEqual([new Error("no")]);
  });
});

describe("sync", () => {
  let bench: Bench;
  beforeEach(() => {
    bench = filledBench();
  });
  afterEach(() => bench[Symbol.dispose]());

  const limbo = () => join(bench.dir, ".replica.mailtwin/limbo");
  function rows(): readonly LimboRow[] {
    using reader = openStateReader(join(bench.state, "replica.db"));
    return reader.limbo();
  }
  /** As if they had gone so long ago. */
  async function age(ms: number, which: (row: LimboRow) => boolean = () => true): Promise<void> {
    const older = rows()
      .filter(which)
      .map((it) => ({ ...it, removedMs: it.removedMs - ms }));
    await using writer = await openStateWriter(join(bench.state, "replica.db"), { create: false });
    await writer.recordEffect({ ...NO_EFFECT, limbo: older });
  }
  const isMailbox = ({ uid }: LimboRow) => uid === 0;
  function left(): string[] {
    return readdirSync(limbo(), { recursive: true, encoding: "utf8" })
      .filter((name) => /\/[0-9a-f]{32}\.[^/]*$/.test(name))
      .sort();
  }

  /** Two messages and a mailbox. */
  async function removeSome(): Promise<void> {
    await bench.sync();
    for (const name of readdirSync(join(bench.source, "u1/Maildir/cur")).slice(0, 2))
      unlinkSync(join(bench.source, "u1/Maildir/cur", name));
    renameSync(join(bench.source, "u1/Maildir/.Work"), join(bench.dir, "gone"));
    expect((await bench.sync()).code).toBe(0);
    expect(rows().filter(isMailbox)).toHaveLength(1);
    expect(rows()).toHaveLength(3);
  }

  test("removes what is older than a week, also when nothing else is to be done, and says nothing of it", async () => {
    await removeSome();
    await age(6 * DAY_MS);
    expect((await bench.sync()).code).toBe(0);
    expect([rows().length, left().length]).toEqual([3, 3]);
    await age(DAY_MS, (it) => !isMailbox(it));
    const run = await bench.sync();
    expect([run.code, run.events.map(({ event }) => event)]).toEqual([0, ["summary"]]);
    expect([rows().every(isMailbox), rows().length, left()]).toEqual([true, 1, rows().map(({ name }) => name)]);
  });

  test("keeps as long, and as much, as it is told; what it cannot remove is a warning", async () => {
    await removeSome();
    await age(2 * HOUR_MS);
    await age(HOUR_MS, isMailbox);
    await bench.sync("--undelete-for", "4h", "--undelete-max-size", "1GiB");
    expect(left()).toHaveLength(3);
    const box = rows().find(isMailbox)?.name ?? "";
    writeFileSync(join(limbo(), box, "cur", "large"), Buffer.alloc(2 * 2 ** 20));
    const newMail = () => writeFileSync(join(bench.source, "u2/Maildir/cur", `${rows().length}.new`), "Subject: a\n\n");
    newMail(); // a mailbox is counted by the next run that has something to do.
    await bench.sync("--undelete-max-size", "1MiB");
    expect([rows().some(isMailbox), rows().length, left().length]).toEqual([false, 2, 2]);

    const [day = ""] = rows().map(({ name }) => name.slice(0, 10));
    renameSync(join(limbo(), day), join(limbo(), "elsewhere"));
    writeFileSync(join(limbo(), day), "in its place");
    const run = await bench.sync("--undelete-for", "1h");
    expect([run.code, rows().length, run.events.map(({ event }) => event)]).toEqual([0, 2, ["summary", "warning"]]);
    expect(run.events[1]?.["words"]).toMatch(/^not all of the limbo that is due could be removed: removing .*ENOTDIR/);
  });

  test.each([
    [["--undelete-for", "0s"], /--undelete-for "0s": that is less than 1h/],
    [["--undelete-for", "week"], /that is no duration/],
    [["--undelete-max-size", "0B"], /--undelete-max-size "0B": that is less than 1MiB/],
  ])("refuses %s", async (flags, words) => {
    expectRefusal(await bench.sync(...flags), "usage", 64, words);
  });
});
