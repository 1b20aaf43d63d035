/** What a replica is told of a mailbox that it has to make without the log. */
import { chmodSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openNodeDisk } from "../../../src/base/disk-node.js";
import { rawFromText } from "../../../src/base/raw-name.js";
import { describeMailbox } from "../../../src/capture/describe-mailbox.js";
import { parseMailboxGuid } from "../../../src/maildir/ids.js";
import { rawPath } from "./capture-bench.js";
import { openFakeStore } from "./fake-dovecot.js";

const NOBODY = parseMailboxGuid("0".repeat(32));

function open() {
  const store = openFakeStore();
  const mailbox = store.create("u/Maildir/.Work");
  const where = { guid: parseMailboxGuid(mailbox.guid), path: rawPath(mailbox.path) };
  const place = { disk: openNodeDisk(), storeRoot: rawFromText(store.root) };
  return { store, mailbox, where, place };
}

test("its directories, and new files as Dovecot makes them there", () => {
  const { mailbox, where, place } = open();
  chmodSync(mailbox.dir, 0o770);
  for (const name of ["cur", "new", "tmp"]) chmodSync(join(mailbox.dir, name), 0o770);
  expect(describeMailbox(place, where)).toMatchObject({
    kind: "described",
    creation: { kind: "create", owner: { mode: 0o770 }, parents: [{}, {}] },
    fileOwner: { mode: 0o660 },
  });
});

test("one that is not there, or is another one by now, is absent", () => {
  const { store, mailbox, where, place } = open();
  expect(describeMailbox(place, { ...where, guid: NOBODY })).toStrictEqual({ kind: "absent" });
  store.remove(mailbox);
  expect(describeMailbox(place, where)).toStrictEqual({ kind: "absent" });
});

test("what stands in its way is its problem; a store that is gone is everybody's", () => {
  const { store, mailbox, where, place } = open();
  store.remove(mailbox);
  mkdirSync(join(store.root, "elsewhere"));
  symlinkSync(join(store.root, "elsewhere"), mailbox.dir);
  expect(describeMailbox(place, where)).toMatchObject({ kind: "problem", problem: { path: where.path } });
  rmSync(store.root, { recursive: true });
  expect(() => describeMailbox(place, where)).toThrow(expect.objectContaining({ code: "store-missing" }));
});
