/** The roots of a replica stay the directories that they were. */
import { AssertionError } from "node:assert";
import {
  chownSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openMade, openScratch } from "../../../src/apply/limbo.js";
import { pinReplica } from "../../../src/apply/pinned-root.js";
import { openNodeDisk } from "../../../src/base/disk-node.js";
import { FaultDisk } from "../../contract/fault-disk.js";
import { CREATE, expunge, openReplica, save, transaction } from "./replica-fixture.js";

const coded = (code: string, exitCode: number) => expect.objectContaining({ code, exitCode });
const MISSING = expect.objectContaining({ code: "destination-missing", exitCode: 69 });
let dir: string;
let root: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "mailtwin-pinned-"));
  root = join(dir, "root");
  mkdirSync(root);
});

afterEach(() => rmSync(dir, { recursive: true }));

test("another directory at its path is refused, also by way of a link; the same one is taken back", () => {
  const disk = pinReplica(openNodeDisk(), { storeRoot: root, scratchRoot: join(dir, "scratch") });
  disk.openRoot(root)?.close();
  renameSync(root, join(dir, "away"));
  expect(disk.openRoot(root)).toBeUndefined();
  mkdirSync(root);
  expect(() => disk.openRoot(root)).toThrow(MISSING);
  rmdirSync(root);
  mkdirSync(join(dir, "other"));
  symlinkSync(join(dir, "other"), root);
  expect(() => disk.openRoot(root)).toThrow(MISSING);
  rmSync(root);
  writeFileSync(root, "");
  expect(() => disk.openRoot(root)).toThrow(MISSING);
  rmSync(root);
  renameSync(join(dir, "away"), root);
  const again = disk.openRoot(root);
  expect(again?.statSelf().kind).toBe("directory");
  again?.close();
});

test("where it is known which directories they are, the first opening is compared too", () => {
  const scratchRoot = join(dir, "scratch");
  mkdirSync(scratchRoot);
  const siteOf = (path: string) => ({ dev: statSync(path).dev, ino: statSync(path).ino });
  const sites = { store: siteOf(root), scratch: siteOf(scratchRoot) };
  for (const path of [root, scratchRoot]) {
    renameSync(path, `${path}-away`);
    mkdirSync(path);
  }
  const disk = pinReplica(openNodeDisk(), { storeRoot: root, scratchRoot, sites });
  expect(() => disk.openRoot(root)).toThrow(MISSING);
  expect(() => disk.openRoot(scratchRoot)).toThrow(coded("scratch-missing", 73));
  rmdirSync(scratchRoot);
  symlinkSync(`${root}-away`, scratchRoot); // to a directory of ours, which is another one all the same.
  expect(() => openMade(disk, scratchRoot, ["build"])).toThrow(coded("scratch-missing", 73));
  expect(() => openScratch(disk, scratchRoot, ["build"])).toThrow(coded("scratch-missing", 73));
});

test.each([
  ["openRoot", "store", /store$/, "destination-missing"],
  ["openRoot", "scratch", /scratch$/, "scratch-missing"],
  ["openDir", "limbo", /^limbo$/, "scratch-missing"],
] as const)(
  "%s of %s: what may not be opened any more is no matter of one mailbox",
  async (operation, _, name, code) => {
    const replica = await openReplica();
    try {
      expect(replica.apply(transaction([save(1, "one")], { structure: CREATE })).kind).toBe("applied");
      const disk = new FaultDisk(openNodeDisk());
      replica.open({ disk });
      disk.inject({ operation, name, error: "EACCES", lasting: true });
      expect(() => replica.apply(transaction([expunge(1, "one")], { uidNext: 2 }))).toThrow(
        expect.objectContaining({ code, message: expect.stringContaining("EACCES: permission denied") }),
      );
    } finally {
      replica.remove();
    }
  },
);

test("what is below a pinned root is not opened by a path of its own", () => {
  const disk = pinReplica(openNodeDisk(), { storeRoot: root, scratchRoot: join(dir, "scratch") });
  expect(() => disk.openRoot(join(dir, "scratch/build"))).toThrow(AssertionError);
});

test.skipIf(process.getuid?.() !== 0)(
  "an area of the scratch directory that is somebody else's is refused [needs root]",
  () => {
    const scratchRoot = join(dir, "scratch");
    for (const name of ["", "stage", "held"]) mkdirSync(join(scratchRoot, name));
    chownSync(join(scratchRoot, "stage"), 71_001, 71_001);
    const disk = openNodeDisk();
    openScratch(disk, scratchRoot, ["held"])?.close();
    expect(openScratch(disk, scratchRoot, ["build"])).toBeUndefined();
    for (const open of [openScratch, openMade])
      expect(() => open(disk, scratchRoot, ["stage"])).toThrow(coded("scratch-foreign", 73));
    symlinkSync(root, join(scratchRoot, "limbo"));
    expect(() => openScratch(disk, scratchRoot, ["limbo"])).toThrow(coded("scratch-missing", 73));
  },
);

test("other directories are opened as they are", () => {
  const disk = pinReplica(openNodeDisk(), { storeRoot: join(dir, "none"), scratchRoot: join(dir, "neither") });
  for (let times = 1; times <= 2; times++) {
    const opened = disk.openRoot(root);
    expect(opened?.statSelf().kind).toBe("directory");
    opened?.close();
    rmdirSync(root);
    mkdirSync(join(dir, `filler${times}`)); // so that the inode is not given out again.
    mkdirSync(root);
  }
});
