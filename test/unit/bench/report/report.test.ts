/** Reports show every result, and an unequal one stands out. */
import { expect, test } from "vitest";
import type { DiskFloor } from "../../../../bench/measure/stalls.js";
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
const DISK: DiskFloor = {
  ...{ p50: 0.33, p90: 0.5, p99: 4.1, max: 310.2 },
  probes: 800,
  stalls: [{ fromMs: 100, toMs: 410.2 }],
  stalledMs: 310.2,
  seconds: 40,
};
const LIVE: LiveResult = {
  kind: "live",
  workload: "live",
  size: "1,000 mails",
  mails: 1000,
  perSecond: 5,
  seconds: 40,
  delivered: 200,
  lost: 1,
  lagMs: { p50: 9.5, p90: 12, p99: 30.25, max: 31 },
  lagOutsideStalls: { p99: 12.25, counted: 190, leftOut: 9 },
  disk: DISK,
  diskAtRest: { ...DISK, stalls: [], stalledMs: 0, max: 2, probes: 200, seconds: 10 },
  cpuMsPerDelivery: 1.5,
  memory: [{ name: "mailtwin", rssBytes: 90e6, peakRssBytes: 95e6 }],
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
    "| 1,000 mails | 5/s for 40 s | 9.5 ms | 12.0 ms | 30.3 ms | 31.0 ms | 12.3 ms (9 of 199 left out) " +
      "| 0.33 / 4.1 / 310.2 ms; 1 stall, 0.31 s of 40 s | 1 of 200 | 1.50 ms | 90 MB | 95 MB | yes |",
  );
  expect(report).toContain("before the first delivery: live, 1,000 mails: 0.33 / 4.1 / 2.0 ms; 0 stalls in 10 s.");
});

test("memory of two processes is shown for each, and what was not measured is told with its reason", () => {
  const memory = [
    { name: "source", rssBytes: 90e6, peakRssBytes: 95e6 },
    { name: "replica", rssBytes: 70e6, peakRssBytes: 75e6 },
  ];
  const skipped = { kind: "skipped", workload: "replicate", contender: "x", reason: "x is not installed" } as const;
  const report = formatReport([{ ...LIVE, memory }, skipped], MACHINE);
  expect(report).toContain("| source 90 MB, replica 70 MB | source 95 MB, replica 75 MB | yes |");
  expect(report).toContain("Not measured:\n\n- replicate, x: x is not installed\n");
});

test("CPU of a larger INBOX is shown by that of the smallest at the same rate", () => {
  const large = { ...LIVE, size: "500,000 mails", mails: 500_000, cpuMsPerDelivery: 3 };
  const fast = { ...LIVE, perSecond: 100, cpuMsPerDelivery: 1 };
  const report = formatReport([large, LIVE, fast], MACHINE);
  expect(report).toContain("| 3.00 ms (2.00x) |");
  expect(report).toContain("| 1.50 ms |");
  expect(report).toContain("| 1.00 ms |");
});

test("where every mail met a stall, no percentile takes the place of the one of all", () => {
  const report = formatReport([{ ...LIVE, lagOutsideStalls: { p99: undefined, counted: 0, leftOut: 199 } }], MACHINE);
  expect(report).toContain("| 30.3 ms | 31.0 ms | none (199 of 199 left out) |");
});

test("results replace what stood between the markers, and only that", () => {
  const readme = "before\n<!-- results: begin -->\nold\n<!-- results: end -->\nafter\n";
  const once = replaceResults(readme, "new\n");
  expect(once).toBe("before\n<!-- results: begin -->\n\nnew\n\n<!-- results: end -->\nafter\n");
  expect(replaceResults(once, "new\n")).toBe(once);
  expect(() => replaceResults("nothing", "new")).toThrow("results: begin");
});
