/** A destination that has to be compared again has mail of its own: that was kept there before, and is no reason to refuse. */
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { beginAnew } from "../../../src/daemon/begin-anew.js";
import { findPlaces } from "../../../src/daemon/places.js";
import {
  addMessage,
  type Bench,
  eventsOf,
  expectRefusal,
  filledBench,
  summaryOf,
} from "../../live/twin/small-store.js";

const KEPT = /^the destination holds 1 message that the source does not have, in u2\/Maildir \(1\): kept beside$/;

let bench: Bench;

/** One whose u2 has a message of its own, which a run has kept. */
beforeEach(async () => {
  bench = filledBench();
  expect((await bench.sync()).code).toBe(0);
  addMessage(join(bench.replica, "u2/Maildir"), { seed: 90 });
  expect((await bench.sync()).code).toBe(0);
  return () => bench[Symbol.dispose]();
});

function renew(path: string): void {
  const list = join(bench.replica, path, "dovecot-uidlist");
  const text = readFileSync(list, "latin1");
  writeFileSync(list, text.replace(/ V\d+ (N\d+) G\w+/, ` V7 $1 G${"e".repeat(32)}`));
}

function bodiesOf(path: string): readonly string[] {
  return readdirSync(join(bench.replica, path, "cur")).sort();
}

describe("one owner who makes his mailbox look like another", () => {
  test("stops nobody: what only the destination has is kept, and named", async () => {
    const before = bodiesOf("u2/Maildir");
    renew("u1/Maildir");
    const run = await bench.sync();
    expect(run.code, JSON.stringify(run)).toBe(0);
    const words = eventsOf(run, "conflict").map((event) => String(event["words"]));
    expect(words).toStrictEqual([expect.stringMatching(/was made anew \(u1\/Maildir\)/), expect.stringMatching(KEPT)]);
    expect(bodiesOf("u2/Maildir")).toStrictEqual(before);
    expect(summaryOf(await bench.sync())).toMatchObject({ transactions: 0, problems: 0 });
    expect(existsSync(join(bench.state, "begun-anew"))).toBe(false);
  });

  test("as a dry run says", async () => {
    renew("u1/Maildir");
    const run = await bench.sync("--dry-run");
    expect(run.code, JSON.stringify(run)).toBe(0);
    expect(JSON.stringify(eventsOf(run, "plan"))).toContain("1 message that only DST has: kept as it is");
  });
});

describe("a run that is killed when the state is gone", () => {
  test("is followed by one that refuses nothing either", async () => {
    beginAnew(findPlaces(bench.source, bench.replica, { state: bench.state }));
    const run = await bench.sync();
    expect(run.code, JSON.stringify(run)).toBe(0);
    expect(eventsOf(run, "conflict")).toHaveLength(1);
  });

  test("nor where a Maildir has got another name in SRC meanwhile", async () => {
    beginAnew(findPlaces(bench.source, bench.replica, { state: bench.state }));
    renameSync(join(bench.source, "u1"), join(bench.source, "u9"));
    const run = await bench.sync();
    expect(run.code, JSON.stringify(run)).toBe(0);
    const mail = readdirSync(join(bench.source, "u9/Maildir/cur")).sort();
    expect(mail.length).toBeGreaterThan(0);
    expect(bodiesOf("u9/Maildir")).toStrictEqual(mail);
  });

  test("but of another destination that says nothing", async () => {
    beginAnew({ ...findPlaces(bench.source, bench.replica, { state: bench.state }), destination: "/elsewhere" });
    expectRefusal(await bench.sync(), "destination-has-mail", 73);
  });
});

test("an operator who removes the state is asked", async () => {
  rmSync(bench.state, { recursive: true });
  expectRefusal(await bench.sync(), "destination-has-mail", 73);
});
