/** The harness as it is run: what cannot be compared is not equal, and a row that is wrong is told. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { makeSampleStore } from "../../../bench/sample-store.js";
import { tempDir } from "./temp-dir.js";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

function compare(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  return bench(["compare", ...args], env);
}

function bench(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const ran = spawnSync(process.execPath, [join(ROOT, "bench/dist/bench/cli.js"), ...args], {
    encoding: "utf8",
    cwd: ROOT,
    env: { ...process.env, npm_lifecycle_event: "test", ...env },
  });
  return { status: ran.status, out: ran.stdout, err: ran.stderr };
}

beforeAll(() => void execFileSync(process.execPath, [join(ROOT, "scripts/build.mjs"), "bench"]), 60_000);

describe("compare", () => {
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

describe("run verify --quick, with what only stands in for mailtwin", () => {
  const stub = `${process.execPath} ${join(ROOT, "test/unit/bench/stub-twin.mjs")}`;
  const run = (env: NodeJS.ProcessEnv) =>
    bench(["run", "verify", "--quick", "--work", tempDir(), "--mailtwin", stub], env);
  const rowsOf = (out: string) => out.split("\n").filter((line) => line.startsWith("| ") && line.includes("500 mails"));

  test("has every row, each right, with bytes where the other side is a host", () => {
    const { status, out, err } = run({});
    expect(err).not.toContain("DIFFERENT");
    expect(status).toBe(0);
    const rows = rowsOf(out);
    expect(rows.map((row) => row.split(" | ").at(0))).toEqual([
      ...["| verify, first look", "| verify, first look", "| nothing to copy"],
      ...["| verify, equal", "| verify, equal", "| verify, one flag differs"],
      ...Array.from({ length: 3 }, () => "| resync after 100 scattered changes"),
      ...Array.from({ length: 3 }, () => "| compared whole after 100 scattered changes"),
      ...[
        "| 50 flag changes",
        "| 50 flag changes",
        "| 50 mails moved to another folder",
        "| 50 mails moved to another folder",
      ],
    ]);
    for (const row of rows) expect(row).toMatch(/\| 1 \| yes \|$/);
    // "asked", and the same back.
    for (const row of rows.filter((each) => each.includes("HOST:B"))) expect(row).toContain("| 0.0 kB");
    expect(rows.find((row) => row.includes("50 flag changes"))).toContain("| 0 B, goal 100 B |");
  }, 180_000);

  test("does not believe who finds all equal", () => {
    const { status, out, err } = run({ STUB_LIES: "1" });
    expect(status).toBe(1);
    expect(err).toMatch(/DIFFERENT: UID \d+ of mailbox [0-9a-f]{32} differs: exit code 0/);
    expect(rowsOf(out).filter((row) => row.endsWith("**NO** |"))).toEqual([
      expect.stringContaining("verify, one flag differs"),
    ]);
  }, 180_000);
});

describe("the counter in ssh's place", () => {
  const ask = (command: readonly string[], input: string) => {
    const report = join(tempDir(), "report");
    const counter = join(ROOT, "bench/dist/bench/measure/wire-counter.js");
    const ran = spawnSync(process.execPath, [counter, report, "-T", "x", "--", ...command], {
      input,
      encoding: "utf8",
    });
    return { status: ran.status, out: ran.stdout, counted: readFileSync(report, "utf8") };
  };

  test("passes on what goes both ways, and counts it", () => {
    expect(ask(["sed", "'s/^/>>/'"], "one\ntwo\n")).toEqual({ status: 0, out: ">>one\n>>two\n", counted: "8 12\n" });
  });

  test("ends as the command ends", () => {
    expect(ask(["exit", "3"], "")).toEqual({ status: 3, out: "", counted: "0 0\n" });
  });
});
