import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { decideStale, isProcessAlive, localPid } from "../../../src/maildir/dotlock-stale.js";

const HOST = "mail1";
const OWN = 500;
const ALIVE = 700;

function decide(content: string, lockAgeMs: number, unchangedMs = lockAgeMs): string {
  const witness = { hostname: HOST, pid: OWN, upMs: 60_000, isAlive: (pid: number) => pid === ALIVE };
  const decision = decideStale({ content, lockAgeMs, unchangedMs }, witness);
  return decision.kind === "stale" ? decision.why : "live";
}

test.each([
  ["a live process, fresh", `${ALIVE}:${HOST}`, 0, "live"],
  ["a live process, after an hour", `${ALIVE}:${HOST}`, 3_600_000, "live"],
  ["a dead process, fresh", `9:${HOST}`, 1_999, "live"],
  ["a dead process, from the future", `9:${HOST}`, -5_000, "live"],
  ["a dead process after 2 s", `9:${HOST}`, 2_000, "dead-process"],
  ["a dead process with a line end", `9:${HOST}\n`, 2_000, "dead-process"],
  ["our own number while we run", `${OWN}:${HOST}`, 60_000, "live"],
  ["our own number from before we started", `${OWN}:${HOST}`, 62_001, "predecessor"],
  ["another host", "9:mail2", 120_000, "live"],
  ["another host, 120 s", "9:mail2", 120_001, "unchanged"],
  ["nothing in it", "", 120_000, "live"],
  ["nothing in it, 120 s", "", 120_001, "unchanged"],
  ["a number only", "9", 2_000, "live"],
  ["process 0", `0:${HOST}`, 2_000, "live"],
  ["a negative process", `-9:${HOST}`, 2_000, "live"],
  ["a longer host name", `9:${HOST}.example`, 2_000, "live"],
] as const)("%s", (_, content, lockAgeMs, expected) => {
  expect(decide(content, lockAgeMs)).toBe(expected);
});

test("a uidlist that changed lately keeps an unreadable lock alive, not that of a dead process", () => {
  expect(decide("", 500_000, 10)).toBe("live");
  expect(decide(`9:${HOST}`, 500_000, 10)).toBe("dead-process");
});

test("without knowing when we started, our own number is always live", () => {
  const witness = { hostname: HOST, pid: OWN, isAlive: () => true };
  expect(decideStale({ content: `${OWN}:${HOST}`, lockAgeMs: 1e9, unchangedMs: 1e9 }, witness).kind).toBe("live");
});

test("the process is asked for only when it decides", () => {
  let asked = 0;
  const witness = { hostname: HOST, pid: OWN, isAlive: () => ++asked > 0 };
  decideStale({ content: `9:${HOST}`, lockAgeMs: 10, unchangedMs: 10 }, witness);
  decideStale({ content: "9:other", lockAgeMs: 1e9, unchangedMs: 1e9 }, witness);
  expect(asked).toBe(0);
});

test("host names with a colon are compared whole", () => {
  expect(localPid("7:a:b", "a:b")).toBe(7);
  expect(localPid("7:a:b", "a")).toBeUndefined();
});

test("a process that runs is alive, one that ended is not", () => {
  expect(isProcessAlive(process.pid)).toBe(true);
  const { pid } = spawnSync(process.execPath, ["-e", "0"]);
  expect(isProcessAlive(pid)).toBe(false);
});
