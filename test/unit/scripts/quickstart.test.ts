/** The words of scripts/quickstart before it builds anything. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const SCRIPT = fileURLToPath(new URL("../../../scripts/quickstart", import.meta.url));

function quickstart(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(SCRIPT, args, { encoding: "utf8" });
  return { status, stdout, stderr };
}

test.each(["--help", "-h"])("%s is no failure", (flag) => {
  const stdout = expect.stringMatching(/^usage: scripts\/quickstart /);
  expect(quickstart(flag)).toStrictEqual({ status: 0, stdout, stderr: "" });
});

test.each([[["one"]], [["--no-such-option", "x"]]])("64 for what cannot be meant: %j", (args) => {
  const stderr = "usage: scripts/quickstart [SRC DST [OPTION...]]\n";
  expect(quickstart(...args)).toStrictEqual({ status: 64, stdout: "", stderr });
});
