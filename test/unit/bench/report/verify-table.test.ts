/** A measure stands beside what it is to be, and stands out where it is more. */
import { expect, test } from "vitest";
import { formatVerifies } from "../../../../bench/report/verify-table.js";
import { nothingTaken, rowOf } from "../../../../bench/workloads/verify-row.js";

function taken(wallMs: readonly number[], wireBytes?: number) {
  const more = { cpuMs: 100, peakRssBytes: undefined, wireBytes, output: "", exitCode: 0 };
  return { ...nothingTaken(), measured: wallMs.map((ms) => ({ wallMs: ms, ...more })) };
}

test("goals by the median, ratios by the run beside it, bytes of a mail", () => {
  const rsync = taken([100, 200]);
  const goals = { wallMs: 300, wallToRsync: 2, wireBytes: 1000, wireBytesPerMail: 100 };
  const row = { work: "verify", mails: 1000, contender: "mailtwin", rsync, goals };
  const good = formatVerifies([rowOf({ ...row, taken: taken([150, 300], 1000), changedMails: 10 })]);
  expect(good).toContain(
    "| verify | 1,000 mails | mailtwin | 0.23 s (0.15 s to 0.30 s), goal 0.30 s | 1.50x (1.50x to 1.50x), goal 2.00x |  " +
      "| 1.0 kB (1.0 kB to 1.0 kB), goal 1.0 kB |  | 100 B (100 B to 100 B), goal 100 B | 0.10 s | 2 | yes |",
  );
  const bad = formatVerifies([rowOf({ ...row, taken: taken([210, 500], 1010), changedMails: 10 })]);
  expect(bad).toContain("| **0.35 s (0.21 s to 0.50 s)**, goal 0.30 s | **2.30x (2.10x to 2.50x)**, goal 2.00x |");
  expect(bad).toContain("| **101 B (101 B to 101 B)**, goal 100 B |");
});

test("a larger size stands beside the smallest of the same work and contender", () => {
  const row = { work: "verify", contender: "mailtwin", goals: { wallToSmallest: 1.3 } };
  const small = rowOf({ ...row, mails: 100_000, taken: taken([200]) });
  const large = rowOf({ ...row, mails: 500_000, taken: taken([280]) });
  const other = rowOf({ ...row, contender: "rsync", mails: 10, taken: taken([1]) });
  const report = formatVerifies([large, small, other]);
  expect(report).toContain("| 500,000 mails | mailtwin | 0.28 s |  | **1.40x**, goal 1.30x |");
  expect(report).toContain("| 100,000 mails | mailtwin | 0.20 s |  |  |");
});

test("each run's new mails are taken from its own bytes", () => {
  const two = taken([1, 1]);
  const measured = two.measured.map((run, index) => ({ ...run, wireBytes: [50_000, 900_000][index] }));
  const row = {
    work: "resync",
    mails: 1,
    contender: "mailtwin",
    taken: { ...two, measured },
    goals: { wireBesideBodies: 30_000 },
  };
  expect(formatVerifies([rowOf({ ...row, bodiesBytes: [40_000, 880_000] })])).toContain(
    "| 475.0 kB (50.0 kB to 900.0 kB) | 15.0 kB (10.0 kB to 20.0 kB), goal 30.0 kB |",
  );
  expect(formatVerifies([rowOf({ ...row, bodiesBytes: [10_000, 860_000] })])).toContain(
    "| **40.0 kB (40.0 kB to 40.0 kB)**, goal 30.0 kB |",
  );
});

test("what was wrong in any run makes the row wrong, also in those that were only counted", () => {
  const counted = { ...taken([5], 7), wrong: ["no"] };
  const row = rowOf({ work: "verify", mails: 1, contender: "mailtwin", taken: taken([1]), counted });
  expect(row).toMatchObject({ equal: false, differences: ["no"], wireBytes: { measured: { median: 7 } } });
  expect(formatVerifies([row])).toContain("| **NO** |");
});
