import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { LONG_FILES, longestFirst } from "../../../scripts/longest-first.mjs";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

test("each listed file is there, once", () => {
  expect(LONG_FILES.filter((file) => !existsSync(join(ROOT, file)))).toEqual([]);
  expect(new Set(LONG_FILES).size).toBe(LONG_FILES.length);
});

test("the listed ones begin in the order of the list, the others follow as they came, group by group", () => {
  const [first = "", second = ""] = LONG_FILES;
  const specs = [
    { groupOrder: 1, file: "test/live/b.test.ts" },
    { groupOrder: 1, file: second },
    { groupOrder: 0, file: "test/unit/z.test.ts" },
    { groupOrder: 1, file: "test/live/a.test.ts" },
    { groupOrder: 1, file: first },
  ];
  expect(longestFirst(specs, (spec) => spec).map(({ file }) => file)).toEqual([
    "test/unit/z.test.ts",
    first,
    second,
    "test/live/b.test.ts",
    "test/live/a.test.ts",
  ]);
});
