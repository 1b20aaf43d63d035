/** One run for a destination, for what lies in it and what it lies in. flock(2) belongs to an open directory: one process will do. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { holdDestination } from "../../../src/daemon/hold-destination.js";
import { holdScratch } from "../../../src/daemon/hold-scratch.js";
import { holdStateDirectory, leaveState } from "../../../src/daemon/hold-state.js";
import { makeOurs, siteAt } from "../../../src/daemon/own-directory.js";
import { expectRefusal, openBench } from "../../live/twin/small-store.js";

const HAS_FLOCK = spawnSync("flock", ["--version"]).status === 0;

let root: string;
const at = (path: string) => join(root, path);
const inUse = (...words: readonly string[]) =>
  expect.objectContaining({
    code: "destination-in-use",
    message: expect.stringMatching(new RegExp(`${words.join(".*")}: another `)),
  });

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), "mailtwin-hold-")));
  for (const path of ["vm/A/bob", "vm/A/eve", "vm/B"]) mkdirSync(at(path), { recursive: true });
  return () => rmSync(root, { recursive: true });
});

describe.runIf(HAS_FLOCK)("a run [needs flock(1)]", () => {
  test("on a directory excludes one on a part of it, however deep, and names both", () => {
    using _all = holdDestination(at("vm"));
    for (const part of ["vm/A", "vm/A/bob"]) expect(() => holdDestination(at(part))).toThrow(inUse(at("vm"), at(part)));
  });

  test("on a part excludes one on what holds it", () => {
    using _bob = holdDestination(at("vm/A/bob"));
    for (const whole of ["vm", "vm/A"]) expect(() => holdDestination(at(whole))).toThrow(inUse(at(whole)));
  });

  test("on the same directory excludes another one", () => {
    using _first = holdDestination(at("vm/A"));
    expect(() => holdDestination(at("vm/A"))).toThrow(inUse(at("vm/A")));
    expect(() => holdDestination(at("vm/A"))).toThrow(/with flock\(2\): .*perhaps no mailtwin$/);
  });

  test("leaves its neighbours alone, and all when it has ended or was refused", () => {
    {
      using _bob = holdDestination(at("vm/A/bob"));
      using _eve = holdDestination(at("vm/A/eve"));
      using _other = holdDestination(at("vm/B"));
      expect(() => holdDestination(at("vm"))).toThrow(inUse(at("vm")));
    }
    using _all = holdDestination(at("vm"));
    expect(() => holdDestination(at("vm/A/bob"))).toThrow(inUse(at("vm"), at("vm/A/bob")));
  });

  test("on a destination that is not there holds what is above it", () => {
    using _new = holdDestination(at("vm/A/new"));
    expect(() => holdDestination(at("vm/A"))).toThrow(inUse(at("vm/A")));
  });
});

describe.runIf(HAS_FLOCK)("a run that is refused [needs flock(1)]", () => {
  test("leaves no state directory behind that it has made, and one that was there as it was", async () => {
    const bench = openBench();
    using _bench = bench;
    mkdirSync(bench.replica);
    using _held = holdDestination(realpathSync(bench.replica));
    expectRefusal(await bench.sync(), "destination-in-use", 75, bench.replica);
    expect(existsSync(bench.state)).toBe(false);
    mkdirSync(bench.state, { mode: 0o700 });
    expectRefusal(await bench.sync(), "destination-in-use", 75, bench.replica);
    expect(readdirSync(bench.state)).toEqual(["lock.db"]); // it may be another run's.
  });

  test("nor where it is the scratch directory that is in use", async () => {
    const bench = openBench();
    using _bench = bench;
    const scratch = join(realpathSync(bench.dir), "scratch");
    const refuse = (why: string) => new Error(why);
    const site = makeOurs(scratch, refuse, { mayBeRead: false, levelsMax: 1, made: [] });
    using _held = holdScratch(scratch, site, refuse);
    expectRefusal(await bench.sync("--scratch", scratch), "destination-in-use", 75, scratch);
    expect(existsSync(bench.state)).toBe(false);
  });
});

test("a state directory's lock counts only on the file that stands there", () => {
  const state = at("state");
  mkdirSync(state);
  {
    using _held = holdStateDirectory(state);
    expect(() => holdStateDirectory(state)).toThrow(expect.objectContaining({ code: "state-in-use" }));
    writeFileSync(join(state, "source.db"), "");
    leaveState(state, [state]);
    expect(readdirSync(state)).toEqual(["lock.db", "source.db"]); // something is kept in it.
    rmSync(join(state, "source.db"));
    leaveState(state, []);
    expect(readdirSync(state)).toEqual(["lock.db"]); // another run has made it.
    leaveState(state, [state]);
    expect(existsSync(state)).toBe(false);
  }
  mkdirSync(state);
  using _again = holdStateDirectory(state);
});

test("a scratch directory in use is said to be one, and not a state directory", () => {
  const scratch = at("vm/.B.mailtwin");
  const refuse = (why: string) => new Error(why);
  const site = makeOurs(scratch, refuse, { mayBeRead: false, levelsMax: 1, made: [] });
  expect(siteAt(scratch, refuse)).toStrictEqual(site);
  using _first = holdScratch(scratch, site, refuse);
  expect(() => holdScratch(scratch, site, refuse)).toThrow(inUse("scratch directory", scratch));
});
