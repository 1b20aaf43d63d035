/** Where a twin's directories may be. Nothing may be written before all of it is checked. */

import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { findPlaces, makePlaces } from "../../../src/daemon/places.js";

let root: string;
let source: string;
let destination: string;

const IS_ROOT = process.geteuid?.() === 0;
/** A file system in memory, on every Linux. */
const MEMORY = "/dev/shm";
const coded = (code: string) => expect.objectContaining({ code });

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), "mailtwin-places-")));
  [source, destination] = [join(root, "src"), join(root, "dst")];
  mkdirSync(source);
  vi.stubEnv("XDG_STATE_HOME", join(root, "state"));
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(root, { recursive: true });
});

function maildir(path: string): string {
  for (const part of ["cur", "new", "tmp"]) mkdirSync(join(path, part), { recursive: true });
  return path;
}

describe("findPlaces", () => {
  test("makes nothing, and puts scratch beside the destination and the state below XDG_STATE_HOME", () => {
    const before = readdirSync(root, { recursive: true });
    const places = findPlaces(source, destination, {});
    expect(places).toMatchObject({ source, destination, scratch: join(root, ".dst.mailtwin") });
    expect(places.state).toMatch(new RegExp(`^${root}/state/mailtwin/dst-[0-9a-f]{16}$`));
    expect(readdirSync(root, { recursive: true })).toStrictEqual(before);
  });

  test("another pair has another state; the same one, by whatever name, the same", () => {
    const { state } = findPlaces(source, destination, {});
    mkdirSync(join(root, "src2"));
    expect(findPlaces(join(root, "src2"), destination, {}).state).not.toBe(state);
    symlinkSync(source, join(root, "link"));
    expect(findPlaces(join(root, "link"), `${root}/x/../dst/`, {})).toStrictEqual(findPlaces(source, destination, {}));
    expect(findPlaces(join(root, "link"), destination, {}).state).toBe(state);
  });

  test("an XDG_STATE_HOME that is not absolute does not count", () => {
    for (const home of ["", "relative/state"]) {
      vi.stubEnv("XDG_STATE_HOME", home);
      vi.stubEnv("HOME", join(root, "home"));
      expect(findPlaces(source, destination, {}).state).toContain(join(root, "home/.local/state/mailtwin/dst-"));
    }
  });

  test("a state directory whose path others may change is refused, whoever owns it, and nothing is made", () => {
    const above = join(root, "above");
    for (const [mode, isRefused] of [
      [0o777, true],
      [0o757, true],
      [0o755, false],
      [0o1777, false],
    ] as const) {
      mkdirSync(above);
      chmodSync(above, mode);
      for (const state of ["ours", "deep/er"].map((path) => join(above, path))) {
        const find = () => findPlaces(source, destination, { state });
        if (isRefused) expect(find).toThrow(coded("state-unusable"));
        else expect(find().state).toBe(state);
      }
      expect(readdirSync(above)).toEqual([]);
      rmdirSync(above);
    }
  });

  test.runIf(IS_ROOT)("a state directory in a directory of somebody else [needs root]", () => {
    const above = join(root, "above");
    const state = join(above, "deep/er");
    mkdirSync(above, { mode: 0o755 });
    const places = findPlaces(source, destination, { state });
    chownSync(above, 71_001, 71_001);
    expect(() => findPlaces(source, destination, { state })).toThrow(coded("state-unusable"));
    expect(() => makePlaces(places)).toThrow(coded("state-unusable")); // it became his since.
    expect(readdirSync(above)).toEqual([]);
    expect(existsSync(destination)).toBe(false);
  });

  test("a source that is not there, or is no directory", () => {
    expect(() => findPlaces(join(root, "none"), destination, {})).toThrow(coded("source-missing"));
    writeFileSync(join(root, "file"), "");
    expect(() => findPlaces(join(root, "file"), destination, {})).toThrow(coded("source-missing"));
    expect(() => findPlaces(join(root, "file/x"), destination, {})).toThrow(coded("source-missing"));
  });

  test("a destination that cannot be made, or is no directory", () => {
    expect(() => findPlaces(source, join(root, "a/b"), {})).toThrow(coded("destination-unusable"));
    writeFileSync(join(root, "file"), "");
    expect(() => findPlaces(source, join(root, "file"), {})).toThrow(coded("destination-unusable"));
  });

  test("a refusal of the system is told in words", () => {
    expect(() => findPlaces(source, join(root, "n".repeat(300)), {})).toThrow(/: ENAMETOOLONG: name too long$/);
    const sealed = "/proc/mailtwin"; // nobody may make a directory there.
    const found = findPlaces(source, destination, {});
    const refused = { ...found, destination: sealed, scratch: join(root, ".s"), state: join(root, "state") };
    expect(() => makePlaces(refused)).toThrow(/^making \/proc\/mailtwin: ENOENT: no such file or directory$/);
  });

  test("stores that overlap, also by another name", () => {
    symlinkSync(source, join(root, "link"));
    mkdirSync(join(source, "inner"));
    const overlapping = [
      [source, source],
      [source, join(source, "inner")],
      [join(source, "inner"), source],
      [source, join(root, "link")],
      [source, join(root, "link/inner/new")],
    ] as const;
    for (const [from, to] of overlapping) expect(() => findPlaces(from, to, {})).toThrow(coded("stores-overlap"));
    mkdirSync(join(root, "src-too"));
    expect(findPlaces(source, join(root, "src-too"), {}).destination).toBe(join(root, "src-too"));
  });

  test("a state directory inside a store, also by another name and where it does not exist yet", () => {
    symlinkSync(root, join(root, "all"));
    for (const state of [join(source, "state"), join(destination, "a/b"), join(root, "all/src/state"), source]) {
      expect(() => findPlaces(source, destination, { state })).toThrow(coded("state-inside-store"));
    }
    vi.stubEnv("XDG_STATE_HOME", join(root, "all/src"));
    expect(() => findPlaces(source, destination, {})).toThrow(coded("state-inside-store"));
    expect(findPlaces(source, destination, { state: join(root, "all/own") }).state).toBe(join(root, "own"));
  });
});

describe("scratch", () => {
  test("may be wished for, but not in a mail root, the source, or as the destination", () => {
    mkdirSync(destination);
    maildir(join(destination, "bob/Maildir"));
    symlinkSync(source, join(root, "link"));
    const refused = [
      join(destination, "bob/Maildir/scratch"),
      join(destination, "bob/Maildir/.a/b"),
      destination,
      join(source, "scratch"),
      join(root, "link/scratch"),
    ];
    for (const scratch of refused)
      expect(() => findPlaces(source, destination, { scratch })).toThrow(coded("scratch-unusable"));
    const fine = join(destination, ".mailtwin");
    expect(findPlaces(source, destination, { scratch: fine }).scratch).toBe(fine);
  });

  test("nor in what will be a mail root", () => {
    maildir(join(source, "bob"));
    for (const scratch of [join(destination, "bob"), join(destination, "bob/scratch")])
      expect(() => findPlaces(source, destination, { scratch })).toThrow(coded("scratch-unusable"));
    const fine = join(destination, "scratch");
    expect(findPlaces(source, destination, { scratch: fine }).scratch).toBe(fine);
    maildir(source);
    expect(() => findPlaces(source, destination, { scratch: fine })).toThrow(coded("scratch-unusable"));
  });

  test("of another twin is no store, and holds none", () => {
    const scratches = [join(root, ".tw.mailtwin"), join(root, "tw/.mailtwin")];
    for (const scratch of scratches) {
      mkdirSync(join(scratch, "limbo"), { recursive: true });
      expect(findPlaces(source, join(scratch, "new"), {}).destination).toBe(join(scratch, "new")); // only named like one.
      writeFileSync(join(scratch, "lock.db"), "");
      for (const store of [scratch, join(scratch, "limbo"), join(scratch, "new")])
        expect(() => findPlaces(source, store, {})).toThrow(coded("store-in-scratch"));
      for (const store of [scratch, join(scratch, "limbo")])
        expect(() => findPlaces(store, destination, {})).toThrow(coded("store-in-scratch"));
    }
  });

  test("is not put into a Maildir that holds the destination", () => {
    maildir(join(root, "box"));
    expect(() => findPlaces(source, join(root, "box/.Copy"), {})).toThrow(coded("scratch-unusable"));
  });
});

describe("directories that are not ours alone", () => {
  const scratchOf = (): string => join(root, ".dst.mailtwin");

  test("a scratch directory that is a link is refused, wherever it leads, and nothing is written", () => {
    mkdirSync(join(root, "mine/build"), { recursive: true, mode: 0o700 });
    symlinkSync("mine", scratchOf());
    expect(() => findPlaces(source, destination, {})).toThrow(coded("scratch-unusable"));
    symlinkSync(join(root, "mine"), join(root, "wished"));
    expect(() => findPlaces(source, destination, { scratch: join(root, "wished") })).toThrow(coded("scratch-unusable"));
    expect(readdirSync(root).sort()).toStrictEqual([".dst.mailtwin", "mine", "src", "wished"]);
  });

  test("so is one that others may write in, or only enter", () => {
    mkdirSync(scratchOf());
    for (const mode of [0o770, 0o707, 0o750, 0o701]) {
      chmodSync(scratchOf(), mode);
      expect(() => findPlaces(source, destination, {})).toThrow(/its mode is/);
    }
    chmodSync(scratchOf(), 0o2700);
    makePlaces(findPlaces(source, destination, {}));
  });

  test.runIf(IS_ROOT)("so is one of another user, and such a state directory [needs root]", () => {
    for (const [path, code] of [
      [scratchOf(), "scratch-unusable"],
      [join(root, "st"), "state-unusable"],
    ] as const) {
      mkdirSync(path, { mode: 0o700 });
      chownSync(path, 12345, 12345);
      const find = () => findPlaces(source, destination, { state: join(root, "st") });
      expect(find).toThrow(coded(code));
      expect(find).toThrow(/belongs to user 12345, and mailtwin runs as user 0/);
      chownSync(path, 0, 0);
      find();
    }
  });

  test("what comes to stand there after they were found is refused all the same", () => {
    const places = findPlaces(source, destination, {});
    mkdirSync(join(root, "mine"), { mode: 0o700 });
    symlinkSync(join(root, "mine"), places.scratch);
    expect(() => makePlaces(places)).toThrow(coded("scratch-unusable"));
    rmSync(places.scratch);
    expect(existsSync(destination)).toBe(false); // it was made, and taken back.
    symlinkSync(join(root, "mine"), destination);
    expect(() => makePlaces(places)).toThrow(coded("destination-unusable"));
    rmSync(destination);
    renameSync(source, join(root, "away"));
    symlinkSync("away", source);
    expect(() => makePlaces(places)).toThrow(coded("source-missing"));
    rmSync(source);
    mkdirSync(source);
    expect(() => makePlaces(places)).toThrow(coded("source-missing"));
    expect(readdirSync(join(root, "mine"))).toStrictEqual([]);
  });

  test("a link that came into the path above is not followed", () => {
    mkdirSync(join(root, "above"));
    mkdirSync(join(root, "elsewhere"));
    const places = findPlaces(source, join(root, "above/dst"), {});
    rmdirSync(join(root, "above"));
    symlinkSync("elsewhere", join(root, "above"));
    expect(() => makePlaces(places)).toThrow(coded("destination-unusable"));
    expect(readdirSync(join(root, "elsewhere"))).toStrictEqual([]);
  });
});

describe("makePlaces", () => {
  test("makes what is missing: the destination like the source, the rest for us alone", () => {
    chmodSync(source, 0o2775);
    const places = findPlaces(source, destination, {});
    makePlaces(places);
    const modes = [places.destination, places.scratch, places.state].map((path) => statSync(path).mode & 0o7777);
    expect(modes).toStrictEqual([0o2775, 0o700, 0o700]);
    expect(statSync(destination)).toMatchObject({ uid: statSync(source).uid, gid: statSync(source).gid });
  });

  test("leaves a destination that is there as it is", () => {
    mkdirSync(destination, { mode: 0o711 });
    chmodSync(destination, 0o711);
    makePlaces(findPlaces(source, destination, {}));
    makePlaces(findPlaces(source, destination, {}));
    expect(statSync(destination).mode & 0o7777).toBe(0o711);
  });

  test("what is refused leaves nothing behind that was not there, and takes nothing that was", () => {
    const before = readdirSync(root, { recursive: true }).sort();
    const state = join(root, "a/b/state");
    const found = { ...findPlaces(source, destination, {}), state };
    expect(() => makePlaces({ ...found, destination: join(root, "none/dst"), scratch: join(root, ".s") })).toThrow(
      coded("destination-unusable"),
    );
    const unusable = { ...found, scratch: join(root, "none/scratch") };
    expect(() => makePlaces(unusable)).toThrow(coded("scratch-unusable"));
    expect(readdirSync(root, { recursive: true }).sort()).toStrictEqual(before);
    mkdirSync(join(root, "a"));
    mkdirSync(destination);
    expect(() => makePlaces(unusable)).toThrow(coded("scratch-unusable"));
    expect(readdirSync(root, { recursive: true }).sort()).toStrictEqual([...before, "a", "dst"].sort());
  });

  test("something in the way of scratch or the destination is said so", () => {
    writeFileSync(join(root, ".dst.mailtwin"), "");
    expect(() => makePlaces(findPlaces(source, destination, {}))).toThrow(coded("scratch-unusable"));
    symlinkSync(join(root, "nowhere"), join(root, "dangling"));
    expect(() => makePlaces(findPlaces(source, join(root, "dangling"), {}))).toThrow(coded("destination-unusable"));
    expect(existsSync(join(root, "nowhere"))).toBe(false);
  });

  test.runIf(IS_ROOT)("a root-owned mailtwin gives the destination the source's owner [needs root]", () => {
    spawnSync("chown", ["12345:12346", source]);
    makePlaces(findPlaces(source, destination, {}));
    expect(statSync(destination)).toMatchObject({ uid: 12345, gid: 12346 });
  });

  /** A file system of its own at `path`; undefined where we may not mount. */
  function mount(path: string): Disposable | undefined {
    const run = spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m", "none", path]);
    return run.status === 0 ? { [Symbol.dispose]: () => void spawnSync("umount", [path]) } : undefined;
  }

  test("scratch on another file system is refused", (context) => {
    if (!isOtherFileSystem(MEMORY)) return context.skip(`${MEMORY} is no file system of its own here`);
    const scratch = mkdtempSync(join(MEMORY, "mailtwin-places-"));
    try {
      const elsewhere = findPlaces(source, destination, { scratch });
      expect(() => makePlaces(elsewhere)).toThrow(coded("scratch-unusable"));
      const absent = findPlaces(source, destination, { scratch: join(scratch, "inner") });
      expect(() => makePlaces(absent)).toThrow(coded("scratch-unusable"));
      expect([readdirSync(root), readdirSync(scratch)]).toStrictEqual([["src"], []]);
    } finally {
      rmSync(scratch, { recursive: true });
    }
  });

  test("inside a mount point it is chosen, unless that is a Maildir [needs to mount]", (context) => {
    mkdirSync(destination);
    using mounted = mount(destination);
    if (mounted === undefined) return context.skip("this user may not mount a file system here");
    const places = findPlaces(source, destination, {});
    expect(places.scratch).toBe(join(destination, ".mailtwin"));
    makePlaces(places);
    rmSync(places.scratch, { recursive: true });
    maildir(source);
    expect(() => findPlaces(source, destination, {})).toThrow(/mount point and will be a Maildir/);
    maildir(destination);
    expect(() => findPlaces(source, destination, {})).toThrow(/mount point and is a Maildir/);
  });

  function isOtherFileSystem(path: string): boolean {
    const stat = statSync(path, { throwIfNoEntry: false });
    return stat !== undefined && stat.dev !== statSync(root).dev;
  }
});
