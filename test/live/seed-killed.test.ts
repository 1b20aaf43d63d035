/** `kill -9` of a first `sync` at each point of reading the source: the next run goes on, and nothing is lost or there twice. */
import { describe, expect, test } from "vitest";
import { CAPTURE_CRASH_POINTS } from "../../src/capture/source-store.js";
import { storeLeaks } from "./lab/files.js";
import { runTwin } from "./lab/mailtwin.js";
import { rawDifferences } from "./twin/raw-compare.js";
import { addFile, eventsOf, makeMailbox, openBench, summaryOf } from "./twin/small-store.js";

/** In more than one transaction. */
const MANY = 700;
const POINTS = CAPTURE_CRASH_POINTS.flatMap((point) => [point, `${point}:2`]);

describe("the first run of all", () => {
  test.each(POINTS)("killed at %s: the next one seeds the rest", async (point) => {
    using bench = openBench();
    makeMailbox(bench.source, "u1/Maildir/.Work", { messages: MANY });
    for (const user of ["u1", "u2"]) {
      const inbox = makeMailbox(bench.source, `${user}/Maildir`, { messages: 5, seed: 1_000 });
      addFile(inbox, { seed: 2_000 }); // has no UID yet.
    }
    const args = ["sync", bench.source, bench.replica, "--json", "--state", bench.state];
    const killed = await runTwin(args, { env: { MAILTWIN_CRASH_AT: point } });
    const [name] = point.split(":");
    expect(killed).toMatchObject({ signal: "SIGKILL", stderr: `killed at crash point ${name}\n` });
    const run = await bench.sync();
    expect(run.code, JSON.stringify(run)).toBe(0);
    expect(eventsOf(run, "problem")).toEqual([]);
    expect(rawDifferences(bench.source, bench.replica)).toEqual([]);
    expect(storeLeaks(bench.replica)).toEqual([]);
    const isLock = (leak: string) => leak.startsWith("left lock"); // of a dead process: whoever takes it next overrides it.
    expect(storeLeaks(bench.source).filter((leak) => !isLock(leak))).toEqual([]);
    const last = summaryOf(await bench.sync());
    expect(last).toMatchObject({ messages: MANY + 12, transactions: 0, problems: 0 });
  });
});
