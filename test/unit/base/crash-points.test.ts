import { AssertionError } from "node:assert";
import { spawnSync } from "node:child_process";
import { describe, expect, test, vi } from "vitest";
import { crashPointsFromEnv } from "../../../src/base/crash-points.js";

describe("crashPointsFromEnv", () => {
  test.each([undefined, ""])("%j never kills", (spec) => {
    const kill = vi.fn();
    crashPointsFromEnv(spec, kill)("apply.after-rename");
    expect(kill).not.toHaveBeenCalled();
  });

  test("kills at that place, at the first time, and at no other place", () => {
    const kill = vi.fn();
    const reach = crashPointsFromEnv("apply.after-rename", kill);
    reach("apply.before-rename");
    reach("apply.after-rename-all");
    expect(kill).not.toHaveBeenCalled();
    reach("apply.after-rename");
    expect(kill).toHaveBeenCalledTimes(1);
  });

  test("kills at the third time only", () => {
    const kill = vi.fn();
    const reach = crashPointsFromEnv("apply.after-rename:3", kill);
    const killedAt = [1, 2, 3, 4].filter(() => {
      const before = kill.mock.calls.length;
      reach("apply.after-rename");
      return kill.mock.calls.length > before;
    });
    expect(killedAt).toEqual([3]);
  });

  test("threads that are started later count together", () => {
    const url = new URL("../../../node_modules/.cache/mailtwin/js/base/crash-points.js", import.meta.url);
    const program = `
      import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads";
      import { crashAtOfEnvironment, crashPointsFromEnv } from ${JSON.stringify(url.href)};
      const spec = crashAtOfEnvironment();
      const reach = crashPointsFromEnv(spec);
      reach("here");
      const inThread = 'import("node:worker_threads").then(async ({ parentPort }) => {' +
        'const { crashPointsFromEnv } = await import(${JSON.stringify(url.href)});' +
        'crashPointsFromEnv("here:3")("here"); parentPort.postMessage("reached"); })';
      new Worker(inThread, { eval: true }).once("message", () => {
        console.log("twice");
        reach("here");
        console.log("went on");
      });
    `;
    const { signal, stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
      encoding: "utf8",
      env: { ...process.env, MAILTWIN_CRASH_AT: "here:3" },
    });
    expect([signal, stdout]).toEqual(["SIGKILL", "twice\n"]);
  });

  test.each(["apply after", ":3", "a:0", "a:-1", "a:1:2", "a:x", "A"])("%j is refused", (spec) => {
    expect(() => crashPointsFromEnv(spec)).toThrow(AssertionError);
  });

  test("the default is SIGKILL, which says where; nothing runs after it", () => {
    const url = new URL("../../../node_modules/.cache/mailtwin/js/base/crash-points.js", import.meta.url);
    const program = `
      import { crashPointsFromEnv } from ${JSON.stringify(url.href)};
      process.on("exit", () => console.log("cleaned up"));
      crashPointsFromEnv("here")("here");
      console.log("went on");
    `;
    const { signal, stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
      encoding: "utf8",
    });
    expect([signal, stdout, stderr]).toEqual(["SIGKILL", "", "killed at crash point here\n"]);
  });
});
