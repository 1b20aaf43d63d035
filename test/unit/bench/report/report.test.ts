/** Reports show every result, and an unequal one stands out. */
import { expect, test } from "vitest";
import type { Machine } from "../../../../bench/report/machine.js";
import { formatReport } from "../../../../bench/report/markdown.js";
import { replaceResults } from "../../../../bench/report/readme.js";
import type { CommandResult, LiveResult } from "../../../../bench/workloads/workload.js";

const MACHINE: Machine = {
  cpu: "A CPU",
  cores: 2,
  memoryBytes: 2 ** 34,
  kernel: "6.1",
  node: "v20",
  fileSystem: "ext2/ext3",
  rsync: "3.5.0",
  commit: "abc",
};
const SEEDED: CommandResult = {
  kind: "command",
  workload: "seed",
  size: "10,000 mails",
  contender: "mailtwin",
  wallMs: { median: 1500, min: 1000, max: 2000, runs: 3 },
  cpuMs: { median: 2500, min: 2500, max: 2500, runs: 3 },
  peakRssBytes: { median: 80e6, min: 80e6, max: 80e6, runs: 3 },
  wireBytes: undefined,
  wallToRsync: { median: 1.25, min: 1.2, max: 1.3, runs: 3 },
  equal: false,
  differences: ["x"],
};
const LIVE: LiveResult = {
  kind: "live",
  workload: "live",
  size: "1,000 mails",
  perSecond: 5,
  seconds: 40,
  delivered: 200,
  lost: 1,
  lagMs: { p50: 9.5, p90: 12, p99: 30.25, max: 31 },
  cpuMsPerDelivery: 1.5,
  rssBytes: 90e6,
  peakRssBytes: 95e6,
  equal: true,
  differences: [],
};

test("a report has the machine, a row per result and says what is not equal", () => {
  const report = formatReport([SEEDED, LIVE], MACHINE);
  expect(report).toContain("A CPU, 2 cores, 16 GiB");
  expect(report).toContain(
    "| seed | 10,000 mails | mailtwin | 1.50 s (1.00 s to 2.00 s) | 1.25x (1.20x to 1.30x) | 2.50 s | 80 MB |  | 3 | **NO** |",
  );
  expect(report).toContain(
    "| 1,000 mails | 5/s for 40 s | 9.5 ms | 12.0 ms | 30.3 ms | 31.0 ms | 1 of 200 | 1.50 ms | 90 MB | 95 MB | yes |",
  );
});

test("results replace what stood between the markers, and only that", () => {
  const readme = "before\n<!-- results: begin -->\nold\n<!-- results: end -->\nafter\n";
  const once = replaceResults(readme, "new\n");
  expect(once).toBe("before\n<!-- results: begin -->\n\nnew\n\n<!-- results: end -->\nafter\n");
  expect(replaceResults(once, "new\n")).toBe(once);
  expect(() => replaceResults("nothing", "new")).toThrow("results: begin");
});
