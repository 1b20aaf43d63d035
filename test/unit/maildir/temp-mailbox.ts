/** A real mailbox directory in a temporary place, seen through the node disk. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { Dir } from "../../../src/base/disk.js";
import { openNodeDisk } from "../../../src/base/disk-node.js";

export interface TempMailbox {
  readonly path: string;
  readonly dir: Dir;
  readonly write: (name: string, text: string) => void;
}

export function tempDir(): string {
  const path = mkdtempSync(join(tmpdir(), "mailtwin-maildir-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

export function openTempMailbox(): TempMailbox {
  const path = tempDir();
  for (const part of ["cur", "new", "tmp"]) mkdirSync(join(path, part));
  const dir = openNodeDisk().openRoot(path);
  if (dir === undefined) throw new Error("the temporary directory vanished");
  onTestFinished(() => dir.close());
  return { path, dir, write: (name, text) => writeFileSync(join(path, name), text, "latin1") };
}

/** Times that no test depends on: far enough in the past that nothing is racy. */
export const LONG_AGO_S = 1_700_000_000;
