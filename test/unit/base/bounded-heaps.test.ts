/** That the bound on garbage takes effect: by undocumented ways of V8, which sets it back whenever a thread is started. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const SCRIPT = fileURLToPath(new URL("bounded-heaps.mjs", import.meta.url));

async function newSpaceMb(...args: readonly string[]): Promise<number> {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [SCRIPT, ...args]);
  expect(stderr).toBe("");
  return Number(stdout);
}

test.runIf(process.versions.v8.startsWith("11."))(
  "the main thread's room for new objects stays small meanwhile",
  async () => {
    expect(await newSpaceMb()).toBeGreaterThan(16);
    expect(await newSpaceMb("bounded")).toBeLessThanOrEqual(8);
    expect(await newSpaceMb("before")).toBeGreaterThan(16);
  },
);
