/** A file that says that a directory is the store: without it nothing is looked at. */
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { EMPTY_STATE } from "../../../src/capture/empty-state.js";
import { openSourceStore } from "../../../src/capture/source-store.js";
import { rawPath } from "./capture-bench.js";
import { openFakeStore } from "./fake-dovecot.js";

test("what is no regular file, or stands behind a link, is none; each look at the store wants it", async () => {
  const store = openFakeStore();
  store.create("a/u").deliver({ info: ":2," });
  const at = (path: string) => join(store.root, path);
  const options = { storeRoot: store.root, hostname: "h", pid: 1, sentinel: rawPath("here/it") };
  using source = await openSourceStore(options, { reader: EMPTY_STATE });
  const missing = expect.objectContaining({
    code: "store-missing",
    message: `opening the store ${store.root}: its sentinel here/it is not there`,
  });
  const refuses = () => expect(() => source.discover()).toThrow(missing);
  refuses();
  mkdirSync(at("here"));
  refuses();
  mkdirSync(at("here/it"));
  refuses();
  rmSync(at("here/it"), { recursive: true });
  symlinkSync(at("a/u/dovecot-uidlist"), at("here/it"));
  refuses();
  rmSync(at("here/it"));
  writeFileSync(at("here/it"), "");
  expect(source.discover().mailboxes.map(({ path }) => path)).toEqual(["a/u"]);
  renameSync(at("here"), at("there"));
  symlinkSync(at("there"), at("here"));
  refuses();
});
