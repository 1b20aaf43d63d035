/**
 * A site's key: one PEM file with an Ed25519 private key and a certificate of it, signed by itself.
 *
 * INVARIANT: the file is ours and has mode 0600, or it is neither made nor read: a key that somebody else could read or put there
 * proves nothing.
 * INVARIANT: a key is never replaced by another one. Its certificate is, when it is renewed: the name of the key stays.
 */
import { createPrivateKey, generateKeyPairSync, type KeyObject, X509Certificate } from "node:crypto";
import { basename, dirname } from "node:path";
import { type UnixMs, unixMs } from "../base/clock.js";
import type { Dir, Disk, FileStat } from "../base/disk.js";
import { replaceDurably } from "../base/durable-file.js";
import { errnoOf } from "../base/errors.js";
import { randomHex } from "../base/random.js";
import { displayRaw, isRawName, type RawName, rawFromText } from "../base/raw-name.js";
import { whyItFailed } from "../base/system-error.js";
import { wireError } from "./errors.js";
import type { KeyName } from "./key-name.js";
import { shownKeyOf } from "./shown-key.js";

const MODE = 0o600;
const FILE_BYTES_MAX = 64 * 1024;
const DAY_MS = 24 * 60 * 60 * 1000;
/** The pin is what ends a key; the date only ends one that everybody forgot. */
const VALID_DAYS = 3650;
/** For a peer whose clock is behind. */
const EARLIER_DAYS = 2;

export interface SiteKey {
  readonly name: KeyName;
  readonly privateKey: KeyObject;
  /** PEM. */
  readonly certificate: string;
  readonly validFromMs: number;
  readonly validUntilMs: number;
}

export interface KeyFile {
  readonly disk: Disk;
  /** Absolute; its directory exists. */
  readonly path: string;
}

/** Throws: key-unusable, system errors. An expired certificate is read: whoever shows it is told (tls-carrier.ts). */
export function readSiteKey(file: KeyFile): SiteKey {
  return inDirectory(file, (dir, name) => parseKeyFile(readPrivate(file, dir, name), file.path));
}

/** Makes a key; returns after it is on stable storage. Throws: key-exists, key-unusable (no such directory), system errors. */
export async function createSiteKey(file: KeyFile, nowMs: UnixMs): Promise<SiteKey> {
  refuseExisting(file);
  const bytes = await formatKeyFile(generateKeyPairSync("ed25519").privateKey, nowMs);
  return inDirectory(file, (dir, name) => {
    const tempName = tempNameOf();
    dir.createFile(tempName, [bytes], { mode: MODE, sync: true });
    try {
      dir.link(tempName, dir, name); // unlike rename it replaces nothing, whoever was faster.
    } catch (error) {
      if (errnoOf(error) === "EEXIST") throw existing(file);
      throw error;
    } finally {
      dir.unlink(tempName);
    }
    dir.sync();
    return parseKeyFile(bytes, file.path);
  });
}

/** Gives the key that is there a new certificate, valid from now on. Throws as `readSiteKey` does. */
export async function renewSiteKey(file: KeyFile, nowMs: UnixMs): Promise<SiteKey> {
  const { privateKey } = readSiteKey(file);
  const bytes = await formatKeyFile(privateKey, nowMs);
  return inDirectory(file, (dir, name) => {
    replaceDurably(dir, name, [bytes], { mode: MODE, tempName: tempNameOf(), syncDir: true });
    return parseKeyFile(bytes, file.path);
  });
}

async function formatKeyFile(privateKey: KeyObject, nowMs: UnixMs): Promise<Buffer> {
  const { makeCertificate } = await import("./self-signed.js");
  const fromMs = unixMs(Math.max(0, nowMs - EARLIER_DAYS * DAY_MS));
  const certificate = await makeCertificate(privateKey, { fromMs, untilMs: unixMs(nowMs + VALID_DAYS * DAY_MS) });
  return Buffer.from(`${pemOf(privateKey)}${certificate}`);
}

/** For `node:tls`, which takes no key objects. */
export function pemOf(privateKey: KeyObject): string {
  return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}

function parseKeyFile(bytes: Buffer, path: string): SiteKey {
  const text = bytes.toString("latin1");
  const [privateKey, certificate] = guarded(path, () => [createPrivateKey(text), new X509Certificate(bytes)] as const);
  if (privateKey.asymmetricKeyType !== "ed25519") throw unusable(path, "its key is no Ed25519 key");
  if (!certificate.checkPrivateKey(privateKey)) throw unusable(path, "its certificate is of another key");
  return { privateKey, certificate: certificate.toString(), ...shownKeyOf(certificate) };
}

function guarded<T>(path: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw unusable(path, "it does not hold a private key and a certificate in PEM, in this order", error);
  }
}

function readPrivate(file: KeyFile, dir: Dir, name: RawName): Buffer {
  const open = openFile(file, dir, name);
  try {
    const why = whyNotPrivate(open.stat);
    if (why !== undefined) throw unusable(file.path, why);
    if (open.stat.size > FILE_BYTES_MAX) throw unusable(file.path, "it is too large for one");
    const bytes = Buffer.alloc(open.stat.size);
    return bytes.subarray(0, open.read(bytes, 0));
  } finally {
    open.close();
  }
}

function openFile(file: KeyFile, dir: Dir, name: RawName) {
  try {
    const open = dir.openFile(name);
    if (open !== undefined) return open;
  } catch (error) {
    throw unusable(file.path, whyItFailed(error), error);
  }
  throw unusable(file.path, "it is not there");
}

/** Of the open file: what stands at its path may be another one by then. */
function whyNotPrivate({ uid, mode }: FileStat): string | undefined {
  const us = process.geteuid?.();
  if (uid !== us) return `it belongs to user ${uid}, and mailtwin runs as user ${us}`;
  const shown = mode.toString(8).padStart(4, "0");
  return (mode & 0o077) === 0 ? undefined : `it is open to others than its owner (its mode is ${shown})`;
}

function refuseExisting(file: KeyFile): void {
  inDirectory(file, (dir, name) => {
    if (dir.stat(name) !== undefined) throw existing(file);
  });
}

function inDirectory<T>(file: KeyFile, use: (dir: Dir, name: RawName) => T): T {
  const name = rawFromText(basename(file.path));
  if (!isRawName(name)) throw unusable(file.path, "that is not the name of a file");
  const dir = file.disk.openRoot(rawFromText(dirname(file.path)));
  if (dir === undefined) throw unusable(file.path, "its directory is not there");
  try {
    return use(dir, name);
  } finally {
    dir.close();
  }
}

function tempNameOf(): string {
  return `.mailtwin-key-${randomHex(8)}`;
}

function existing(file: KeyFile) {
  return wireError("key-exists", `making a key at ${shownPath(file.path)}: a file stands there`);
}

function unusable(path: string, why: string, cause?: unknown) {
  return wireError("key-unusable", `using the key of this site, ${shownPath(path)}: ${why}`, cause);
}

function shownPath(path: string): string {
  return displayRaw(rawFromText(path));
}
