/** The source's root stays the directory that it was, for whoever lists, examines or reads bodies. */
import { mkdirSync, mkdtempSync, renameSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openNodeDisk } from "../../../src/base/disk-node.js";
import { ROOT_PATH } from "../../../src/base/raw-name.js";
import { BodyReader } from "../../../src/capture/body-reader.js";
import { discoverStore } from "../../../src/capture/discover-store.js";
import { openMailbox, pinStore } from "../../../src/capture/open-mailbox.js";
import { parseMailboxGuid } from "../../../src/maildir/ids.js";
import { makeMailbox } from "../../live/twin/small-store.js";

const MISSING = expect.objectContaining({ code: "store-missing", exitCode: 66 });
let dir: string;
let storeRoot: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "mailtwin-pinned-store-"));
  storeRoot = join(dir, "alice");
  makeMailbox(storeRoot, "", { messages: 1 });
  makeMailbox(join(dir, "bob"), "", { messages: 1 });
});

afterEach(() => rmSync(dir, { recursive: true }));

function exchange(): void {
  renameSync(storeRoot, `${storeRoot}-away`);
  symlinkSync("bob", storeRoot);
}

test("another directory at its path is refused, by way of a link too, by all that read there", () => {
  const place = { disk: pinStore(openNodeDisk(), storeRoot), storeRoot };
  expect(discoverStore(place, () => 0)).toMatchObject({ mailboxes: [{ path: "" }], problems: [] });
  exchange();
  expect(() => discoverStore(place, () => 0)).toThrow(MISSING);
  expect(() => openMailbox(place, ROOT_PATH)).toThrow(MISSING);
  const read = { mailbox: parseMailboxGuid("f".repeat(32)), mailboxPath: ROOT_PATH, items: [], bytesMax: 1 };
  expect(() => new BodyReader(place).readMany(read)).toThrow(MISSING);
  rmSync(storeRoot);
  mkdirSync(storeRoot);
  expect(() => discoverStore(place, () => 0)).toThrow(/another directory stands there than at the start/);
});

test("where it is known which directory it is, the first opening is compared too", () => {
  const { dev, ino } = statSync(storeRoot);
  exchange();
  const place = { disk: pinStore(openNodeDisk(), storeRoot, { dev, ino }), storeRoot };
  expect(() => discoverStore(place, () => 0)).toThrow(MISSING);
});

test("it is compared once more when it was walked: a walk of another store says nothing of this one", () => {
  const disk = pinStore(openNodeDisk(), storeRoot);
  let opened = 0;
  const place = {
    storeRoot,
    disk: {
      openRoot: (path: string) => {
        const root = disk.openRoot(path);
        opened += 1;
        if (opened === 1) exchange();
        return root;
      },
    },
  };
  expect(() => discoverStore(place, () => 0)).toThrow(MISSING);
});
