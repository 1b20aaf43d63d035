/**
 * A second place for the note of whose twin a store is: where the scratch directory was wished elsewhere, whoever is given the twin as a
 * source knows of no place but the default one. The notes alone come to lie there, and a lock that says whether they are of somebody who
 * writes now.
 *
 * INVARIANT: where nothing of ours may stand (in a mail root, Dovecot's or a Maildir), or where it cannot be made, nothing is made, and
 * the run goes on: the note in the scratch directory is the one that has to be.
 */
import { rmdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { SCRATCH_LOCK } from "../apply/scratch-areas.js";
import type { Dir, Site } from "../base/disk.js";
import { errnoOf, MailtwinError } from "../base/errors.js";
import { isOneUsers } from "../maildir/whose-tree.js";
import { holdScratch } from "./hold-scratch.js";
import { makeOurs, openStanding, type Refusal } from "./own-directory.js";
import { findScratch, scratchRefusal } from "./place-rules.js";

export interface PlaceBeside extends Disposable {
  /** Notes something there. What the system refuses is no failure. Returns what takes it back if it is new. Throws: what `write` does else. */
  note(write: (place: NotePlace) => () => void): () => void;
}

interface NotePlace {
  readonly path: string;
  readonly site: Site;
  readonly refuse: Refusal;
}

export interface StoreAndScratch {
  /** Undefined where it is on another host. */
  readonly source: string | undefined;
  readonly destination: string;
  readonly scratch: string;
}

/** Held until it is disposed of. Undefined: the scratch directory is there itself, or nothing can be. Makes the directory. */
export function openBeside(where: StoreAndScratch): PlaceBeside | undefined {
  const path = defaultPlace(where);
  if (path === undefined || path === where.scratch || isInMailRoot(path)) return undefined;
  const refuse = scratchRefusal(path);
  const made: string[] = [];
  const quietly = <T>(step: () => T): T | undefined => {
    try {
      return step();
    } catch (error) {
      if (!(error instanceof MailtwinError) && errnoOf(error) === undefined) throw error;
      return undefined;
    }
  };
  const site = quietly(() => makeOurs(path, refuse, { mayBeRead: false, levelsMax: 1, made }));
  if (site === undefined) return undefined;
  const held = quietly(() => holdScratch(path, site, refuse)); // somebody who looks whether it is held holds it for a moment.
  return {
    note(write) {
      try {
        const undo = write({ path, site, refuse });
        return () => {
          undo();
          if (made.length > 0) quietly(() => removeEmpty(path));
        };
      } catch (error) {
        if (made.length > 0) quietly(() => removeEmpty(path));
        if (errnoOf(error) === undefined) throw error;
        return () => undefined;
      }
    },
    [Symbol.dispose]: () => held?.[Symbol.dispose](),
  };
}

/** Where the scratch directory were, had nobody wished it elsewhere. */
function defaultPlace({ source, destination }: StoreAndScratch): string | undefined {
  try {
    return findScratch(source, destination, undefined);
  } catch (error) {
    if (error instanceof MailtwinError) return undefined;
    throw error;
  }
}

/** What lies in one user's mail root Dovecot may take for a folder, whatever its layout. */
function isInMailRoot(path: string): boolean {
  for (let at = dirname(path); at !== dirname(at); at = dirname(at)) {
    let dir: Dir | undefined;
    try {
      dir = openStanding(at, (why) => new Error(why));
      if (dir === undefined || isOneUsers(dir)) return true;
    } catch {
      return true; // who cannot look makes nothing.
    } finally {
      dir?.close();
    }
  }
  return false;
}

/** A directory that was made for a note that went. */
function removeEmpty(path: string): void {
  rmSync(join(path, SCRATCH_LOCK), { force: true });
  rmdirSync(path);
}
