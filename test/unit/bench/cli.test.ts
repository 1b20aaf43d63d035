/** The harness's command line where it is a proof of equality: what cannot be compared is not equal. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { makeSampleStore } from "../../../bench/sample-store.js";
import { tempDir } from "./temp-dir.js";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

function compare(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const cli = join(ROOT, "bench/dist/bench/cli.js");
  const ran = spawnSync(process.execPath, [cli, "compare", ...args], {
    encoding: "utf8",
    cwd: ROOT,
    env: { ...process.env, npm_lifecycle_event: "test", ...env },
  });
  return { status: ran.status, out: ran.stdout, err: ran.stderr };
}

describe("compare", () => {
  beforeAll(() => void execFileSync(process.execPath, [join(ROOT, "scripts/build.mjs"), "bench"]), 60_000);

  test("says of a store that it equals itself, also by a path from where npm was called", () => {
    const root = tempDir();
    makeSampleStore(join(root, "a"));
    const { status, out } = compare([join(root, "a"), join(root, "a")]);
    expect([status, out]).toEqual([0, expect.stringMatching(/^equal: \d{2,} messages/)]);
    const called = { npm_lifecycle_event: "bench", INIT_CWD: root };
    expect(compare(["a", "a"], called)).toMatchObject({ status: 0 });
    expect(compare(["a", "a"])).toMatchObject({ status: 66 });
  });

  test("says of what is not there, or has no mailbox, that nothing is proved", () => {
    const root = tempDir();
    mkdirSync(join(root, "x"));
    mkdirSync(join(root, "y"));
    expect(compare([join(root, "x"), join(root, "y")])).toMatchObject({ status: 66, out: "" });
    expect(compare([join(root, "x"), join(root, "none")])).toMatchObject({ status: 66, out: "" });
  });
});
