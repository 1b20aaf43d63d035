/** What stands in ssh's place runs the command here, whatever ssh's options are; no count is taken for another's. */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { makeCarriers } from "../../../../bench/measure/carriers.js";
import { tempDir } from "../temp-dir.js";

test("the bare one drops options and host", () => {
  const { bare } = makeCarriers(tempDir());
  const words = ["-T", "-oBatchMode=yes", "x", "--", "tr", "a-c", "A-C"];
  expect(execFileSync(bare, words, { input: "abcd", encoding: "utf8" })).toBe("ABCd");
});

test("a count is both ways, and is taken once", () => {
  const scratch = tempDir();
  const { countedBytes } = makeCarriers(scratch);
  expect(countedBytes).toThrow("did not reach its other side");
  writeFileSync(join(scratch, "wire-bytes"), "700 42\n");
  expect(countedBytes()).toBe(742);
  expect(countedBytes).toThrow("nothing was counted");
});
