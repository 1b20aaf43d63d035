/** `mailtwin sync --resync --dry-run SRC HOST:DST`, with a program in the place of ssh that runs on this host what ssh would run there. */
import { chmodSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { runTwin, type TwinRun } from "../../../live/lab/mailtwin.js";
import { rawDifferences, treeState } from "../../../live/twin/raw-compare.js";
import {
  addMessage,
  type Bench,
  eventsOf,
  expectOneProblem,
  expectRefusal,
  filledBench,
} from "../../../live/twin/small-store.js";

const CLI = fileURLToPath(new URL("../../../../dist/daemon/cli.js", import.meta.url));
const INBOX = "u1/Maildir";
const TIMEOUT = { timeout: 120_000 };
let bench: Bench;
let sync: (...args: readonly string[]) => Promise<TwinRun>;

beforeEach(() => {
  bench = filledBench();
  const { dir, source, replica } = bench;
  const [ssh, there] = [join(dir, "ssh"), join(dir, "there")];
  mkdirSync(there, { mode: 0o700 });
  const drop = "while case $1 in -*) true ;; *) false ;; esac; do shift; done; shift 2";
  writeFileSync(ssh, `#!/bin/sh\n${drop}\nXDG_STATE_HOME=${there} exec sh -c "$*"\n`);
  chmodSync(ssh, 0o755);
  const stores = [source, `b.example.org:${replica}`, "-e", ssh, "--remote-mailtwin", `node ${CLI}`, "--json"];
  sync = (...args) => runTwin(["sync", ...stores, ...args], { env: { XDG_STATE_HOME: join(dir, "here") } });
});

afterEach(() => bench[Symbol.dispose]());

const isRead = /(^\. )|-(?:shm|wal)\b/; // a database that is read gets these beside it.
const files = () => treeState(bench.dir).filter((line) => !isRead.test(line));
const plan = () => sync("--resync", "--dry-run");

test("tells what the run then does, and writes nothing on either side", TIMEOUT, async () => {
  expect((await sync()).code).toBe(0);
  const cur = join(bench.replica, INBOX, "cur");
  const [name = ""] = readdirSync(cur).filter((each) => each.endsWith(":2,S"));
  renameSync(join(cur, name), join(cur, `${name}F`.replace("SF", "FS")));
  addMessage(join(bench.source, INBOX), { seed: 60 });
  const before = files();
  const run = await plan();
  expect(files()).toStrictEqual(before);
  expect(run.code, JSON.stringify(run)).toBe(0);
  expect(eventsOf(run, "resync-plan")).toMatchObject([
    {
      ...{ mailboxes: 3, messages: 10, equal: 2, toChange: 1, failed: 0 },
      plans: [
        {
          mailbox: INBOX,
          actions: [
            { kind: "marks", count: 1 },
            { kind: "add", count: 1 },
          ],
        },
      ],
    },
  ]);
  expect((await sync("--resync")).code).toBe(0);
  expect(rawDifferences(join(bench.source, INBOX), join(bench.replica, INBOX))).toStrictEqual([]);
  expect(eventsOf(await plan(), "resync-plan")).toMatchObject([{ equal: 3, plans: [] }]);
});

test("of a directory that is no twin of this source it is refused, and nothing is made", TIMEOUT, async () => {
  const before = files();
  expectRefusal(await plan(), "not-a-twin", 66, "b.example.org");
  expect(files()).toStrictEqual(before);
  expect((await sync()).code).toBe(0);
  rmSync(join(bench.dir, "there"), { recursive: true });
  mkdirSync(join(bench.dir, "there"), { mode: 0o700 });
  expectRefusal(await plan(), "not-a-twin", 66, "it says:");
  expectRefusal(await sync("--dry-run"), "usage", 64, "--dry-run is for a DST on this host");
});

test(
  "a UIDVALIDITY that has changed over there is told by the plan and by the run, until it is accepted",
  TIMEOUT,
  async () => {
    expect((await sync()).code).toBe(0);
    const list = join(bench.replica, INBOX, "dovecot-uidlist");
    writeFileSync(list, readFileSync(list, "latin1").replace(/ V\d+/, " V7"), "latin1");
    const told = await plan();
    expect(told.code).toBe(1);
    expect(eventsOf(told, "resync-plan")).toMatchObject([
      { failed: 1, plans: [{ failure: { code: "uidvalidity-differs" } }] },
    ]);
    for (const _ of ["once", "and again"])
      expectOneProblem(await sync(), INBOX, "uidvalidity-differs", "UIDVALIDITY 7 ");
    const run = await sync("--accept-uidvalidity");
    expect(run.code, JSON.stringify(run)).toBe(0);
    expect(eventsOf(run, "mailbox-renumbered")).toMatchObject([{ path: INBOX, before: 7 }]);
    expect(rawDifferences(join(bench.source, INBOX), join(bench.replica, INBOX))).toStrictEqual([]);
  },
);
