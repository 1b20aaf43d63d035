/** Ctrl-C and SIGTERM before the end, as a shell sees them. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { stopReason, withWords } from "../../../src/daemon/interruption.js";
import { until } from "../../live/lab/until.js";
import { rawDifferences } from "../../live/twin/raw-compare.js";
import { type Bench, makeMailbox, openBench } from "../../live/twin/small-store.js";

const CLI = fileURLToPath(new URL("../../../dist/daemon/cli.js", import.meta.url));

describe("the reason", () => {
  test("has the exit code that shells give to the signal", () => {
    expect(stopReason("SIGINT")).toMatchObject({ code: "interrupted", exitCode: 128 + 2 });
    expect(stopReason("SIGHUP")).toMatchObject({ code: "hung-up", exitCode: 128 + 1 });
    expect(stopReason("SIGTERM")).toMatchObject({ code: "terminated", exitCode: 128 + 15 });
  });

  test("keeps its code when it is told what was done; another reason stays what it is", () => {
    expect(withWords(stopReason("SIGTERM"), "7 messages shipped")).toMatchObject({
      code: "terminated",
      message: "stopped by SIGTERM before the end: 7 messages shipped",
    });
    const other = new Error("the disk is full");
    expect(withWords(other, "7 messages shipped")).toBe(other);
  });
});

/** A run that cannot get on: somebody who lives holds the lock of the mailbox. Returns when it waits there. */
async function startHeldUp(bench: Bench, ...args: readonly string[]): Promise<{ run: ChildProcess; lock: string }> {
  makeMailbox(bench.source, "u1/Maildir", { messages: 3 });
  const mailbox = join(bench.replica, "u1/Maildir");
  mkdirSync(join(mailbox, "cur"), { recursive: true });
  const lock = join(mailbox, "dovecot-uidlist.lock");
  writeFileSync(lock, `${process.pid}:${hostname()}`);
  const all = [CLI, "sync", bench.source, bench.replica, "--state", bench.state, ...args];
  const run = spawn(process.execPath, all, { stdio: ["ignore", "pipe", "pipe"] });
  const stage = join(bench.dir, ".replica.mailtwin/stage");
  await until("bodies to be staged", () => existsSync(stage));
  return { run, lock };
}

describe.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const)("a run that %s ends", (signal, code) => {
  test.each([[[]], [["--watch"]]])("says so and what was done, and the next one goes on: %j", async (args) => {
    using bench = openBench();
    const { run, lock } = await startHeldUp(bench, ...args);
    const [out, err] = [text(run.stdout as NodeJS.ReadableStream), text(run.stderr as NodeJS.ReadableStream)];
    run.kill(signal);
    const [exitCode] = await once(run, "exit");
    expect(exitCode).toBe(code);
    const said = (await err).split("\n").filter((line) => line !== "");
    expect(said).toStrictEqual([
      `mailtwin: stopped by ${signal} before the end: nothing was shipped yet.`,
      "Nothing is half done. Run the same command again: it goes on from there.",
    ]);
    expect(await out).not.toMatch(/done|nothing to do/);
    rmSync(lock);
    expect((await bench.sync()).code).toBe(0);
    expect(rawDifferences(bench.source, bench.replica)).toStrictEqual([]);
  });
});
