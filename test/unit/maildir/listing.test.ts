import { mkdirSync, renameSync, rmdirSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Dir } from "../../../src/base/disk.js";
import type { RawName } from "../../../src/base/raw-name.js";
import { listMessages } from "../../../src/maildir/listing.js";
import { LONG_AGO_S, openTempMailbox } from "./temp-mailbox.js";

test("new/ comes first, dot files are left out, odd names are told", () => {
  const { dir, path, write } = openTempMailbox();
  for (const name of ["new/n1", "cur/c1:2,S", "cur/c2:2,", "cur/.dot", "cur/a\nb", "new/a\rb", "cur/:2,S"])
    write(name, "");
  writeFileSync(Buffer.from(join(path, "cur/\xff"), "latin1"), "");
  const listing = listMessages(dir);
  expect(listing.inNew).toBe(1);
  expect(listing.names.slice(0, 1)).toEqual(["n1"]);
  expect(listing.names.slice(1).sort()).toEqual(["c1:2,S", "c2:2,", "\xff"]);
  expect([...listing.ignored].sort()).toEqual([":2,S", "a\nb", "a\rb"]);
  expect(listing).toMatchObject({
    stable: true,
    curMtimeMs: dir.stat("cur")?.mtimeMs,
    newMtimeMs: dir.stat("new")?.mtimeMs,
    curCtimeMs: dir.stat("cur")?.ctimeMs,
    newCtimeMs: dir.stat("new")?.ctimeMs,
  });
});

test.each(["", ", also if the times are put back"])(
  "a message that moves to cur/ during the listing is seen twice, and the listing is not stable%s",
  (putBack) => {
    const { dir, path, write } = openTempMailbox();
    write("new/m", "");
    for (const part of ["cur", "new"]) utimesSync(join(path, part), LONG_AGO_S, LONG_AGO_S);
    let walks = 0;
    const moving = (inner: Dir): Dir =>
      new Proxy(inner, {
        get(target, key) {
          if (key === "openDir") {
            return (name: RawName) => {
              const child = target.openDir(name);
              return child === undefined ? undefined : moving(child);
            };
          }
          if (key === "walk") {
            return () => {
              const walk = target.walk();
              const next = (countMax: number) => {
                const names = walk.next(countMax);
                if (walks++ === 0) renameSync(join(path, "new/m"), join(path, "cur/m:2,"));
                const again = putBack === "" ? [] : ["cur", "new"];
                for (const part of again) utimesSync(join(path, part), LONG_AGO_S, LONG_AGO_S);
                return names;
              };
              return { next, [Symbol.dispose]: () => walk[Symbol.dispose]() };
            };
          }
          const value: unknown = Reflect.get(target, key, target);
          return typeof value === "function" ? value.bind(target) : value;
        },
      });
    const listing = listMessages(moving(dir));
    expect(listing).toMatchObject({ names: ["m", "m:2,"], inNew: 1, stable: false });
  },
);

test("a missing new/ is empty; a missing cur/ means that the mailbox went away", () => {
  const { dir, path, write } = openTempMailbox();
  write("cur/c", "");
  rmdirSync(join(path, "new"));
  expect(listMessages(dir)).toMatchObject({ names: ["c"], inNew: 0, newMtimeMs: 0 });
  renameSync(join(path, "cur"), join(path, "gone"));
  expect(() => listMessages(dir)).toThrow(expect.objectContaining({ code: "mailbox-vanished" }));
});

test("a link in the place of a message directory is refused", () => {
  for (const part of ["cur", "new"]) {
    const { dir, path } = openTempMailbox();
    mkdirSync(join(path, "elsewhere"));
    rmdirSync(join(path, part));
    symlinkSync("elsewhere", join(path, part));
    expect(() => listMessages(dir)).toThrow(expect.objectContaining({ code: "mailbox-is-link" }));
  }
});
