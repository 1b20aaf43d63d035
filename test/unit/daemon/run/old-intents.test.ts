/**
 * A replica that is killed in the middle of applying, and whose store is a source after that, and a replica again: what was on its way is
 * put in order before anything is captured, nothing is lost, and nothing of the old transaction comes over newer mail.
 */
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { until } from "../../../live/lab/until.js";
import { type DaemonEvent, DaemonProcess } from "../../../live/sites/daemon-process.js";
import { rawDifferences } from "../../../live/twin/raw-compare.js";
import { addMessage, makeMailbox } from "../../../live/twin/small-store.js";
import { openTwoDaemons, type TwoDaemons } from "./two-daemons.js";

const TOP = "alice/Maildir";
const [A, B] = [`${TOP}/.A`, `${TOP}/.B`];
const BOXES = [TOP, A, B];
const LIVE = ({ msg, state }: DaemonEvent & { readonly state?: unknown }): boolean =>
  msg === "replica-state" && state === "live";

/** But for the lock of the process that was killed, which names it: whoever takes it next, Dovecot or we, overrides it. */
const differences = (two: TwoDaemons) =>
  BOXES.flatMap((path) => rawDifferences(join(two.source, path), join(two.replica, path))).filter(
    ({ kind, words }) => kind !== "leftover" || !words.endsWith(": dovecot-uidlist.lock"),
  );
const untilEqual = (two: TwoDaemons) =>
  until(
    "both to be equal",
    () =>
      BOXES.every((path) => existsSync(join(two.replica, path, "dovecot-uidlist"))) && differences(two).length === 0,
    { detail: () => JSON.stringify(differences(two)) },
  );

/** Base names of all messages, wherever they stand. */
const mailOf = (store: string) =>
  readdirSync(store, { recursive: true })
    .map(String)
    .filter((path) => /\/(cur|new)\/[^/]+$/.test(path))
    .map((path) => (path.split("/").at(-1) ?? "").split(":")[0] ?? "")
    .sort();

const guidOf = (store: string, path: string) =>
  / G([0-9a-f]{32})/.exec(readFileSync(join(store, path, "dovecot-uidlist"), "latin1"))?.[1];

async function twinned(): Promise<TwoDaemons> {
  const two = openTwoDaemons();
  for (const [at, path] of BOXES.entries()) makeMailbox(two.source, path, { messages: 3, seed: 10 * (at + 1) });
  two.configure({});
  const replica = two.start("replica");
  const source = two.start("source");
  await source.waitFor("live", LIVE);
  await untilEqual(two);
  await source.stop();
  await replica.stop();
  return two;
}

/** `change` happens at the source while nobody runs; the replica is killed at `point` as it applies that. */
async function killedWhileApplying(two: TwoDaemons, point: string, change: () => void): Promise<void> {
  change();
  const env = { MAILTWIN_CRASH_AT: point };
  const replica = new DaemonProcess({ site: "replica", before: [], configPath: two.configs.replica, env });
  const source = two.start("source");
  expect((await replica.exited).signal).toBe("SIGKILL");
  await source.stop();
}

async function asSource(two: TwoDaemons): Promise<void> {
  two.configureExchanged();
  const takes = two.start("source");
  const sends = two.start("replica");
  await sends.waitFor("live", LIVE);
  await untilEqual(two);
  await sends.stop();
  await takes.stop();
}

async function back(two: TwoDaemons): Promise<void> {
  two.configure({});
  const takes = two.start("replica");
  const sends = two.start("source");
  await sends.waitFor("live", LIVE);
  addMessage(join(two.source, TOP), { seed: 99 });
  await untilEqual(two);
  await sends.stop();
  await takes.stop();
}

const parked = (two: TwoDaemons) => {
  const dir = join(two.dir, ".replica.mailtwin/parked");
  return existsSync(dir) ? readdirSync(dir) : [];
};

function swap(store: string): void {
  renameSync(join(store, A), join(store, `${TOP}/.T`));
  renameSync(join(store, B), join(store, A));
  renameSync(join(store, `${TOP}/.T`), join(store, B));
}

describe("killed as a replica, and a source after that", () => {
  test.each(["apply.displaced-out", "apply.mover-in"])(
    "at %s: mailboxes that were out of the store are back before it is captured",
    { timeout: 120_000 },
    async (point) => {
      await using two = await twinned();
      const all = mailOf(two.source);
      const guids = [A, B].map((path) => guidOf(two.source, path));
      await killedWhileApplying(two, point, () => swap(two.source));
      expect(parked(two)).not.toEqual([]);
      await asSource(two);
      expect(parked(two)).toEqual([]);
      for (const store of [two.source, two.replica]) {
        expect(mailOf(store)).toEqual(all);
        expect([A, B].map((path) => guidOf(store, path)).toSorted()).toEqual(guids.toSorted());
      }
      await back(two);
      for (const store of [two.source, two.replica]) expect(mailOf(store)).toHaveLength(all.length + 1);
    },
  );

  test.each(["apply.intent", "apply.bodies-renamed"])(
    "at %s: what had come is mail, and what comes later stays what it is",
    { timeout: 120_000 },
    async (point) => {
      await using two = await twinned();
      const late = { base: "" };
      await killedWhileApplying(two, point, () => {
        late.base = addMessage(join(two.source, A), { seed: 70 }).split(":")[0] ?? "";
      });
      let newer = "";
      two.configureExchanged();
      const text = readFileSync(two.configs.replica, "utf8");
      writeFileSync(two.configs.replica, `${text}foreign = "keep"\n`);
      const sends = two.start("replica");
      await sends.waitFor("captured", ({ msg }) => msg === "store-captured");
      newer = addMessage(join(two.replica, A), { seed: 80 }).split(":")[0] ?? "";
      const takes = two.start("source");
      await sends.waitFor("live", LIVE);
      await until("the newer mail", () => mailOf(two.source).includes(newer));
      await sends.stop();
      await takes.stop();
      // What had not come stands at the old source alone; it is foreign there, and stays.
      expect(mailOf(two.source)).toEqual(expect.arrayContaining([late.base, newer]));
      await back(two);
      for (const store of [two.source, two.replica]) {
        const mail = mailOf(store);
        expect(mail).toEqual(expect.arrayContaining([late.base, newer]));
        expect(new Set(mail).size).toBe(mail.length);
      }
    },
  );
});
