/** Bytes that changed under an unchanged name on the replica are replaced by the source's, in place, over real stores. */
import { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeMailbox } from "../../live/twin/small-store.js";
import { until } from "../../turns.js";
import { RealPair, type RealRun } from "./real-pair.js";

const [INBOX, OTHER] = ["u1/Maildir", "u2/Maildir"];

let pair: RealPair;
let run: RealRun;
let name: string;
let file: string;
let whole: Buffer;

/** Of the mailbox on the replica the files, by name: their bytes, inodes and times. */
function filesOf(mailbox: string) {
  const cur = join(pair.bench.replica, mailbox, "cur");
  const names = readdirSync(cur).sort();
  return names.map((each) => {
    const { ino, mtimeMs } = statSync(join(cur, each));
    return { name: each, bytes: readFileSync(join(cur, each), "latin1"), ino, mtimeMs };
  });
}

beforeEach(async () => {
  pair = await RealPair.open();
  const { source, replica } = pair.bench;
  makeMailbox(source, INBOX, { messages: 4 });
  makeMailbox(source, OTHER, { messages: 2, seed: 20 });
  await pair.ship();
  [name = ""] = readdirSync(join(replica, INBOX, "cur")).sort();
  file = join(replica, INBOX, "cur", name);
  whole = readFileSync(file);
  const { atimeMs, mtimeMs } = statSync(file);
  const bytes = Buffer.from(whole);
  bytes[0] = (bytes[0] ?? 0) ^ 1;
  writeFileSync(file, bytes); // the same inode, size and time: nothing but the bytes tells of it.
  utimesSync(file, atimeMs / 1000, mtimeMs / 1000);
});

afterEach(async () => {
  await run.end();
  await pair[Symbol.asyncDispose]();
});

const uidOf = (base: string) =>
  Number(/(\d+) [^\n]*$/.exec(uidlist().slice(0, uidlist().indexOf(`:${base}`)))?.[1] ?? 0);
const uidlist = () => readFileSync(join(pair.bench.replica, INBOX, "dovecot-uidlist"), "latin1");

test("a message that is known to be damaged gets the source's bytes under its UID, and its own go to the limbo", async () => {
  const [before, list, others] = [filesOf(INBOX), uidlist(), filesOf(OTHER)];
  const uid = uidOf(name.split(":")[0] ?? "");
  expect(uid).toBeGreaterThan(0);
  run = pair.start();
  await run.untilAcked(pair.sourceReader.lastLsn());
  expect(await run.agent.resync(pair.guidAt(INBOX), { damaged: [uid] })).toBe(true);
  await until(() => readFileSync(file).equals(whole), "the bytes are the source's");
  await until(() => pair.sourceReader.rejections().length === 0, "it is mended");
  const after = filesOf(INBOX);
  expect(after.map((it) => [it.name, it.mtimeMs])).toStrictEqual(before.map((it) => [it.name, it.mtimeMs]));
  expect(after.slice(1)).toStrictEqual(before.slice(1));
  expect([uidlist(), filesOf(OTHER)]).toStrictEqual([list, others]);
  expect(pair.differences).toStrictEqual([]);
  const limbo = pair.replicaReader.limbo();
  expect(limbo.map((row) => [row.uid, row.size])).toStrictEqual([[uid, whole.length]]);
});

test("one that is not told to be damaged stays, and no body is sent", async () => {
  run = pair.start();
  await run.untilAcked(pair.sourceReader.lastLsn());
  expect(await run.agent.resync(pair.guidAt(INBOX))).toBe(true);
  await until(() => pair.sourceReader.rejections().length === 0, "it is compared");
  expect(readFileSync(file).equals(whole)).toBe(false);
  expect(run.sent.filter(({ kind }) => kind === "bodies" || kind === "offer")).toStrictEqual([]);
});
