/** A replica is behind by the names it lacks, not by how it writes them. */
import { expect, test } from "vitest";
import { namesBehind } from "../../../../bench/workloads/names-behind.js";

test("missing mails and other flags are behind; keyword letters, an empty info and dot files are not", () => {
  expect(namesBehind(["a", "b:2,S", "c:2,"], ["a:2,", "b:2,S", "c"])).toBe(0);
  expect(namesBehind(["a:2,FSab", ".d"], ["a:2,FSba", "more:2,S"])).toBe(0);
  expect(namesBehind(["a", "b:2,S", "c:2,F"], ["b:2,FS", "c:2,"])).toBe(3);
  expect(namesBehind([], ["x"])).toBe(0);
});
