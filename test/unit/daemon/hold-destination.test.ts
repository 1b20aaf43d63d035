/** One run for a destination, for what lies in it and what it lies in. flock(2) belongs to an open directory: one process will do. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { holdDestination } from "../../../src/daemon/hold-destination.js";

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
