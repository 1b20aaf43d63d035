/** Uidlists that are read before they are needed. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openNodeDisk } from "../../../src/base/disk-node.js";
import { FaultDisk } from "../../contract/fault-disk.js";
import { rawPath } from "../log/state-fixtures.js";
import { CaptureBench } from "./capture-bench.js";
import type { FakeMailbox } from "./fake-dovecot.js";

function writeRecords(mailbox: FakeMailbox, count: number): void {
  const records = Array.from({ length: count }, (_, i) => ({ uid: i + 1, base: `17000${i}.M1P1.host`, fields: "" }));
  mailbox.writeUidlist(records, count + 1);
}

test("large uidlists are read once; small and damaged ones are passed over", async () => {
  const disk = new FaultDisk(openNodeDisk());
  const bench = await CaptureBench.open({}, { disk });
  const [large, small, damaged] = ["large", "small", "damaged"].map((path) => bench.store.create(path));
  if (large === undefined || small === undefined || damaged === undefined) throw new Error("not made");
  writeRecords(large, 12_000);
  writeRecords(small, 10);
  writeFileSync(join(bench.store.root, "damaged/dovecot-uidlist"), "no header\n".repeat(40_000));
  const read = (): string[] =>
    disk.calls
      .filter(({ operation, path }) => operation === "openFile" && path.endsWith("/dovecot-uidlist"))
      .map(({ path }) => path.split("/").at(-2) ?? "");
  bench.source.warm({ paths: ["damaged", "missing", "small", "large"].map((path) => rawPath(path)) });
  expect(read()).toStrictEqual(["damaged", "large"]);
  bench.examine(large);
  expect(read()).toStrictEqual(["damaged", "large"]);
});

test("no more is read than half of the cache holds", async () => {
  const disk = new FaultDisk(openNodeDisk());
  const bench = await CaptureBench.open({ uidlistCacheBytesMax: 1_000_000 }, { disk });
  const paths = ["a", "b", "c"].map((path) => {
    writeRecords(bench.store.create(path), 12_000);
    return rawPath(path);
  });
  bench.source.warm({ paths });
  const opened = disk.calls.filter(
    ({ operation, path }) => operation === "openFile" && path.endsWith("/dovecot-uidlist"),
  );
  expect(opened).toHaveLength(1);
});
