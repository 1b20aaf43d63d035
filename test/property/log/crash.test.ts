/** A killed writer loses nothing that it acknowledged, and log and baseline never disagree. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { openStateForReading } from "../../../src/log/state-file.js";
import { openStateReader } from "../../../src/log/state-reader.js";
import { newBaseline, tempDir } from "../../unit/log/state-fixtures.js";

const COMPILED = fileURLToPath(new URL("../../../node_modules/.cache/mailtwin/js", import.meta.url));
const LOOP = fileURLToPath(new URL("./append-loop.mjs", import.meta.url));
const TRIM_LOOP = fileURLToPath(new URL("./trim-loop.mjs", import.meta.url));

/** Runs the loop until it has said `count` lines, kills it, and returns all lines that came out whole. */
function runUntilKilled(path: string, count: number, loop = LOOP): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [loop, COMPILED, path], { stdio: ["ignore", "pipe", "pipe"] });
    let out = "";
    let trouble = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      out += text;
      if (out.split("\n").length > count) child.kill("SIGKILL");
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      trouble += text;
    });
    child.on("error", reject);
    child.on("close", (_code, signal) => {
      if (signal === "SIGKILL") resolve(out.split("\n").slice(0, -1));
      else reject(new Error(`the loop ended by itself: ${trouble}`));
    });
  });
}

describe("a killed writer", () => {
  test("has every acknowledged LSN in the log, and the baseline agrees with the log", { timeout: 60_000 }, async () => {
    using dir = tempDir();
    const path = join(dir.path, "state.db");
    const acknowledged = new Map<number, string>();
    for (const count of [3, 40, 150, 5, 90]) {
      for (const line of await runUntilKilled(path, count)) {
        const [lsn, ...captured] = line.split(" ");
        acknowledged.set(Number(lsn), captured.join(" "));
      }
      using reader = openStateReader(path);
      const log = reader.entriesAfter(0, 100_000_000);
      const lines = log.map(({ mailbox, bytes }) => `${Number(`0x${mailbox}`)} ${Buffer.from(bytes).toString()}`);

      expect(log.map(({ lsn }) => lsn)).toStrictEqual(log.map((_, i) => i + 1));
      for (const [lsn, captured] of acknowledged) expect(lines[lsn - 1]).toBe(captured);
      for (const row of reader.mailboxes()) {
        const logged = lines.filter((line) => line.startsWith(`${row.id} `)).length;
        const baseline = newBaseline(row, reader);
        const held = baseline.looks().flatMap(({ chunk }) => baseline.records(chunk));
        expect([row.messages, row.uidNext - 1, held.length]).toStrictEqual([logged, logged, logged]);
      }
    }
    expect(acknowledged.size).toBeGreaterThanOrEqual(3 + 40 + 150 + 5 + 90);
  });

  test("in the middle of trimming leaves a log that has all that is not given up", { timeout: 60_000 }, async () => {
    using dir = tempDir();
    const path = join(dir.path, "state.db");
    let [lastLsn, nearLsn] = [0, 0];
    let [trimmed, cleared] = [0, 0];
    for (const count of [60, 200, 7, 300, 120]) {
      for (const line of await runUntilKilled(path, count, TRIM_LOOP)) {
        const [what = "", lsn] = line.split(" ");
        if (what === "append") lastLsn = Math.max(lastLsn, Number(lsn));
        if (what === "cursor") nearLsn = Math.max(nearLsn, Number(lsn));
        if (what === "clear") cleared += 1;
      }
      using db = openStateForReading(path);
      expect(db.prepare("PRAGMA integrity_check").all()).toEqual([{ integrity_check: "ok" }]);
      using reader = openStateReader(path);
      const firstLsn = reader.firstLsn();
      const log = reader.entriesAfter(0, 100_000_000);
      expect(reader.lastLsn()).toBeGreaterThanOrEqual(lastLsn);
      expect(log.map(({ lsn }) => lsn)).toStrictEqual(log.map((_, i) => firstLsn + i));
      expect(log.at(-1)?.lsn).toBe(reader.lastLsn());
      for (const { lsn, bytes } of log) expect(Buffer.from(bytes).toString()).toBe(String(lsn));
      expect(reader.logBytes()).toBe(log.reduce((sum, { bytes }) => sum + bytes.length + 64, 0));
      expect(reader.cursor("near")).toBeGreaterThanOrEqual(nearLsn);
      for (const { lsn, needsResyncSinceMs } of reader.replicas())
        if (needsResyncSinceMs === undefined) expect(firstLsn).toBeLessThanOrEqual(lsn + 1);
      trimmed = Math.max(trimmed, firstLsn - 1);
    }
    expect(trimmed).toBeGreaterThan(10_000);
    expect(cleared).toBeGreaterThan(3);
  });
});
