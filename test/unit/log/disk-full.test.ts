/** A full disk: said by its code, nothing lost, and work goes on once there is space. Needs root, for a tiny tmpfs. */
import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openStateReader } from "../../../src/log/state-reader.js";
import { openStateWriter } from "../../../src/log/state-writer.js";
import { entries, type TempDir, tempDir } from "./state-fixtures.js";

function mountTiny(at: string): boolean {
  if (process.getuid?.() !== 0) return false;
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", at], { stdio: "ignore" });
    return true;
  } catch {
    return false; // a container without the right to mount.
  }
}

/** Takes all that is left. */
function fillUp(path: string): void {
  const fd = openSync(path, "w");
  try {
    for (;;) writeSync(fd, new Uint8Array(4096));
  } catch {
    closeSync(fd);
  }
}

describe("a full disk", () => {
  let dir: TempDir;
  let place: string;
  let mounted: boolean;

  beforeEach(() => {
    dir = tempDir();
    place = join(dir.path, "tiny");
    mkdirSync(place);
    mounted = mountTiny(place);
  });

  afterEach(() => {
    if (mounted) execFileSync("umount", ["-l", place]);
    dir[Symbol.dispose]();
  });

  test("is told by its code, takes nothing that was acknowledged, and ends when space is free", async (context) => {
    if (!mounted) return context.skip("cannot mount a tmpfs here");
    const path = join(place, "state.db");
    const filler = join(place, "filler");
    await using writer = await openStateWriter(path, { create: true });
    writeFileSync(filler, new Uint8Array(600_000));
    const bytes = new Uint8Array(50_000).fill(7);
    const lsns: number[] = [];
    let failure: unknown;
    for (let i = 0; i < 100 && failure === undefined; i++) {
      try {
        lsns.push(...(await writer.appendCaptured(entries(1, bytes))));
      } catch (error) {
        failure = error;
      }
    }
    expect(failure).toMatchObject({ code: "state-disk-full", disposition: "operator", exitCode: 74 });
    const together = await Promise.allSettled([1, 2].map(() => writer.appendCaptured(entries(1, bytes))));
    expect(together.map(({ status }) => status)).toStrictEqual(["rejected", "rejected"]);

    using reader = openStateReader(path);
    const kept = reader.entriesAfter(0, 100_000_000);
    expect(kept.map(({ lsn }) => lsn)).toStrictEqual(lsns);
    expect(kept.every((entry) => Buffer.compare(entry.bytes, bytes) === 0)).toBe(true);

    rmSync(filler);
    expect(await writer.appendCaptured(entries(2, bytes))).toStrictEqual([lsns.length + 1, lsns.length + 2]);
    expect(reader.lastLsn()).toBe(lsns.length + 2);
    return undefined;
  });

  test("while the log is trimmed leaves it whole, with its marks, and the trim goes on when space is free", async (context) => {
    if (!mounted) return context.skip("cannot mount a tmpfs here");
    const path = join(place, "state.db");
    const filler = join(place, "filler");
    await using writer = await openStateWriter(path, { create: true });
    using reader = openStateReader(path);
    await writer.addReplica("away", 5);
    await writer.addReplica("near", 5);
    for (let i = 0; i < 5; i++) await writer.appendCaptured(entries(1000, new Uint8Array(20).fill(7)));
    await writer.setCursor("near", 4200);
    fillUp(filler);
    const trim = { upTo: 5000, needsResync: [{ replica: "away", why: "log-size" as const }], nowMs: 6 };
    await expect(writer.trim(trim)).rejects.toMatchObject({ code: "state-disk-full" });

    const firstLsn = reader.firstLsn();
    expect(firstLsn).toBeLessThanOrEqual(4201);
    const kept = reader.entriesAfter(0, 100_000_000);
    expect(kept.map(({ lsn }) => lsn)).toStrictEqual(kept.map((_, i) => firstLsn + i));
    expect(kept.at(-1)?.lsn).toBe(5000);
    const isMarked = reader.replicas().some((row) => row.replica === "away" && row.needsResyncSinceMs !== undefined);
    expect(isMarked).toBe(firstLsn > 1); // never trimmed and not marked, nor the other way round.

    rmSync(filler);
    await writer.trim(trim);
    expect(reader.firstLsn()).toBe(4201);
    expect(reader.replicas()).toMatchObject([{ needsResyncSinceMs: 6 }, { lsn: 4200, needsResyncSinceMs: undefined }]);
    return undefined;
  });
});
