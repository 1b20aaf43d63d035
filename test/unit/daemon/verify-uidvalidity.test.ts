/** `mailtwin verify A B` where a mailbox of B has another UIDVALIDITY: a person decides. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { runTwin } from "../../live/lab/mailtwin.js";
import { rawDifferences } from "../../live/twin/raw-compare.js";
import { type Bench, filledBench } from "../../live/twin/small-store.js";

const INBOX = "u1/Maildir";
let bench: Bench;

beforeEach(() => {
  bench = filledBench();
});

afterEach(() => bench[Symbol.dispose]());

const listIn = (store: string) => join(store, INBOX, "dovecot-uidlist");
const validityIn = (store: string) => Number(/ V(\d+)/.exec(readFileSync(listIn(store), "latin1"))?.[1]);

function renumber(store: string, validity: number): void {
  writeFileSync(listIn(store), readFileSync(listIn(store), "latin1").replace(/ V\d+/, ` V${validity}`), "latin1");
}

async function repair(...args: readonly string[]) {
  const words = ["verify", bench.source, bench.replica, "--settle", "0", "--repair", "--state", bench.state, ...args];
  const { code, strayOutput, stderr } = await runTwin(words, { env: { XDG_STATE_HOME: join(bench.dir, "xdg") } });
  return { code, out: strayOutput, stderr };
}

const NAMED = expect.stringMatching(/^ {2}UIDVALIDITY \d+ in A, 7 in B: clients take it for another mailbox/);

test("it is named, left as it is unless that is accepted, and takes A's then", { timeout: 120_000 }, async () => {
  expect((await bench.sync()).code).toBe(0);
  renumber(bench.replica, 7);
  const before = readFileSync(listIn(bench.replica), "latin1");
  for (const _ of ["once", "and again"]) {
    const left = await repair();
    expect(left).toMatchObject({ code: 1, stderr: expect.stringContaining("has UIDVALIDITY 7 on the replica") });
    expect(left.stderr).toContain("--accept-uidvalidity");
    expect(left.out).toContainEqual(NAMED);
    expect(left.out).toContainEqual(
      expect.stringMatching(/^1 mailbox of B has another UIDVALIDITY and was left as it is: --accept-uidvalidity /),
    );
    expect(readFileSync(listIn(bench.replica), "latin1")).toBe(before);
  }
  const json = JSON.parse((await repair("--json")).out.join("\n"));
  expect(json).toMatchObject({ equal: false, left: 1, repaired: 0 });

  expect(await repair("--accept-uidvalidity")).toMatchObject({ code: 0, stderr: "" });
  expect(validityIn(bench.replica)).toBe(validityIn(bench.source));
  expect(rawDifferences(bench.source, bench.replica)).toStrictEqual([]);
});

test("a copy that was never a twin is left alone too, and all else of it is mended", { timeout: 120_000 }, async () => {
  expect((await bench.sync("--state", join(bench.dir, "other"))).code).toBe(0);
  renumber(bench.replica, 7);
  const before = readFileSync(listIn(bench.replica), "latin1");
  expect(await repair()).toMatchObject({ code: 1, out: expect.arrayContaining([INBOX, NAMED]) });
  expect(readFileSync(listIn(bench.replica), "latin1")).toBe(before);
  expect(await repair("--accept-uidvalidity")).toMatchObject({ code: 0, stderr: "" });
  expect(rawDifferences(bench.source, bench.replica)).toStrictEqual([]);
});

test("a UIDVALIDITY that the source has made anew is followed, and told", { timeout: 120_000 }, async () => {
  expect((await bench.sync()).code).toBe(0);
  const before = validityIn(bench.source);
  renumber(bench.source, 1_800_000_000);
  const run = await bench.sync();
  expect(run.code).toBe(0);
  expect(run.events.filter(({ event }) => event === "mailbox-renumbered")).toStrictEqual([
    { event: "mailbox-renumbered", path: INBOX, before, after: 1_800_000_000, messages: expect.any(Number) },
  ]);
  expect(rawDifferences(bench.source, bench.replica)).toStrictEqual([]);
});

test("--accept-uidvalidity without --repair is refused", async () => {
  const run = await runTwin(["verify", bench.source, bench.replica, "--accept-uidvalidity"]);
  expect(run).toMatchObject({ code: 64, stderr: expect.stringContaining("--accept-uidvalidity is for --repair") });
});
