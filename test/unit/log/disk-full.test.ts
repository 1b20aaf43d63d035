/** A full disk: said by its code, nothing lost, and work goes on once there is space. Needs root, for a tiny tmpfs. */
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
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
});
