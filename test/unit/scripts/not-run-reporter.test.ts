/** A real run of vitest over planted tests: every test that did not run is told with its reason, and no other. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

const PLANTED = `
  test("runs", () => {});
  test("asks for more", (context) => context.skip("no second disk"));
  test.skip("says why [needs a printer]", () => {});
  test.skip("says nothing", () => {});
  describe.skip("a suite [skipped: no Dovecot]", () => {
    test("one", () => {});
    describe("inside", () => test("two", () => {}));
  });
`;

function run(...more: readonly string[]) {
  const dir = mkdtempSync(join(tmpdir(), "mailtwin-not-run-"));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  writeFileSync(join(dir, "planted.test.ts"), PLANTED);
  const vitest = join(ROOT, "node_modules/vitest/vitest.mjs");
  const reporters = ["--reporter=default", `--reporter=${join(ROOT, "scripts/not-run-reporter.mjs")}`];
  const args = [vitest, "run", "--root", dir, "--globals", ...reporters, ...more];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8", cwd: dir });
  return { status, stderr, notRun: stdout.split("\n").filter((line) => line.startsWith("not run: ")) };
}

test("what was skipped is listed with its reason", () => {
  expect(run()).toEqual({
    status: 0,
    stderr: "",
    notRun: [
      'not run: planted.test.ts: "asks for more": no second disk',
      'not run: planted.test.ts: "says why [needs a printer]": needs a printer',
      'not run: planted.test.ts: "says nothing": no reason was given',
      "not run: planted.test.ts: 2 tests: no Dovecot",
    ],
  });
});

test("nothing is said of what was left out by name on the command line", () => {
  expect(run("--testNamePattern", "^runs$")).toEqual({ status: 0, stderr: "", notRun: [] });
});
