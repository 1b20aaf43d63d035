/** The state store, whichever way it is written. */
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openStateReader } from "../../src/log/state-reader.js";
import { openStateWriter, startStateThread } from "../../src/log/state-writer.js";
import { tempDir } from "../unit/log/state-fixtures.js";
import { openInlineStateWriter } from "./inline-state-writer.js";
import { describeStateStore } from "./state-store.js";

const thread = startStateThread();
afterAll(() => thread[Symbol.asyncDispose]());

describeStateStore("worker thread", (path) => openStateWriter(path, { create: true }));
describeStateStore("worker thread of several databases", (path) => openStateWriter(path, { create: true, thread }));
describeStateStore("calling thread", async (path) => openInlineStateWriter(path));

test("databases of one thread keep apart", async () => {
  using dir = tempDir();
  const [pathA, pathB] = [join(dir.path, "a.db"), join(dir.path, "b.db")];
  await using a = await openStateWriter(pathA, { create: true, thread });
  await expect(openStateWriter("/proc/nowhere/state.db", { create: true, thread })).rejects.toMatchObject({
    code: "state-unreachable",
  });
  const b = await openStateWriter(pathB, { create: true, thread });
  await Promise.all([a.setMeta("name", "a"), b.setMeta("name", "b")]);
  await b[Symbol.asyncDispose]();
  await a.setMeta("name", "still a");
  using readerA = openStateReader(pathA);
  using readerB = openStateReader(pathB);
  expect([readerA.meta("name"), readerB.meta("name")]).toStrictEqual(["still a", "b"]);
});
