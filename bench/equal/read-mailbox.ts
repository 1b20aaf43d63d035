/**
 * One reading of a mailbox for the comparer: its uidlist, keywords, messages, and whatever lies about in it.
 *
 * Reads nothing but metadata and the two small files; bodies are compared apart (bodies.ts). File names are bytes in
 * strings (latin1). The mailbox should be at rest: nothing here takes a lock.
 */
import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { errnoOf } from "../../src/base/errors.js";
import { nodePath } from "../../src/base/raw-name.js";
import { readKeywords, readUidlist, type UidlistReading } from "./read-uidlist.js";

export interface MessageReading {
  readonly place: "cur" | "new";
  /** What stands behind the first `:` of the name, "" without one. */
  readonly info: string;
  /** Path of the file below the mailbox. */
  readonly path: string;
  readonly size: number;
  readonly mtimeS: number;
  readonly dev: number;
  readonly ino: number;
}

export interface MailboxReading {
  /** Undefined when there is no `dovecot-uidlist`. */
  readonly uidlist: UidlistReading | undefined;
  readonly keywordByIndex: ReadonlyMap<number, string>;
  readonly messageByBase: ReadonlyMap<string, MessageReading>;
  /** Second and further files of one base name. */
  readonly duplicates: readonly string[];
  /** Files in tmp/, locks and temporary files: paths below the mailbox. */
  readonly leftovers: readonly string[];
  /** Damage, in words. */
  readonly problems: readonly string[];
}

/** Reads the mailbox at `path` (bytes in a string). Throws system errors when it cannot be listed. */
export function readMailbox(path: string): MailboxReading {
  const problems: string[] = [];
  const uidlistBytes = readIfThere(`${path}/dovecot-uidlist`);
  const uidlist = uidlistBytes === undefined ? undefined : readUidlist(uidlistBytes);
  const keywords = readKeywords(readIfThere(`${path}/dovecot-keywords`) ?? Buffer.alloc(0));
  problems.push(...(uidlist?.problems ?? []).map((problem) => `dovecot-uidlist: ${problem}`), ...keywords.problems);
  const messageByBase = new Map<string, MessageReading>();
  const duplicates: string[] = [];
  for (const place of ["cur", "new"] as const) {
    for (const name of listIfThere(`${path}/${place}`)) {
      if (name.startsWith(".")) continue; // dot files in cur/ and new/ are never mail.
      const below = `${place}/${name}`;
      const stat = lstatSync(nodePath(`${path}/${below}`));
      if (!stat.isFile()) {
        problems.push(`${below} is no regular file`);
        continue;
      }
      const colon = name.indexOf(":");
      const base = colon < 0 ? name : name.slice(0, colon);
      if (messageByBase.has(base)) duplicates.push(below);
      else {
        const info = colon < 0 ? "" : name.slice(colon + 1);
        const mtimeS = Math.floor(stat.mtimeMs / 1000);
        messageByBase.set(base, { place, info, path: below, size: stat.size, mtimeS, dev: stat.dev, ino: stat.ino });
      }
    }
  }
  const leftovers = [
    ...listIfThere(`${path}/tmp`).map((name) => `tmp/${name}`),
    ...listIfThere(path).filter((name) => /\.(lock|tmp)$/.test(name)),
  ];
  return { uidlist, keywordByIndex: keywords.nameByIndex, messageByBase, duplicates, leftovers, problems };
}

/** Whole small file, or undefined when absent. */
export function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(nodePath(path));
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Names in a directory, none when it is absent. */
export function listIfThere(path: string): string[] {
  try {
    return readdirSync(nodePath(path), { encoding: "latin1" });
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}
