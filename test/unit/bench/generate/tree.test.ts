/** The generator is deterministic, what it writes is what Dovecot would have left, and its mails are realistic. */
import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { deflateRawSync } from "node:zlib";
import { expect, test } from "vitest";
import { compareStores, DEFAULT_COMPARE } from "../../../../bench/equal/compare-stores.js";
import { readMailbox } from "../../../../bench/equal/read-mailbox.js";
import { walkStore } from "../../../../bench/equal/walk-store.js";
import { virtualSizeOf } from "../../../../bench/generate/mail-buffer.js";
import { DEFAULT_TREE, planTree } from "../../../../bench/generate/shape.js";
import { generateTree } from "../../../../bench/generate/tree.js";
import { tempDir } from "../temp-dir.js";

const SMALL = { ...DEFAULT_TREE, mails: 600, seed: 7 };

test("the same options make the same tree, another seed another", () => {
  const root = tempDir();
  generateTree(join(root, "a"), SMALL);
  generateTree(join(root, "b"), SMALL);
  generateTree(join(root, "c"), { ...SMALL, seed: 8 });
  const same = compareStores(join(root, "a"), join(root, "b"), { ...DEFAULT_COMPARE, exact: true, sideFiles: true });
  expect(same.differences).toEqual([]);
  expect(same.messages).toBe(600);
  expect(compareStores(join(root, "a"), join(root, "c")).equal).toBe(false);
});

test("every message has a record, true sizes in its name, a whole second as mtime and a parsable header", () => {
  const root = join(tempDir(), "tree");
  const summary = generateTree(root, SMALL);
  const { mailboxes } = walkStore(root);
  expect(mailboxes).toHaveLength(12);
  let messages = 0;
  let bytes = 0;
  for (const mailbox of mailboxes) {
    const path = join(root, mailbox);
    const reading = readMailbox(path);
    expect(reading.problems).toEqual([]);
    expect([...reading.messageByBase.keys()].sort()).toEqual([...(reading.uidlist?.recordByBase.keys() ?? [])].sort());
    for (const [base, message] of reading.messageByBase) {
      const body = readFileSync(join(path, message.path));
      const sizes = /,S=([0-9]+),W=([0-9]+)$/.exec(base);
      if (sizes !== null) expect([Number(sizes[1]), Number(sizes[2])]).toEqual([body.length, virtualSizeOf(body)]);
      else expect(reading.uidlist?.recordByBase.get(base)?.fields).toBe(`S${body.length} W${virtualSizeOf(body)}`);
      expect(lstatSync(join(path, message.path)).mtimeMs % 1000).toBe(0);
      expect(message.info).toMatch(message.place === "new" ? /^$/ : /^2,D?F?P?R?S?T?[a-g]*$/);
      const header = body.toString("latin1").split("\n\n", 1)[0] ?? "";
      for (const field of ["Date: ", "From: ", "To: ", "Subject: ", "Message-ID: "])
        expect(`\n${header}`).toContain(`\n${field}`);
      messages++;
      bytes += body.length;
    }
  }
  expect({ messages, bytes, mailboxes: mailboxes.length }).toEqual({
    messages: summary.mails,
    bytes: summary.bytes,
    mailboxes: summary.mailboxes,
  });
});

test("sizes have the wanted mean and median, and mails compress as mail does", () => {
  const root = join(tempDir(), "tree");
  const { bytes } = generateTree(root, { ...SMALL, mails: 2000, mailboxes: 1, seed: 1 });
  expect(bytes / 2000).toBeGreaterThan(17_000);
  expect(bytes / 2000).toBeLessThan(30_000);
  const bodies = readdirSync(join(root, "cur")).map((name) => readFileSync(join(root, "cur", name)));
  bodies.sort((a, b) => a.length - b.length);
  const median = bodies[bodies.length >> 1]?.length ?? 0;
  expect(median).toBeGreaterThan(5000);
  expect(median).toBeLessThan(7000);
  const middling = bodies.filter((body) => body.length > 4000 && body.length < 9000);
  const plain = middling.reduce((sum, body) => sum + body.length, 0);
  const deflated = middling.reduce((sum, body) => sum + deflateRawSync(body, { level: 1 }).length, 0);
  expect(plain / deflated).toBeGreaterThan(2.5);
  expect(plain / deflated).toBeLessThan(3.6);
});

test("users and mailboxes share the mails without loss", () => {
  const users = planTree({ ...DEFAULT_TREE, mails: 1001, users: 7, mailboxes: 15 });
  const mailboxes = users.flatMap((user) => user.mailboxes);
  expect(users).toHaveLength(7);
  expect(new Set(mailboxes.map(({ path }) => path)).size).toBe(7 * 15);
  expect(mailboxes.reduce((sum, { mails }) => sum + mails, 0)).toBe(1001);
  expect(users[0]?.path).toBe("user0001/Maildir");
});

test("small means are met by small mails", () => {
  const root = join(tempDir(), "tree");
  const { bytes } = generateTree(root, { ...SMALL, mails: 2000, mailboxes: 1, meanBytes: 1800 });
  expect(bytes / 2000).toBeGreaterThan(1600);
  expect(bytes / 2000).toBeLessThan(2000);
});

test("a directory with something in it is refused", () => {
  const root = tempDir();
  generateTree(join(root, "tree"), { ...SMALL, mails: 1, mailboxes: 1 });
  expect(() => generateTree(join(root, "tree"), SMALL)).toThrow("not empty");
});
