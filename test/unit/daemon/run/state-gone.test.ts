/** A state directory that is removed, or exchanged, under a process that works with it: noticed, told, and begun anew by nobody. */
import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { startTwin } from "../../../live/lab/mailtwin.js";
import { until } from "../../../live/lab/until.js";
import { CLI, type DaemonEvent, type DaemonProcess } from "../../../live/sites/daemon-process.js";
import { rawDifferences } from "../../../live/twin/raw-compare.js";
import { addMessage, filledBench, makeMailbox } from "../../../live/twin/small-store.js";
import { openTwoDaemons, type TwoDaemons } from "./two-daemons.js";

const INBOX = "alice/Maildir";
const LIVE = ({ msg, state }: DaemonEvent & { readonly state?: unknown }): boolean =>
  msg === "replica-state" && state === "live";
const isGone = ({ msg, code }: DaemonEvent & { readonly code?: unknown }): boolean =>
  msg === "store-needs-you" && code === "state-gone";

const untilEqual = (two: TwoDaemons) =>
  until("both to be equal", () => {
    const isThere = existsSync(join(two.replica, INBOX, "dovecot-uidlist"));
    return isThere && rawDifferences(join(two.source, INBOX), join(two.replica, INBOX)).length === 0;
  });

async function withBoth(work: (two: TwoDaemons, a: DaemonProcess, b: DaemonProcess) => Promise<void>): Promise<void> {
  await using two = openTwoDaemons();
  makeMailbox(two.source, INBOX, { messages: 3, seed: 1 });
  two.configure({});
  const b = two.start("replica");
  const a = two.start("source");
  await a.waitFor("live", LIVE);
  await work(two, a, b);
}

describe("the state directory of a store", () => {
  test(
    "of a source that is moved away: its store ends, makes no new one, and goes on when it is back",
    {
      timeout: 90_000,
    },
    () =>
      withBoth(async (two, a, b) => {
        const state = join(two.dir, "state-a/stores/mail");
        renameSync(state, `${state}.away`);
        const { message, hint } = await a.waitFor("that it is gone", isGone);
        expect(message).toContain(`${state}: it is not there any more`);
        expect(hint).toContain("Put back what was there");
        addMessage(join(two.source, INBOX), { seed: 40 });
        const status = () => promisify(execFile)(process.execPath, [CLI, "status", "--config", two.configs.source]);
        const isTried = async () => (await status()).stdout.includes("there is no source.db in it any more");
        await until("another try", isTried, { deadlineMs: 30_000, pollMs: 200 });
        expect(existsSync(state)).toBe(false);
        renameSync(`${state}.away`, state);
        await untilEqual(two);
        expect(a.events.filter(({ msg }) => msg === "replica-first-contact")).toHaveLength(1);
        await a.stop();
        await b.stop();
      }),
  );

  test(
    "of a replica, exchanged for another one: its link ends, the source hears why, and nothing is applied meanwhile",
    {
      timeout: 90_000,
    },
    () =>
      withBoth(async (two, a, b) => {
        const state = join(two.dir, "state-b/stores/mail");
        renameSync(state, `${state}.away`);
        mkdirSync(state, { mode: 0o700 });
        const { message } = await b.waitFor("that it is gone", isGone);
        expect(message).toMatch(/: it is another one now$/);
        const heard = await a.waitFor("what the replica says", ({ code }) => code === "state-gone");
        expect(heard).toMatchObject({ msg: "replica-needs-you", level: 50 });
        addMessage(join(two.source, INBOX), { seed: 40 });
        await until("another refusal", () => b.events.filter(({ msg }) => msg === "link-refused").length > 0);
        expect(readdirSync(join(two.replica, INBOX, "cur"))).toHaveLength(3);
        expect(readdirSync(state)).toStrictEqual([]);
        rmSync(state, { recursive: true });
        renameSync(`${state}.away`, state);
        await untilEqual(two);
        await a.stop();
        await b.stop();
      }),
  );

  test("one database of it, removed: the same", { timeout: 90_000 }, () =>
    withBoth(async (two, a) => {
      rmSync(join(two.dir, "state-a/stores/mail/source.db"));
      const { message } = await a.waitFor("that it is gone", isGone);
      expect(message).toMatch(/: source\.db is not there any more$/);
    }),
  );
});

test("the state directory of the daemon: it ends with 74 and says what to do", { timeout: 90_000 }, () =>
  withBoth(async (two, _, b) => {
    rmSync(join(two.dir, "state-b"), { recursive: true });
    expect(await b.exited).toEqual({ code: 74, signal: null });
    b.expectNoDefect();
    expect(b.events.at(-1)).toMatchObject({
      ...{ msg: "daemon-failed", level: 50, code: "state-gone", exitCode: 74 },
      hint: expect.stringContaining("start the daemon"),
    });
    const again = two.start("replica");
    await again.waitFor("the source", ({ msg }) => msg === "source-connected");
    addMessage(join(two.source, INBOX), { seed: 40 });
    await untilEqual(two);
    await again.stop();
  }),
);

test("a copy in its place is another one", { timeout: 90_000 }, () =>
  withBoth(async (two, _, b) => {
    const state = join(two.dir, "state-b");
    cpSync(state, `${state}.copy`, { recursive: true, filter: (path) => !path.endsWith(".control") });
    renameSync(state, `${state}.away`);
    renameSync(`${state}.copy`, state);
    expect(await b.exited).toEqual({ code: 74, signal: null });
  }),
);

test("of sync --watch: it ends with 74, and the next run compares", { timeout: 90_000 }, async () => {
  using bench = filledBench();
  const { source, replica, state } = bench;
  const twin = await startTwin({ source, replica, state });
  rmSync(state, { recursive: true });
  expect(await twin.exited).toEqual({ code: 74, signal: undefined });
  expect(twin.output.events.at(-1)).toMatchObject({ event: "error", code: "state-gone" });
  const uidlist = join(replica, "u1/Maildir/dovecot-uidlist");
  const before = readFileSync(uidlist, "utf8");
  const again = await bench.sync();
  expect(again.code, JSON.stringify(again)).toBe(0);
  expect(readFileSync(uidlist, "utf8")).toBe(before);
});
