/** Bytes of messages as a side of a store gives them: of what replication has written there, and nothing else. */
import { randomBytes } from "node:crypto";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { RawPath } from "../../../src/base/raw-name.js";
import { parseBaseName, parseUid } from "../../../src/maildir/ids.js";
import type { AreWritten } from "../../../src/resync/local-side.js";
import { type MessagePart, type NamedMessage, PARTS_BYTES_MAX } from "../../../src/wire/sums.js";
import { makeMailbox } from "../../live/twin/small-store.js";
import { storeSide } from "./store-side.js";

const INBOX = "u1/Maildir" as RawPath;
const ALL: AreWritten = (_, messages) => messages.map(() => true);
let store = "";

beforeEach(() => {
  store = mkdtempSync(join(tmpdir(), "mtl-parts-"));
  makeMailbox(store, INBOX, { messages: 4 });
});
afterEach(() => rmSync(store, { recursive: true, force: true }));

const cur = () => join(store, INBOX, "cur");

/** By the uidlist. */
function named(): readonly NamedMessage[] {
  const [, ...records] = readFileSync(join(store, INBOX, "dovecot-uidlist"), "latin1")
    .trimEnd()
    .split("\n");
  return records.map((record) => {
    const [uid = "", base = ""] = record.split(" :");
    return { uid: parseUid(Number(uid)), base: parseBaseName(base) };
  });
}

const fileOf = ({ base }: NamedMessage) => join(cur(), readdirSync(cur()).find((name) => name.startsWith(base)) ?? "");

async function read(
  messages: readonly NamedMessage[],
  { areWritten = ALL, offset = 0 }: { readonly areWritten?: AreWritten; readonly offset?: number } = {},
): Promise<readonly MessagePart[]> {
  const side = storeSide(store, { areWritten });
  await side.store();
  return side.parts({ path: INBOX, messages, offset });
}

test("messages in the order of the question, the first from the offset on", async () => {
  const all = named();
  const parts = await read(all, { offset: 10 });
  const bodies = all.map((each) => readFileSync(fileOf(each)));
  expect(parts.map((part) => part?.size)).toEqual(bodies.map(({ length }) => length));
  expect(parts.map((part) => Buffer.from(part?.bytes ?? []))).toEqual(
    bodies.map((body, index) => body.subarray(index === 0 ? 10 : 0)),
  );
  expect(await read(all.slice(0, 1), { offset: 1e9 })).toMatchObject([{ bytes: { length: 0 } }]);
});

test("what is another message, or none, is not there; a name that is a link, or a pipe's, neither", async () => {
  const [first, second, third, fourth] = named() as [NamedMessage, NamedMessage, NamedMessage, NamedMessage];
  const secret = join(store, "secret");
  renameSync(fileOf(second), secret);
  symlinkSync(secret, join(cur(), `${second.base}:2,`));
  rmSync(fileOf(third));
  mkdirSync(join(cur(), `${third.base}:2,`));
  const other = { uid: first.uid, base: fourth.base };
  const { size } = statSync(fileOf(fourth));
  expect((await read([other, second, third, fourth])).map((part) => part?.size)).toEqual([
    undefined,
    undefined,
    undefined,
    size,
  ]);
});

test("of a message that was not written by replication nothing is read, whoever asks", async () => {
  const all = named();
  const asked: string[] = [];
  const areWritten: AreWritten = (mailbox, messages) =>
    messages.map(({ uid, base }) => {
      asked.push(`${mailbox} ${uid} ${base}`);
      return uid === 2;
    });
  const parts = await read(all, { areWritten });
  expect(parts.map((part) => part?.size)).toEqual([
    undefined,
    readFileSync(fileOf(all[1] as NamedMessage)).length,
    undefined,
    undefined,
  ]);
  const guid = /G([0-9a-f]{32})/.exec(readFileSync(join(store, INBOX, "dovecot-uidlist"), "latin1"))?.[1];
  expect(asked).toEqual(all.map(({ uid, base }) => `${guid} ${uid} ${base}`));
});

test("where nobody knows what was written, and of a mailbox that was not looked at, all is refused", async () => {
  const of = { path: INBOX, messages: named(), offset: 0 };
  const unknowing = storeSide(store);
  await unknowing.store();
  await expect(unknowing.parts(of)).rejects.toMatchObject({ code: "compared-unsupported" });
  const side = storeSide(store, { areWritten: ALL });
  await expect(side.parts(of)).rejects.toMatchObject({ code: "compared-unknown" });
  await side.store();
  await expect(side.parts({ ...of, path: "u2/Maildir" as RawPath })).rejects.toMatchObject({
    code: "compared-unknown",
  });
});

test("a large message comes in several answers, each of them full", async () => {
  const [first, second] = named() as [NamedMessage, NamedMessage];
  const body = randomBytes(2 * PARTS_BYTES_MAX + 5);
  writeFileSync(fileOf(first), body);
  const got: Buffer[] = [];
  for (let offset = 0; offset < body.length; offset += PARTS_BYTES_MAX) {
    const [part, ...more] = await read([first, second], { offset });
    got.push(Buffer.from(part?.bytes ?? []));
    expect([part?.size, more.length]).toEqual([body.length, offset + PARTS_BYTES_MAX < body.length ? 0 : 1]);
  }
  expect(Buffer.concat(got).equals(body)).toBe(true);
});
