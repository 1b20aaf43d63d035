/** The command as a shell sees it: its words and its exit codes. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { VERSION } from "../../../src/daemon/version.js";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

let root: string;

beforeAll(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), "mailtwin-cli-")));
  mkdirSync(join(root, "src"));
});

afterAll(() => {
  rmSync(root, { recursive: true });
});

function mailtwin(...args: readonly string[]) {
  const env = { ...process.env, XDG_STATE_HOME: join(root, "state"), NO_COLOR: "1" };
  const run = spawnSync(process.execPath, [join(ROOT, "dist/daemon/cli.js"), ...args], {
    cwd: root,
    encoding: "utf8",
    env,
  });
  return { code: run.status, out: run.stdout, err: run.stderr };
}

test("the version is that of the package", () => {
  const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { readonly version: string };
  expect(VERSION).toBe(manifest.version);
  expect(mailtwin("--version")).toStrictEqual({ code: 0, out: `${VERSION}\n`, err: "" });
});

describe("exit codes", () => {
  test("help is no failure", () => {
    expect(mailtwin("--help")).toMatchObject({ code: 0, err: "", out: expect.stringContaining("sync") });
    const words = expect.stringMatching(/--dry-run.*Exit codes:.*129, 130, 143/s);
    expect(mailtwin("sync", "--help")).toMatchObject({ code: 0, out: words });
  });

  test.each([
    [["no-such-command"]],
    [["sync"]],
    [["sync", "src"]],
    [["sync", "src", "dst", "third"]],
    [["sync", "src", "dst", "--no-such-option"]],
    [["sync", "src", "dst", "--foreign", "burn"]],
    [["sync", "src", "dst", "--dry-run", "--watch"]],
    [["sync", "src", "src"]],
    [["sync", "", "dst"]],
    [["sync", "src", ""]],
    [["sync", "src", "dst", "--state", ""]],
    [["sync", "src", "dst", "--state", "src/state"]],
    [[]],
  ])("64 for a command line that cannot be meant: %j", (args) => {
    const run = mailtwin(...args);
    expect(run.code).toBe(64);
    expect(run.err).not.toBe("");
    expect(run.err).not.toMatch(/\n\s+at /); // no stack for what a person can mend.
  });

  test("66 for a source that is not there, with a hint", () => {
    const run = mailtwin("sync", "none", "dst");
    expect(run).toMatchObject({ code: 66, out: "" });
    expect(run.err).toMatch(/^mailtwin: reading the source none: .*\n.*mounted/);
  });

  test("73 for a destination that cannot be made; with --json the failure is an event", () => {
    expect(mailtwin("sync", "src", "a/b").code).toBe(73);
    const run = mailtwin("sync", "src", "a/b", "--json");
    expect([run.code, run.err]).toStrictEqual([73, ""]);
    expect(JSON.parse(run.out)).toMatchObject({ event: "error", code: "destination-unusable", exitCode: 73 });
  });

  test("a command that is refused writes nothing", () => {
    expect([existsSync(join(root, "dst")), existsSync(join(root, "state"))]).toStrictEqual([false, false]);
  });
});
