/**
 * Looks at a store on disk, past Dovecot: what a twin must not leave behind, and raw copies of stores.
 *
 * Names are bytes kept one to a character (latin1), as they need not be UTF-8.
 */
import { execFileSync } from "node:child_process";
import { lstatSync, readdirSync, readFileSync, rmSync, type Stats } from "node:fs";
import type { DovecotSite } from "./dovecot.js";

export interface StoreFile {
  /** Relative to the store, bytes as latin1. */
  readonly path: string;
  readonly kind: "file" | "directory" | "other";
  readonly stats: Stats;
}

/** Files that belong to one host: Dovecot's indexes and logs, and locks. */
const HOST_LOCAL = /^(dovecot\.index.*|dovecot\.list\.index.*|dovecot\.mailbox\.log.*|dovecot-uidlist\.tmp|.*\.lock)$/;

/** Everything below a directory, parents first, in the order of names. */
export function listStore(store: string): readonly StoreFile[] {
  const found: StoreFile[] = [];
  const walk = (path: string): void => {
    for (const name of readdirSync(bytesOf(path === "" ? store : `${latin1(store)}/${path}`), "latin1").sort()) {
      const child = path === "" ? name : `${path}/${name}`;
      const stats = lstatSync(bytesOf(`${latin1(store)}/${child}`), { throwIfNoEntry: false });
      if (stats === undefined) continue; // it vanished while we looked.
      const kind = stats.isDirectory() ? "directory" : stats.isFile() ? "file" : "other";
      found.push({ path: child, kind, stats });
      if (kind === "directory") walk(child);
    }
  };
  walk("");
  return found;
}

/** Relative paths of all mailboxes: directories that have a cur/. */
export function mailboxPaths(store: string): readonly string[] {
  const curs = listStore(store).filter(({ path, kind }) => kind === "directory" && baseOf(path) === "cur");
  return curs.map(({ path }) => parentOf(path));
}

/** The names in cur/ and new/ of one mailbox, given by its path relative to the store. */
export function messageNames(store: string, mailbox: string): readonly string[] {
  return ["cur", "new"].flatMap((part) => {
    const names = readdirSync(bytesOf(`${latin1(store)}/${mailbox}/${part}`), "latin1");
    return names.filter((name) => !name.startsWith("."));
  });
}

/**
 * What a finished twin must not have left in a store, in words; empty when clean: a message twice (two names with one
 * base name, or two UIDs), files in tmp/, locks, half-made mailboxes. Call it when no delivery is running.
 */
export function storeLeaks(store: string): string[] {
  const files = listStore(store);
  const leaks: string[] = [];
  const mailboxes = new Set(mailboxPaths(store));
  for (const { path, kind } of files) {
    const name = baseOf(path);
    const inTmp = baseOf(parentOf(path)) === "tmp" && mailboxes.has(parentOf(parentOf(path)));
    if (inTmp) leaks.push(`left in tmp: ${path}`);
    else if (kind === "file" && (name.endsWith(".lock") || /^dovecot-uidlist\.(tmp|mailtwin)$/.test(name)))
      leaks.push(`left lock: ${path}`);
    else if (kind === "other") leaks.push(`neither file nor directory: ${path}`);
  }
  for (const mailbox of mailboxes) leaks.push(...mailboxLeaks(store, mailbox));
  return [...leaks, ...halfMailboxes(files, mailboxes)];
}

function mailboxLeaks(store: string, mailbox: string): string[] {
  const leaks: string[] = [];
  const missing = ["cur", "new", "tmp"].filter((part) => !isDirectory(`${latin1(store)}/${mailbox}/${part}`));
  if (missing.length > 0) return [`half-made mailbox ${mailbox}: no ${missing.join(", ")}`];
  const nameByBase = new Map<string, string>();
  for (const name of messageNames(store, mailbox)) {
    const base = name.split(":")[0] ?? "";
    const other = nameByBase.get(base);
    if (other !== undefined) leaks.push(`twice in ${mailbox}: ${other} and ${name}`);
    nameByBase.set(base, name);
  }
  const bases = new Set<string>();
  let lastUid = 0;
  for (const record of uidlistRecords(`${latin1(store)}/${mailbox}/dovecot-uidlist`)) {
    if (record.uid <= lastUid) leaks.push(`uidlist of ${mailbox}: UID ${record.uid} after ${lastUid}`);
    if (bases.has(record.base)) leaks.push(`uidlist of ${mailbox}: two records for ${record.base}`);
    lastUid = record.uid;
    bases.add(record.base);
  }
  return leaks;
}

/** A Maildir++ folder, or a directory with a uidlist, that lacks cur/. */
function halfMailboxes(files: readonly StoreFile[], mailboxes: ReadonlySet<string>): string[] {
  const suspects = files.filter(({ path, kind }) => {
    if (kind === "file") return baseOf(path) === "dovecot-uidlist" && !mailboxes.has(parentOf(path));
    return (
      kind === "directory" && baseOf(path).startsWith(".") && mailboxes.has(parentOf(path)) && !mailboxes.has(path)
    );
  });
  return suspects.map(({ path }) => `half-made mailbox: ${path}`);
}

interface UidlistRecord {
  readonly uid: number;
  readonly base: string;
}

/** The records of a version 3 uidlist, read by this file's own eyes rather than by the code under test. */
function uidlistRecords(path: string): readonly UidlistRecord[] {
  if (lstatSync(bytesOf(path), { throwIfNoEntry: false }) === undefined) return [];
  const lines = readFileSync(bytesOf(path), "latin1").split("\n").slice(1, -1);
  return lines.map((line) => ({
    uid: Number.parseInt(line, 10),
    base: line.slice(line.indexOf(" :") + 2),
  }));
}

/**
 * Copies the mail of one site onto another as files (mtimes, owners and names kept), without what belongs to a host.
 * Both Dovecots must be idle; the target's homes are replaced.
 */
export function copyStore(from: DovecotSite, to: DovecotSite): void {
  for (const name of readdirSync(to.store)) rmSync(`${to.store}/${name}`, { recursive: true, force: true });
  execFileSync("cp", ["-a", `${from.store}/.`, to.store]);
  for (const { path, kind } of listStore(to.store)) {
    if (kind === "file" && HOST_LOCAL.test(baseOf(path))) rmSync(bytesOf(`${latin1(to.store)}/${path}`));
  }
}

function isDirectory(path: string): boolean {
  return lstatSync(bytesOf(path), { throwIfNoEntry: false })?.isDirectory() === true;
}

function baseOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf("/"), 0));
}

function latin1(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

/** For Node's calls, of a path that is bytes as latin1. */
export function bytesOf(path: string): Buffer {
  return Buffer.from(path, "latin1");
}
