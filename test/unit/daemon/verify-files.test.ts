/** Mail of SRC that was changed under its name since it was captured: what `verify` says of it, and what its `--repair` does. Whole programs. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { contentsOf } from "../../live/twin/contents.js";
import { addMessage, type Bench, eventsOf, filledBench } from "../../live/twin/small-store.js";
import { mailtwin } from "./mailtwin.js";

const INBOX = "u1/Maildir";

let bench: Bench;

beforeEach(() => {
  bench = filledBench();
});

afterEach(() => bench[Symbol.dispose]());

async function verify(...args: readonly string[]) {
  const { dir, source, replica, state } = bench;
  const all = ["verify", source, replica, "--state", state, "--settle", "0.1", "--deep", ...args];
  return mailtwin(all, { cwd: dir, env: { XDG_STATE_HOME: join(dir, "xdg") } });
}

/** Of the INBOX the first file's name, and where it is on both sides. */
function firstFile() {
  const [name = ""] = readdirSync(join(bench.source, INBOX, "cur")).sort();
  const at = (store: string) => join(store, INBOX, "cur", name);
  return { here: at(bench.source), there: at(bench.replica) };
}

describe("a message of another size", () => {
  test("stays as it was, and verify says why and what can be done; with --trust-source it comes", {
    timeout: 180_000,
  }, async () => {
    expect((await bench.sync()).code).toBe(0);
    const { here, there } = firstFile();
    const before = readFileSync(there);
    writeFileSync(here, `X: edited\n${before.toString("latin1")}`, "latin1");
    const stores = contentsOf(bench.replica);
    const words =
      /^ {2}UID 1: size \d+ bytes in A, \d+ bytes in B; date \S+ in A, \S+ in B \(the file in A was changed after it was captured, so it is left as it is: where that is right, --repair --trust-source has B get it; else put the file in A right\)$/m;
    for (const args of [[], ["--repair"]]) {
      const { code, out, err } = await verify(...args);
      expect([code, err]).toEqual([1, ""]);
      expect(out).toMatch(words);
      expect(out).not.toContain("bringing B in agreement");
    }
    expect(contentsOf(bench.replica)).toEqual(stores);

    const { code, out } = await verify("--repair", "--trust-source");
    expect([code, out]).toEqual([
      0,
      expect.stringMatching(/^1 mailbox differs: bringing B in agreement with A\nequal: /),
    ]);
    expect(readFileSync(there)).toEqual(readFileSync(here));
    expect(Math.floor(statSync(there).mtimeMs / 1000)).toBe(Math.floor(statSync(here).mtimeMs / 1000));

    // What was brought is what is known from now on.
    const whole = readFileSync(there);
    const { atimeMs, mtimeMs } = statSync(there);
    const changed = Buffer.from(whole);
    changed[40] = (changed[40] ?? 0) ^ 1;
    writeFileSync(there, changed);
    utimesSync(there, atimeMs / 1000, mtimeMs / 1000);
    expect(await verify("--repair")).toMatchObject({ code: 0 });
    expect(readFileSync(there)).toEqual(whole);
    expect((await bench.sync()).code).toBe(0);
  });

  test("is repaired beside others that are: what can be done is", { timeout: 120_000 }, async () => {
    expect((await bench.sync()).code).toBe(0);
    appendFileSync(firstFile().here, "more\n");
    const other = join(bench.replica, "u2/Maildir/cur");
    const [name = ""] = readdirSync(other);
    utimesSync(join(other, name), 1_000, 1_000);
    const { code, out } = await verify("--repair");
    expect(code).toBe(1);
    expect(out).toMatch(/^1 mailbox differs: bringing B in agreement with A$/m);
    expect(out).toMatch(/^not equal: 1 mailbox differs;/m);
    expect(statSync(join(other, name)).mtimeMs).not.toBe(1_000_000);
  });
});

test("another date alone is brought by --repair, and no body is sent", { timeout: 120_000 }, async () => {
  expect((await bench.sync()).code).toBe(0);
  const { here, there } = firstFile();
  utimesSync(here, 1_234_567_890, 1_234_567_890);
  const { ino } = statSync(there);
  const found = await verify();
  expect(found.out).toMatch(/^ {2}UID 1: date 2009-02-13T23:31:30Z in A, \S+ in B$/m);
  expect(await verify("--repair")).toMatchObject({ code: 0, out: expect.stringMatching(/^equal: 9 messages/m) });
  expect(statSync(there)).toMatchObject({ ino, mtimeMs: 1_234_567_890_000 });
});

describe("a file that grows while sync captures and sends it", () => {
  let growing: ChildProcess | undefined;

  afterEach(() => growing?.kill());

  test("keeps no other mailbox waiting, and comes whole once it stands still", { timeout: 180_000 }, async () => {
    const inbox = join(bench.source, INBOX);
    const name = addMessage(inbox, { seed: 50 });
    const file = join(inbox, "cur", `${name}:2,`);
    const grow = `while :; do head -c 2000 /dev/zero >>"$1"; sleep 0.005; done`;
    growing = spawn("sh", ["-c", grow, "sh", file], { cwd: bench.dir, stdio: "ignore" });
    const { size } = statSync(file);
    while (statSync(file).size === size) await new Promise((resolve) => setImmediate(resolve));
    const first = await bench.sync();
    expect([0, 1]).toContain(first.code);
    for (const problem of eventsOf(first, "problem"))
      expect(problem).toMatchObject({
        path: INBOX,
        code: "body-changed",
        message: expect.stringMatching(
          /^shipping to "?u1\/Maildir"?: the file of UID 5 \(.*\) is not what was captured/,
        ),
      });
    expect(readdirSync(join(bench.replica, "u2/Maildir/cur"))).toHaveLength(2);
    growing.kill();
    await once(growing, "exit");
    addMessage(inbox, { seed: 60 });
    const second = await bench.sync();
    expect([second.code, eventsOf(second, "problem")]).toEqual([0, []]);
    const { code, out } = await verify("--repair", "--trust-source"); // what it got after it was sent, if that was in time.
    expect([code, out]).toEqual([0, expect.stringMatching(/^equal: 11 messages/m)]);
    expect(readFileSync(join(bench.replica, INBOX, "cur", `${name}:2,`))).toEqual(readFileSync(file));
  });
});
