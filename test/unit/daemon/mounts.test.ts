/** One directory under several real paths, as bind mounts make them. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, type TestContext, test } from "vitest";
import { parseMounts } from "../../../src/base/mount-table.js";
import { isSameDirectory, liesIn } from "../../../src/daemon/mounts.js";
import { findPlaces, makePlaces } from "../../../src/daemon/places.js";

let root: string;
let mounted: string[];
const at = (path: string) => join(root, path);
const state = () => at("state");

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), "mailtwin mounts-")));
  mounted = [];
  for (const path of ["src/u1", "src/u2", "view", "other/dst"]) mkdirSync(at(path), { recursive: true });
  return () => {
    for (const path of mounted.toReversed()) spawnSync("umount", [path]);
    rmSync(root, { recursive: true });
  };
});

/** Gives `of` the second name `as`. Skips the test where we may not. */
function bind(context: TestContext, of: string, as: string): void {
  const run = spawnSync("mount", ["--bind", at(of), at(as)]);
  if (run.status !== 0) context.skip("this user may not mount a directory here");
  mounted.push(at(as));
}

describe("a bind mount [needs to mount]", () => {
  const overlap = (why: RegExp) =>
    expect.objectContaining({ code: "stores-overlap", message: expect.stringMatching(why) });

  test("of SRC is SRC, and what is in it is in SRC, there or not", (context) => {
    bind(context, "src", "view");
    expect(() => findPlaces(at("src"), at("view"), {})).toThrow(overlap(/same directory, by another name/));
    for (const inner of ["view/u1", "view/new"]) {
      expect(() => findPlaces(at("src"), at(inner), {})).toThrow(overlap(/inside the other, by another name/));
      expect(() => findPlaces(at(inner === "view/new" ? "view/u2" : inner), at("src"), {})).toThrow(overlap(/inside/));
    }
    expect(readdirSync(at("src"))).toEqual(["u1", "u2"]);
  });

  test("of a part of SRC is in SRC", (context) => {
    bind(context, "src/u1", "view");
    expect(() => findPlaces(at("src"), at("view"), {})).toThrow(overlap(/inside the other, by another name/));
    expect(() => findPlaces(at("src"), at("view/new"), {})).toThrow(overlap(/inside the other/));
    expect(() => findPlaces(at("view"), at("src"), {})).toThrow(overlap(/inside the other/));
    expect(findPlaces(at("src/u2"), at("view/new"), { state: state() }).source).toBe(at("src/u2"));
  });

  test("of a directory beside SRC is not in SRC", (context) => {
    bind(context, "other", "view");
    expect(liesIn(at("view/dst"), at("other"))).toBe(true);
    expect(liesIn(at("view/dst"), at("src"))).toBe(false);
    expect(isSameDirectory(at("view/dst"), at("other/dst"))).toBe(true);
    expect(findPlaces(at("src"), at("view/dst"), { state: state() }).destination).toBe(at("view/dst"));
  });

  test("is no way to put the state or scratch directory into a store", (context) => {
    bind(context, "src", "view");
    mkdirSync(at("view2"));
    bind(context, "other", "view2");
    const find = (options: Parameters<typeof findPlaces>[2]) => () => findPlaces(at("src"), at("other/dst"), options);
    for (const inner of ["view", "view/st", "view2/dst/st"])
      expect(find({ state: at(inner) })).toThrow(expect.objectContaining({ code: "state-inside-store" }));
    for (const scratch of ["view/s", "view/u1", "view2/dst", "view2/dst/s"])
      expect(find({ state: state(), scratch: at(scratch) })).toThrow(
        expect.objectContaining({ code: "scratch-unusable" }),
      );
    expect(find({ state: at("view2/st") })().state).toBe(at("view2/st"));
  });
});

describe("DST that is a bind mount of a directory on the same file system [needs to mount]", () => {
  const coded = (code: string) => expect.objectContaining({ code });

  test("has its scratch directory in it; one beside it cannot be renamed from, and is refused", (context) => {
    bind(context, "other", "view");
    const find = (...scratch: readonly string[]) =>
      findPlaces(at("src"), at("view"), { state: state(), scratch: scratch[0] });
    expect(find().scratch).toBe(at("view/.mailtwin"));
    makePlaces(find());
    expect(existsSync(at("other/.mailtwin"))).toBe(true);
    expect(() => makePlaces(find(at("beside")))).toThrow(coded("scratch-unusable"));
    expect(existsSync(at("beside"))).toBe(false);
    makePlaces(findPlaces(at("src"), at("view/dst"), { state: state(), scratch: at("view/.s") }));
  });

  test("and a Maildir at once has no place for it, which no --scratch can mend", (context) => {
    bind(context, "other", "view");
    mkdirSync(at("src/cur"));
    expect(() => findPlaces(at("src"), at("view"), {})).toThrow(coded("scratch-nowhere"));
    expect(() => findPlaces(at("src"), at("view"), {})).toThrow(
      expect.objectContaining({
        hint: expect.stringMatching(/^No --scratch can help: .*below the mount point as DST/),
      }),
    );
    expect(findPlaces(at("src"), at("view/new"), {}).scratch).toBe(at("view/.new.mailtwin"));
  });
});

test("paths in mountinfo are unescaped", () => {
  const line = (mountPoint: string) => `36 35 98:0 /mnt1 ${mountPoint} rw,noatime master:1 - ext3 /dev/root rw`;
  expect(parseMounts(`${line("/a\\040b\\134040")}\n${line("/c")}\n`)).toEqual(
    ["/a b\\040", "/c"].map((mountPoint) => ({ id: "36", dev: "98:0", root: "/mnt1", mountPoint, fsType: "ext3" })),
  );
});
