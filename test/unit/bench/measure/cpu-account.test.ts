/** Nothing that a program starts escapes its account, whichever way that is kept. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { type CpuAccount, cgroupOf, openCpuAccount, parseUsageMs } from "../../../../bench/measure/cpu-account.js";
import { parseProcessLine, treeBelow } from "../../../../bench/measure/process-tree.js";
import { tempDir } from "../temp-dir.js";

const BUSY = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";

function start(account: CpuAccount, script: string) {
  const [program = "", ...args] = account.wrap(["/bin/sh", "-c", script]);
  return spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
}

/** A shell that has ended a busy child and has one that sleeps. */
async function judge(account: CpuAccount): Promise<void> {
  const child = start(account, `sh -c '${BUSY}'; sleep 600 & echo ready; wait`);
  const closed = once(child, "close");
  await once(child.stdout, "data");
  expect(account.cpuMs()).toBeGreaterThan(0);
  expect(account.pids()).toContain(child.pid);
  expect(account.pids()).toHaveLength(2);
  await account[Symbol.asyncDispose]();
  expect((await closed)[1]).toBe("SIGKILL");
  expect(child.stdout.readableEnded).toBe(true); // the one that slept had it open too.
}

test("an account by process trees has the children that have ended, and ends those that have not", async () => {
  const account = openCpuAccount(tempDir(), "/nowhere/at/all");
  expect(account.by).toBe("process tree");
  await judge(account);
});

test("so has one by the way that this machine has", async () => {
  await judge(openCpuAccount(tempDir()));
});

test("a cgroup is made below the own one, where cgroup 2 is mounted", () => {
  const v1 = "33 32 0:28 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu";
  const v2 = "42 32 0:37 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw";
  expect(cgroupOf(`${v1}\n${v2}\n`, "3:cpu:/x\n0::/user.slice/a b\n")).toBe("/sys/fs/cgroup/unified/user.slice/a b");
  expect(cgroupOf(`${v2}\n`, "0::/\n")).toBe("/sys/fs/cgroup/unified/");
  expect(cgroupOf(`${v1}\n`, "0::/\n")).toBeUndefined();
  expect(cgroupOf(`${v2}\n`, "3:cpu:/x\n")).toBeUndefined();
});

test("cpu.stat tells microseconds", () => {
  expect(parseUsageMs("usage_usec 1234567\nuser_usec 1\nsystem_usec 2\n")).toBe(1234.567);
  expect(() => parseUsageMs("nr_periods 0\n")).toThrow("usage_usec");
});

test("a line of /proc/PID/stat is read whatever the name is, and what is none is not", () => {
  const rest = "S 7 7 7 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 1 0 5 6 7";
  expect(parseProcessLine(`12 (a) b (c) ${rest}`)).toEqual({ pid: 12, parent: 7, cpuMs: 1000 });
  expect(parseProcessLine("")).toBeUndefined();
  expect(parseProcessLine("12 (a) S 7")).toBeUndefined();
});

test("a tree has the roots that run and all below them, and nobody else", () => {
  const line = (pid: number, parent: number) => ({ pid, parent, cpuMs: 1 });
  const processes = [line(5, 4), line(1, 0), line(4, 3), line(3, 1), line(9, 1), line(2, 1)];
  const pids = treeBelow(processes, [3, 2, 77]).map(({ pid }) => pid);
  expect(pids.toSorted()).toEqual([2, 3, 4, 5]);
  expect(treeBelow(processes, [])).toEqual([]);
});
