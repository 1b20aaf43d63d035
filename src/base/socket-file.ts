/**
 * Socket files: which one stands somewhere, and how one gets its place with the mode that it is to have.
 *
 * INVARIANT: nobody can connect to a socket before it has its mode. bind(2) makes it as the umask says, which belongs to all threads,
 * so it is made in a directory that only we can enter, gets its mode there, and its place then.
 * INVARIANT: nothing is replaced: a name that is taken, by whomever in between, is an error.
 */
import { chmodSync, linkSync, lstatSync, mkdtempSync, rmdirSync, type Stats, unlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Site } from "./disk.js";
import { errnoOf } from "./errors.js";

export type SocketPlace = { readonly kind: "free" } | { readonly kind: "other" } | ({ readonly kind: "socket" } & Site);

/** Without following a link. */
export function lookAtSocket(path: string): SocketPlace {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return { kind: "free" };
  return stats.isSocket() ? { kind: "socket", ...siteOf(stats) } : { kind: "other" };
}

/** Beside `path`, and not to be entered by others. Throws system errors: ENOENT where its directory is not there. */
export function makeSocketCradle(path: string): string {
  return join(mkdtempSync(join(dirname(path), CRADLE_PREFIX)), "s");
}

const CRADLE_PREFIX = ".mt-";
/** By so much the path in a cradle is longer than its directory's. */
export const CRADLE_BYTES = "/.mt-xxxxxx/s".length;

/** Throws system errors: EEXIST where the place was taken meanwhile. Returns which socket it is. */
export function placeSocket({ cradle, path, mode }: { cradle: string; path: string; mode: number }): Site {
  chmodSync(cradle, mode);
  linkSync(cradle, path);
  return siteOf(lstatSync(cradle));
}

export function removeCradle(cradle: string): void {
  unlinkIfThere(cradle);
  rmdirSync(dirname(cradle));
}

/** Unless another one stands there by now. */
export function removeSocket(path: string, { dev, ino }: Site): void {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats?.dev === dev && stats.ino === ino) unlinkIfThere(path);
}

function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
}

function siteOf({ dev, ino }: Stats): Site {
  return { dev, ino };
}
