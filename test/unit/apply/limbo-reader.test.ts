/** What is read of a limbo, and that nothing else is: names of ours alone, no link, and bytes with their hash however they are asked for. */
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LimboReader } from "../../../src/apply/limbo-reader.js";
import { openNodeDisk } from "../../../src/base/disk-node.js";
import { sha256 } from "../../../src/base/hash.js";
import type { LimboPart } from "../../../src/wire/limbo.js";
import { PARTS_BYTES_MAX } from "../../../src/wire/sums.js";

const GUID = "0123456789abcdef0123456789abcdef";
const DAY = "2026-11-29";
const MESSAGE = `${DAY}/${GUID}.7.0123456789abcdef`;
const MAILBOX = `${DAY}/${GUID}.mailbox`;
let dir = "";
let reader: LimboReader;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "mtl-limbo-"));
  mkdirSync(join(dir, "limbo"));
  reader = new LimboReader(openNodeDisk(), { scratchRoot: dir });
});
afterEach(() => rmSync(dir, { recursive: true }));

function put(name: string, bytes: Uint8Array | string): void {
  const path = join(dir, "limbo", name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
  utimesSync(path, 1_600_000_000, 1_600_000_000);
}

const part = (bytes: Buffer): LimboPart => {
  const whole = { size: bytes.length, mtimeS: 1_600_000_000, bytes, sha256: new Uint8Array(sha256(bytes)) };
  return whole;
};

test("a message, and files of a mailbox, with date and hash", () => {
  put(MESSAGE, "one");
  put(`${MAILBOX}/cur/1.h:2,S`, "two");
  put(`${MAILBOX}/new/2.h`, "");
  put(`${MAILBOX}/tmp/3.h`, "not yet");
  put(`${MAILBOX}/cur/.hidden`, "no mail");
  put(`${MAILBOX}/dovecot-uidlist`, "3 V1");
  expect(reader.there([MESSAGE, MAILBOX, `${DAY}/${GUID}.8.0123456789abcdef`])).toEqual([true, true, false]);
  expect(reader.files({ name: MAILBOX, after: "", max: 10 })).toEqual({
    files: [
      { file: "cur/1.h:2,S", size: 3 },
      { file: "new/2.h", size: 0 },
    ],
    more: false,
  });
  const files = [
    { name: MESSAGE, file: "" },
    undefined,
    { name: MAILBOX, file: "cur/1.h:2,S" },
    { name: MAILBOX, file: "new/2.h" },
    { name: MAILBOX, file: "cur/9.h" },
  ];
  expect(reader.parts({ files, offset: 0 })).toEqual([
    part(Buffer.from("one")),
    undefined,
    part(Buffer.from("two")),
    part(Buffer.from("")),
    undefined,
  ]);
});

test("a mailbox comes page by page, each file once", () => {
  const names = Array.from({ length: 25 }, (_, i) => `${i % 2 === 0 ? "cur" : "new"}/${1000 + i}.h`);
  for (const name of names) put(`${MAILBOX}/${name}`, name);
  const told: string[] = [];
  for (let more = true; more; ) {
    const page = reader.files({ name: MAILBOX, after: told.at(-1) ?? "", max: 10 });
    told.push(...page.files.map(({ file }) => file));
    ({ more } = page);
  }
  expect(told).toEqual(names.sort());
  expect(reader.files({ name: MESSAGE, after: "", max: 10 })).toEqual({ files: [], more: false });
});

test("a large file comes in parts, the last with the hash of the whole, also when it is asked for out of order", () => {
  const bytes = randomBytes(2 * PARTS_BYTES_MAX + 10);
  put(MESSAGE, bytes);
  put(`${MAILBOX}/cur/1.h`, "x");
  const ask = (offset: number) =>
    reader.parts({
      files: [
        { name: MESSAGE, file: "" },
        { name: MAILBOX, file: "cur/1.h" },
      ],
      offset,
    });
  const [first, second, third] = [0, 1, 2].map((n) => ask(n * PARTS_BYTES_MAX));
  expect([first?.length, second?.length, third?.length]).toEqual([1, 1, 2]);
  const all = Buffer.concat([first, second, third].map((parts) => parts?.[0]?.bytes ?? Buffer.alloc(0)));
  expect(all.equals(bytes)).toBe(true);
  const hashes = [first, second, third].map((parts) => Buffer.from(parts?.[0]?.sha256 ?? []).toString("hex"));
  expect(hashes).toEqual(["", "", sha256(bytes).toString("hex")]);
  expect(Buffer.from(ask(2 * PARTS_BYTES_MAX)[0]?.sha256 ?? []).toString("hex")).toBe(sha256(bytes).toString("hex"));
  const [beyond] = ask(bytes.length + 5);
  expect([beyond?.size, beyond?.bytes.length, beyond?.sha256.length]).toEqual([bytes.length, 0, 0]);
});

test.each([
  ["a name that leads elsewhere", "../limbo/x"],
  ["no day", `purged/${GUID}.7.0123456789abcdef`],
  ["a name that is none of ours", `${DAY}/passwd`],
  ["something deeper", `${MAILBOX}/cur`],
])("%s is not there, and has nothing in it", (_what, name) => {
  put(`${DAY}/passwd`, "secret");
  put(`purged/${GUID}.7.0123456789abcdef`, "gone");
  put(`${MAILBOX}/cur/1.h`, "x");
  expect(reader.there([name])).toEqual([false]);
  expect(reader.files({ name, after: "", max: 1 })).toEqual({ files: [], more: false });
  expect(
    reader.parts({
      files: [
        { name, file: "" },
        { name, file: "cur/1.h" },
      ],
      offset: 0,
    }),
  ).toEqual([undefined, undefined]);
});

test("no link is followed, whatever it stands for", () => {
  put("../secret/1.h", "secret");
  put(`${DAY}/x`, "");
  symlinkSync(join(dir, "secret/1.h"), join(dir, "limbo", MESSAGE));
  symlinkSync(join(dir, "secret"), join(dir, "limbo", `${DAY}/${GUID}.mailbox-1`));
  put(`${MAILBOX}/new/2.h`, "x");
  symlinkSync(join(dir, "secret"), join(dir, "limbo", MAILBOX, "cur"));
  symlinkSync(join(dir, "secret/1.h"), join(dir, "limbo", MAILBOX, "new/3.h"));
  const linked = `${DAY}/${GUID}.mailbox-1`;
  const files = [
    { name: MESSAGE, file: "" },
    { name: linked, file: "cur/1.h" },
    { name: MAILBOX, file: "cur/1.h" },
    { name: MAILBOX, file: "new/3.h" },
  ];
  expect(reader.parts({ files, offset: 0 })).toEqual([undefined, undefined, undefined, undefined]);
  expect(reader.files({ name: linked, after: "", max: 9 }).files).toEqual([]);
  expect(reader.files({ name: MAILBOX, after: "", max: 9 }).files).toEqual([
    { file: "new/2.h", size: 1 },
    { file: "new/3.h", size: 0 },
  ]);
});
