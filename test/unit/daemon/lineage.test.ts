/** Whose twin a store is, as its scratch directory says: to a run of sync, and to a daemon that has it as a source. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { holdScratch } from "../../../src/daemon/hold-scratch.js";
import { forgetTwin, lineageInDaemon, lineageOf, noteLineage, refuseMetHalfway } from "../../../src/daemon/lineage.js";

const ABOVE = "ab".repeat(16);
const refuse = (why: string) => new Error(why);
let dir: string;
let store: string;
let scratch: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "mtl-lineage-"));
  [store, scratch] = [join(dir, "mail"), join(dir, ".mail.mailtwin")];
  mkdirSync(store);
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

function note(path: string, by?: "daemon"): () => void {
  mkdirSync(path, { mode: 0o700, recursive: true });
  return noteLineage({ path, site: statSync(path), refuse }, { lineage: [ABOVE], by });
}

test("what is noted in its scratch directory follows the store itself, and is taken back only if it was new", () => {
  const [own] = lineageOf(store);
  const takeBack = note(scratch);
  expect(lineageOf(store)).toStrictEqual([own, ABOVE]);
  note(scratch)();
  expect(lineageOf(store)).toStrictEqual([own, ABOVE]);
  takeBack();
  expect(lineageOf(store)).toStrictEqual([own]);
});

test("a daemon knows a scratch directory that is elsewhere", () => {
  const elsewhere = join(dir, "elsewhere");
  note(elsewhere, "daemon");
  using _held = holdScratch(elsewhere, statSync(elsewhere), refuse);
  expect(lineageOf(store)).toHaveLength(1);
  expect(lineageInDaemon(store, elsewhere)).toStrictEqual([...lineageOf(store), ABOVE]);
});

test("to a daemon a note counts while somebody writes to the store, no longer", () => {
  note(scratch);
  const alone = lineageInDaemon(store, undefined);
  expect(alone).toHaveLength(1);
  {
    using _held = holdScratch(scratch, statSync(scratch), refuse);
    const now = lineageInDaemon(store, undefined);
    expect(now).toStrictEqual([...alone, ABOVE]);
    expect(() => refuseMetHalfway(store, alone, now)).toThrow(
      expect.objectContaining({ code: "stores-swapped", exitCode: 78 }),
    );
  }
  expect(() => refuseMetHalfway(store, alone, lineageInDaemon(store, undefined))).not.toThrow();
});

test("a daemon that has the store as a source forgets what a daemon has noted, and that alone, unless it is held", () => {
  const file = join(scratch, "twin-over-link.json");
  note(scratch, "daemon");
  {
    using _held = holdScratch(scratch, statSync(scratch), refuse);
    forgetTwin(store, undefined);
    expect(existsSync(file)).toBe(true);
  }
  forgetTwin(store, undefined);
  expect(existsSync(file)).toBe(false);
  note(scratch);
  forgetTwin(store, undefined);
  expect(existsSync(file)).toBe(true);
  const elsewhere = join(dir, "elsewhere");
  note(elsewhere, "daemon");
  forgetTwin(store, elsewhere);
  expect(existsSync(join(elsewhere, "twin-over-link.json"))).toBe(false);
});

test("what is damaged, or others could have written, says nothing", () => {
  note(scratch, "daemon");
  writeFileSync(join(scratch, "twin-over-link.json"), '{"lineage":[1,"x",');
  expect(lineageOf(store)).toHaveLength(1);
  note(scratch, "daemon");
  expect(lineageOf(store)).toHaveLength(2);
  chmodSync(scratch, 0o770);
  expect(lineageOf(store)).toHaveLength(1);
});
