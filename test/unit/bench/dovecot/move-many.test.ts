/** A MOVE of many leaves what one MOVE after the other leaves, and what cannot be moved is not. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { listMessages } from "../../../../bench/dovecot/list-messages.js";
import { moveMany } from "../../../../bench/dovecot/move-many.js";
import { readMailbox } from "../../../../bench/equal/read-mailbox.js";
import { tempDir } from "../temp-dir.js";

function makeMailbox(names: readonly string[], records: string): string {
  const path = join(tempDir(), "box");
  for (const part of ["cur", "new", "tmp"]) mkdirSync(join(path, part), { recursive: true });
  for (const name of names) writeFileSync(join(path, "cur", name), name);
  writeFileSync(join(path, "dovecot-uidlist"), `3 V7 N9 G0123456789abcdef0123456789abcdef\n${records}`);
  return path;
}

test("names, letters and GUIDs are kept, UIDs are new, nothing is left in tmp/ and both locks are free", () => {
  const source = makeMailbox(["a,S=3:2,Sb", "b:2,", "c:2,F"], "1 Gff00 W5 :a,S=3\n2 :b\n3 :c\n");
  const target = makeMailbox(["d:2,"], "4 :d\n");
  const chosen = listMessages(source).filter(({ base }) => base !== "b");
  moveMany(
    source,
    target,
    chosen.toSorted((x, y) => (x.base < y.base ? -1 : 1)),
  );
  expect(readdirSync(join(source, "cur"))).toEqual(["b:2,"]);
  expect(readdirSync(join(target, "cur")).toSorted()).toEqual(["a,S=3:2,Sb", "c:2,F", "d:2,"]);
  const { uidlist, problems } = readMailbox(target);
  expect(problems).toEqual([]);
  expect([...(uidlist?.recordByBase ?? [])].map(([base, { uid, fields }]) => [base, uid, fields])).toEqual([
    ["d", 4, ""],
    ["a,S=3", 9, "Gff00"],
    ["c", 10, ""],
  ]);
  for (const mailbox of [source, target]) {
    expect(readdirSync(join(mailbox, "tmp"))).toEqual([]);
    expect(existsSync(join(mailbox, "dovecot-uidlist.lock"))).toBe(false);
  }
});

test("nothing is moved where one was before, or where letters mean other keywords", () => {
  const source = makeMailbox(["a:2,", "b:2,"], "1 :a\n2 :b\n");
  const known = makeMailbox([], "4 :b\n");
  expect(() => moveMany(source, known, listMessages(source))).toThrow("b has been there before");
  const other = makeMailbox([], "");
  writeFileSync(join(other, "dovecot-keywords"), "0 Work\n");
  expect(() => moveMany(source, other, listMessages(source))).toThrow("its keywords are others");
  expect(readdirSync(join(source, "cur")).toSorted()).toEqual(["a:2,", "b:2,"]);
  for (const mailbox of [known, other]) expect(readdirSync(join(mailbox, "tmp"))).toEqual([]);
});
