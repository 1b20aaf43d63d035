/** A small file system in memory, to be filled, to be made larger, or to be mounted read-only. Needs root. */
import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync, statSync, truncateSync, writeSync } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "../../../src/base/errors.js";
import { openBench } from "./small-store.js";

export interface SmallDisk extends Disposable {
  /** The mount point. */
  readonly path: string;
  grow(size: string): void;
  /** Takes all the space that is left, but for so many bytes. */
  fill(leftBytes?: number): void;
  /** Gives back what `fill` took. */
  clear(): void;
  remount(mode: "ro" | "rw"): void;
}

const BLOCK_BYTES = 4096;

/** Mounted below `dir` until it is disposed of. `size`: as mount(8) has it, "4m". */
export function openSmallDisk(dir: string, size: string): SmallDisk {
  const path = join(dir, "disk");
  const filler = join(path, "filler");
  mkdirSync(path);
  mount(["-t", "tmpfs", "-o", `size=${size},mode=755`, "tmpfs", path]);
  return {
    path,
    grow: (larger) => mount(["-o", `remount,size=${larger}`, path]),
    fill: (leftBytes = 0) => {
      fill(filler);
      if (leftBytes > 0) truncateSync(filler, statSync(filler).size - leftBytes);
    },
    clear: () => rmSync(filler),
    remount: (mode) => mount(["-o", `remount,${mode}`, path]),
    [Symbol.dispose]: () => {
      const done = spawnSync("umount", [path], { encoding: "utf8" });
      if (done.status !== 0) throw new Error(`umount: ${done.stderr}`);
    },
  };
}

/** Root alone is not enough in a container. */
export function canMount(): boolean {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return false;
  using bench = openBench();
  const done = spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", bench.source]);
  if (done.status === 0) spawnSync("umount", [bench.source]);
  return done.status === 0;
}

function fill(filler: string): void {
  const block = Buffer.alloc(BLOCK_BYTES);
  const fd = openSync(filler, "w");
  try {
    for (;;) writeSync(fd, block);
  } catch (error) {
    if (errnoOf(error) !== "ENOSPC") throw error;
  } finally {
    closeSync(fd);
  }
}

function mount(args: readonly string[]): void {
  const done = spawnSync("mount", args, { encoding: "utf8" });
  if (done.status !== 0) throw new Error(`mount ${args.join(" ")}: ${done.stderr}`);
}
