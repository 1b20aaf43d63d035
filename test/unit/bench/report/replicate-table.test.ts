/** Peers stand beside mailtwin with ratios of the same round, and only mailtwin's own faults fail a run. */
import { expect, test } from "vitest";
import { formatBursts, formatMemory } from "../../../../bench/report/burst-table.js";
import { formatReplicates } from "../../../../bench/report/replicate-table.js";
import {
  type BurstResult,
  isRight,
  type MemoryResult,
  type ReplicateResult,
} from "../../../../bench/workloads/workload.js";

const OURS: ReplicateResult = {
  ...{ kind: "replicate", contender: "mailtwin", round: 1, mails: 10_000, perSecond: 100, seconds: 60 },
  ...{ delivered: 6000, tookSeconds: 60.1, lost: 0, cpuBy: "cgroup", equal: true, notKept: [], differences: [] },
  lagMs: { p50: 10, p90: 20, p99: 40, max: 50 },
  replyMs: { p50: 5, p90: 6, p99: 20.5, max: 30 },
  ...{ dovecotCpuMsPerDelivery: 2.5, ownCpuMsPerDelivery: 3 },
};
const BARE: ReplicateResult = {
  ...OURS,
  contender: "nobody",
  lagMs: undefined,
  equal: undefined,
  ownCpuMsPerDelivery: 0,
};
const PEER: ReplicateResult = {
  ...OURS,
  contender: "replicator",
  lagMs: { p50: 25, p90: 50, p99: 100, max: 101 },
  ...{ dovecotCpuMsPerDelivery: 11.5, ownCpuMsPerDelivery: 0, lost: 2, equal: false, notKept: ["UID: 3 of 6000"] },
};

test("a row has lag, CPU beyond bare delivery, and both by mailtwin's", () => {
  const report = formatReplicates([BARE, PEER, OURS]);
  const rows = report.split("\n").filter((line) => line.startsWith("| "));
  expect(rows.slice(2)).toEqual([
    "| mailtwin: two daemons, TLS on loopback | 10,000 | 100/s for 60 s | 10.0 ms | 20.0 ms | 40.0 ms | 50.0 ms | 1.00x | 1.00x " +
      "| 5.00 ms / 20.5 ms | 5.50 ms | 2.50 ms | 3.00 ms | 1.00x | 0 of 6000 | yes |",
    "| Dovecot's replicator, TCP on loopback | 10,000 | 100/s for 60 s | 25.0 ms | 50.0 ms | 100.0 ms | 101.0 ms | 2.50x | 2.50x " +
      "| 5.00 ms / 20.5 ms | 11.5 ms | 11.5 ms | 9.00 ms | 3.00x | 2 of 6000 | no, see below |",
    "| nobody: bare delivery | 10,000 | 100/s for 60 s |  |  |  |  |  |  | 5.00 ms / 20.5 ms | 2.50 ms | 2.50 ms |  |  |  |  |",
  ]);
  expect(report).toContain("CPU by cgroup.");
  expect(report).toContain("- Dovecot's replicator, TCP on loopback: UID: 3 of 6000");
});

test("ratios are per round, and there is none where mailtwin or bare delivery did not run", () => {
  const second = { ...PEER, round: 2, lagMs: { p50: 60, p90: 60, p99: 60, max: 60 } };
  const ours = { ...OURS, round: 2, lagMs: { p50: 30, p90: 30, p99: 30, max: 30 } };
  expect(formatReplicates([OURS, PEER, ours, second])).toContain("| 2.25x (2.00x to 2.50x) | 2.25x (2.00x to 2.50x) |");
  const alone = formatReplicates([PEER]);
  expect(alone).toContain("| 101.0 ms |  |  | 5.00 ms / 20.5 ms | 11.5 ms | 11.5 ms |  |  | 2 of 6000 |");
  const late = formatReplicates([{ ...OURS, tookSeconds: 75 }]);
  expect(late).toContain("| 100/s for 60 s (took 75 s) |");
});

test("what mailtwin loses or changes fails a run, what a peer does is told", () => {
  expect([OURS, BARE, PEER].map(isRight)).toEqual([true, true, true]);
  expect(isRight({ ...OURS, lost: 1 })).toBe(false);
  expect(isRight({ ...OURS, equal: false })).toBe(false);
  expect(isRight({ ...OURS, equal: undefined })).toBe(false);
  expect(formatReplicates([{ ...OURS, equal: false }])).toContain("**NO**");
});

const MEMORY = [
  { name: "source", rssBytes: 100e6, peakRssBytes: 110e6 },
  { name: "replica", rssBytes: 90e6, peakRssBytes: 95e6 },
];
const BURST: BurstResult = {
  ...{ kind: "burst", what: "500 arrivals/s for 20 s", mails: 30_000, changes: 10_000, madeInMs: 20_000, drainMs: 400 },
  backlog: [
    { atMs: 10_000, behind: 7 },
    { atMs: 19_000, behind: 9 },
    { atMs: 20_000, behind: 8 },
    { atMs: 20_400, behind: 0 },
  ],
  ...{ cpuMsPerChange: 1.25, memory: MEMORY, equal: true, differences: [] },
};

test("a burst shows its backlog as it went, and one that never drained is not right", () => {
  expect(formatBursts([BURST])).toContain(
    "| 500 arrivals/s for 20 s | 30,000 mails | 20.00 s | 7, 9 | 8 | 0.40 s | 1.25 ms | source 110 MB, replica 95 MB | yes |",
  );
  expect(isRight(BURST)).toBe(true);
  const stuck = { ...BURST, drainMs: undefined };
  expect(formatBursts([stuck])).toContain("**not in time**");
  expect(isRight(stuck)).toBe(false);
});

test("memory is shown for each daemon and stage, and a mail that did not arrive fails a run", () => {
  const result: MemoryResult = {
    ...{
      kind: "memory",
      mails: 500_000,
      stage: "one mail of 64 MiB",
      lost: 0,
      memory: MEMORY,
      equal: true,
      differences: [],
    },
  };
  expect(formatMemory([result])).toContain(
    "| 500,000 mails | one mail of 64 MiB | source 100 MB, replica 90 MB | source 110 MB, replica 95 MB | 0 | yes |",
  );
  expect([result, { ...result, lost: undefined }, { ...result, lost: 1 }].map(isRight)).toEqual([true, true, false]);
});
