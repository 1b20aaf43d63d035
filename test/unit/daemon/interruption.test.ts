/** Ctrl-C and SIGTERM before the end, as a shell sees them. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { stopReason, withWords } from "../../../src/daemon/interruption.js";
import { startTwin } from "../../live/lab/mailtwin.js";
import { until } from "../../live/lab/until.js";
import { rawDifferences } from "../../live/twin/raw-compare.js";
import { addMessage, type Bench, eventsOf, makeMailbox, openBench } from "../../live/twin/small-store.js";

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

describe("a live run that is stopped while a mailbox of the destination waits for its lock", () => {
  test("does not say that all is there", { timeout: 60_000 }, async () => {
    using bench = openBench();
    const [held, free] = ["u1/Maildir", "u2/Maildir"];
    for (const path of [held, free]) makeMailbox(bench.source, path, { messages: 2 });
    await using twin = await startTwin(bench);
    const lock = join(bench.replica, held, "dovecot-uidlist.lock");
    writeFileSync(lock, `${process.pid}:${hostname()}`);
    addMessage(join(bench.source, held), { seed: 50 });
    await until("the mail to be staged", () => readdirSync(join(bench.replica, held, "tmp")).length > 0);
    expect(await twin.stop()).toEqual({ code: 130, signal: undefined });
    expect(eventsOf({ ...twin.output, ...(await twin.exited) }, "summary")).toEqual([]);
    expect(twin.output.events.at(-1)).toMatchObject({
      event: "error",
      code: "interrupted",
      message: "stopped by SIGINT before the end: still to be shipped: 1 transaction",
    });
    rmSync(lock);
    expect((await bench.sync()).code).toBe(0);
    expect(rawDifferences(bench.source, bench.replica)).toStrictEqual([]);
  });

  test("ships it when the lock is let go of in time, and ends with 0", { timeout: 60_000 }, async () => {
    using bench = openBench();
    makeMailbox(bench.source, "u1/Maildir", { messages: 2 });
    await using twin = await startTwin(bench);
    const lock = join(bench.replica, "u1/Maildir/dovecot-uidlist.lock");
    writeFileSync(lock, `${process.pid}:${hostname()}`);
    addMessage(join(bench.source, "u1/Maildir"), { seed: 50 });
    await until("the mail to be staged", () => readdirSync(join(bench.replica, "u1/Maildir/tmp")).length > 0);
    const stopped = twin.stop();
    await setTimeout(1_000);
    rmSync(lock);
    expect(await stopped).toEqual({ code: 0, signal: undefined });
    expect(twin.output.events.at(-1)).toMatchObject({ event: "summary", problems: 0 });
    expect(rawDifferences(bench.source, bench.replica)).toStrictEqual([]);
  });
});
