/** What is asked of the rows of the limbo. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { openStateReader } from "../../../src/log/state-reader.js";
import { openStateWriter } from "../../../src/log/state-writer.js";
import { guid, NO_EFFECT, rawPath, tempDir } from "./state-fixtures.js";

test("the limbo is read by name and by age, in pieces, and its size is the sum of the rows", async () => {
  using dir = tempDir();
  const path = join(dir.path, "state.db");
  await using writer = await openStateWriter(path, { create: true });
  using reader = openStateReader(path);
  const row = (name: string, removedMs: number, size: number, uid = 1) => ({
    ...{ name, mailbox: guid(1), path: rawPath("a"), uid, base: "x", size, cause: "expunge", removedMs },
  });
  const [a, b, c, d] = [row("b", 5, 10), row("a", 7, 2 ** 40), row("c", 7, 0, 0), row("d", 1, 0, 0)];
  expect([reader.limboBytes(), reader.limboRow("a")]).toStrictEqual([0, undefined]);
  await writer.recordEffect({ ...NO_EFFECT, limbo: [a, b, c, d] });
  const start = { removedMs: Number.MIN_SAFE_INTEGER, name: "" };
  expect(reader.oldestLimbo(start, 9)).toStrictEqual([d, a, b, c]);
  expect(reader.oldestLimbo(start, 2)).toStrictEqual([d, a]);
  expect(reader.oldestLimbo(a, 9)).toStrictEqual([b, c]);
  expect(reader.oldestLimbo(b, 9)).toStrictEqual([c]);
  expect(reader.limboRow("a")).toStrictEqual(b);
  expect(reader.limboBytes()).toBe(2 ** 40 + 10);
  expect(reader.uncountedLimbo("", 9)).toStrictEqual([c, d]);
  expect(reader.uncountedLimbo("c", 9)).toStrictEqual([d]);
  await writer.recordEffect({ ...NO_EFFECT, limbo: [{ ...d, size: 3 }] });
  expect([reader.limboBytes(), reader.uncountedLimbo("", 9)]).toStrictEqual([2 ** 40 + 13, [c]]);
});
