/** A site's key: its file, who may read it, and what is never replaced. */
import { generateKeyPairSync } from "node:crypto";
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock, unixMs } from "../../../src/base/clock.js";
import { openNodeDisk } from "../../../src/base/disk-node.js";
import { isKeyName } from "../../../src/wire/key-name.js";
import { createSiteKey, readSiteKey, renewSiteKey } from "../../../src/wire/keys.js";
import { judgeKey, whenInvalid } from "../../../src/wire/shown-key.js";

const DAY_MS = 86_400_000;
const UNUSABLE = expect.objectContaining({ code: "key-unusable" });
const isRoot = process.geteuid?.() === 0;

describe("a key file", () => {
  let dir: string;
  let path: string;
  const disk = openNodeDisk();
  const nowMs = systemClock.nowMs();

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "mtl-key-"));
    path = join(dir, "site.key");
  });

  afterEach(() => rmSync(dir, { recursive: true }));

  test("is made with mode 0600 whatever the umask, and read again as the same key", async () => {
    const before = process.umask(0o777);
    const made = await createSiteKey({ disk, path }, nowMs).finally(() => process.umask(before));
    expect(statSync(path).mode & 0o7777).toBe(0o600);
    expect(readdirSync(dir)).toStrictEqual(["site.key"]);
    const read = readSiteKey({ disk, path });
    expect({ ...read, privateKey: 0 }).toStrictEqual({ ...made, privateKey: 0 });
    expect(read.privateKey.equals(made.privateKey)).toBe(true);
    expect(isKeyName(read.name)).toBe(true);
    expect(whenInvalid(read, nowMs)).toBeUndefined();
  });

  test("is never replaced by another key", async () => {
    const { name } = await createSiteKey({ disk, path }, nowMs);
    await expect(createSiteKey({ disk, path }, nowMs)).rejects.toThrow(expect.objectContaining({ code: "key-exists" }));
    expect(readSiteKey({ disk, path }).name).toBe(name);
    expect(readdirSync(dir)).toStrictEqual(["site.key"]);
  });

  test("is made once by two at the same time", async () => {
    const both = await Promise.allSettled([createSiteKey({ disk, path }, nowMs), createSiteKey({ disk, path }, nowMs)]);
    const made = both.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value.name] : []));
    expect(made).toStrictEqual([readSiteKey({ disk, path }).name]);
    expect(both).toContainEqual({ status: "rejected", reason: expect.objectContaining({ code: "key-exists" }) });
  });

  test("keeps its name when its certificate is renewed", async () => {
    const old = await createSiteKey({ disk, path }, unixMs(nowMs - 3700 * DAY_MS));
    expect(whenInvalid(old, nowMs)).toMatch(/^was valid until 20\d\d-/);
    const renewed = await renewSiteKey({ disk, path }, nowMs);
    expect(renewed.name).toBe(old.name);
    expect(whenInvalid(renewed, nowMs)).toBeUndefined();
    expect(readSiteKey({ disk, path }).certificate).toBe(renewed.certificate);
    expect(statSync(path).mode & 0o7777).toBe(0o600);
    expect(readdirSync(dir)).toStrictEqual(["site.key"]);
  });

  test.each([0o640, 0o604, 0o620, 0o601])("that others can get at is refused: mode %o", async (mode) => {
    await createSiteKey({ disk, path }, nowMs);
    chmodSync(path, mode);
    expect(() => readSiteKey({ disk, path })).toThrow(UNUSABLE);
    await expect(renewSiteKey({ disk, path }, nowMs)).rejects.toThrow(UNUSABLE);
  });

  test.skipIf(!isRoot)("of another user is refused (needs root)", async () => {
    await createSiteKey({ disk, path }, nowMs);
    chownSync(path, 12_345, 12_345);
    expect(() => readSiteKey({ disk, path })).toThrow(/belongs to user 12345/);
  });

  test("that is a link, a directory, or not there is refused", async () => {
    await createSiteKey({ disk, path }, nowMs);
    symlinkSync(path, join(dir, "link"));
    for (const name of ["link", ".", "..", "missing", "no/where"])
      expect(() => readSiteKey({ disk, path: `${dir}/${name}` })).toThrow(UNUSABLE);
    await expect(createSiteKey({ disk, path: join(dir, "no/where") }, nowMs)).rejects.toThrow(UNUSABLE);
    await expect(createSiteKey({ disk, path: join(dir, "link") }, nowMs)).rejects.toThrow(
      expect.objectContaining({ code: "key-exists" }),
    );
  });

  test("that holds something else is refused", async () => {
    await createSiteKey({ disk, path }, nowMs);
    const pem = readFileSync(path, "latin1");
    const certificate = pem.slice(pem.indexOf("-----BEGIN CERTIFICATE"));
    const other = generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    const curve = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
    const texts = ["", "x", pem.replace(certificate, ""), certificate, other + certificate, "x".repeat(100_000)];
    for (const text of [...texts, curve.export({ type: "pkcs8", format: "pem" }) + certificate]) {
      writeFileSync(path, text);
      expect(() => readSiteKey({ disk, path })).toThrow(UNUSABLE);
    }
  });

  test("says nothing of its private key when it is shown", async () => {
    await createSiteKey({ disk, path }, nowMs);
    expect(JSON.stringify(readSiteKey({ disk, path }))).not.toMatch(/PRIVATE/);
    linkSync(path, join(dir, "second")); // a second name does not change whose it is.
    expect(readSiteKey({ disk, path }).name).toBe(readSiteKey({ disk, path: join(dir, "second") }).name);
  });
});

describe("the judgement on a key", () => {
  const [name, other] = ["A", "B"].map((letter) => `sha256:${letter.repeat(42)}A=`).filter(isKeyName);
  if (name === undefined || other === undefined) throw new Error("these are names");
  const shown = { name, validFromMs: 1000, validUntilMs: 2000 };
  const judge = (known: string, nowMs: number, key = shown) => judgeKey(key, (it) => it === known, unixMs(nowMs));

  test("is by its name first, then by its dates", () => {
    expect(judgeKey(undefined, () => true, unixMs(1))).toStrictEqual({ kind: "none" });
    expect(judge(name, 1500)).toStrictEqual({ kind: "good", name });
    expect(judge(other, 1500)).toStrictEqual({ kind: "other", name });
    expect(judge(other, 5000)).toStrictEqual({ kind: "other", name });
    expect(judge(name, 2001)).toMatchObject({ kind: "expired", when: "was valid until 1970-01-01T00:00:02.000Z" });
    expect(judge(name, 999)).toMatchObject({ kind: "expired", when: "is valid only from 1970-01-01T00:00:01.000Z on" });
    expect(judge(name, 1500, { ...shown, validUntilMs: Number.NaN })).toMatchObject({ kind: "expired" });
  });

  test.each(["", "sha256:", `sha256:${"A".repeat(43)}`, `sha256:${"A".repeat(42)}B=`, `SHA256:${"A".repeat(43)}=`])(
    "takes no other spelling of a name: %j",
    (text) => expect(isKeyName(text)).toBe(false),
  );
});
