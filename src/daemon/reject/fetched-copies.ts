/**
 * Mail of a replica elsewhere, as a copy: fetched some at a time into files of a scratch directory in the state directory, which is nobody
 * else's, and removed when it was put where it belongs. Who fetches it is this process, by a link of its own, or the running daemon by its.
 *
 * INVARIANT: of owners and modes a replica elsewhere has no say: what is made anew is like the directory above it, or like those beside it.
 */
import { rmSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "../../base/assert.js";
import type { Dir, FileStat } from "../../base/disk.js";
import { openNodeDisk } from "../../base/disk-node.js";
import { errnoOf, recordOfError, reviveError } from "../../base/errors.js";
import { isRawName, type RawName, type RawPath, rawFromText, splitRaw } from "../../base/raw-name.js";
import type { BaselineRecord } from "../../log/state-types.js";
import { isOneUsers } from "../../maildir/whose-tree.js";
import type { CopiedMessage, HeldCopy, StoreCopy } from "./copies.js";
import { type FetchedMessage, fetchedName, type MailboxName } from "./replica-mail.js";

/** In the state directory of the source. */
export const FETCHED = "fetched";
const FETCHED_MODE = 0o700;
/** What stands in a store and is no user's. */
const OTHERS = /^\.|^lost\+found$/;

export interface Fetcher {
  /** As `ReplicaMail.whyLacking`. */
  whyLacking(mailbox: MailboxName, records: readonly BaselineRecord[]): Promise<readonly (string | undefined)[]>;
  /** As `ReplicaMail.fetch`: what became of the first of `records`. */
  fetch(mailbox: MailboxName, records: readonly BaselineRecord[]): Promise<readonly FetchedMessage[]>;
}

/**
 * `fetch` puts files into the scratch directory of that state: whoever had something fetched before is done with it.
 * Throws: what the system refuses of that directory, by its errno; what `fetch` throws.
 */
export async function fetchInto<T>(state: string, fetch: (scratch: string) => Promise<T>): Promise<T> {
  const scratch = join(state, FETCHED);
  try {
    await rm(scratch, { recursive: true, force: true }); // what a kill left, too.
    await mkdir(scratch, { mode: FETCHED_MODE });
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    throw reviveError(recordOfError(error)); // a full disk is no defect of a daemon.
  }
  return fetch(scratch);
}

export class FetchedCopies implements StoreCopy {
  readonly #fetcher: Fetcher;
  /** The source's. */
  readonly #root: Dir;
  readonly #state: string;
  /** Of what is made directly below the store. */
  readonly #like: FileStat | undefined;
  #hasFetched = false;

  constructor(fetcher: Fetcher, root: Dir, state: string) {
    this.#fetcher = fetcher;
    this.#root = root;
    this.#state = state;
    this.#like = likeAll(root);
  }

  open(mailbox: MailboxName): HeldCopy {
    return {
      whyLacking: (records) => this.#fetcher.whyLacking(mailbox, records),
      files: (records) => this.#files(mailbox, records),
      [Symbol.dispose]: () => undefined,
    };
  }

  /** What is made directly below the store is like all that stands there. */
  stat(path: RawPath): FileStat | undefined {
    return splitRaw(path).length === 1 ? this.#like : undefined;
  }

  has(): boolean {
    return false;
  }

  whyOwnerless(path: RawPath): string | undefined {
    const [first] = splitRaw(path);
    if (first === undefined || this.#like !== undefined || this.#root.stat(first) !== undefined) return undefined;
    return "the directory of its user is gone, and whose it was is not known here: make it, with its owner and mode, and run this again, or name a copy with --from";
  }

  /** Nothing is left but what the system does not let go: the next one removes that. */
  [Symbol.dispose](): void {
    if (!this.#hasFetched) return;
    try {
      rmSync(join(this.#state, FETCHED), { recursive: true, force: true });
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
    }
  }

  async *#files(mailbox: MailboxName, records: readonly BaselineRecord[]): AsyncGenerator<CopiedMessage> {
    this.#hasFetched = true;
    for (let at = 0; at < records.length; ) {
      const fetched = await this.#fetcher.fetch(mailbox, records.slice(at));
      const dir = openNodeDisk().openRoot(rawFromText(join(this.#state, FETCHED)));
      try {
        for (const { uid, why } of fetched) {
          const record = records[at];
          assert(record?.uid === uid, "what is fetched is what was asked for, in its order");
          at += 1;
          const name = rawName(fetchedName(mailbox.guid, uid));
          if (why !== undefined || dir === undefined)
            yield { record, found: { kind: "lacking", why: why ?? "its file went from the state directory" } };
          else yield { record, found: { kind: "found", file: { dir, name } } };
          dir?.unlink(name);
        }
      } finally {
        dir?.close();
      }
    }
  }
}

/**
 * What a directory of a user is made like where there is no copy of it: all of the store is one user's, or all directories that stand there are
 * one owner's (virtual users), who is the store's, or has at least two. Its mode has what all of theirs have. Undefined: users have owners of
 * their own, as far as is known.
 */
function likeAll(root: Dir): FileStat | undefined {
  const self = root.statSelf();
  if (isOneUsers(root)) return self;
  const standing = root.list().flatMap((name) => {
    const stat = OTHERS.test(name) ? undefined : root.stat(name);
    return stat?.kind === "directory" ? [stat] : [];
  });
  const [first] = standing;
  if (first === undefined || !standing.every((each) => isOneOwners(each, first))) return undefined;
  if (standing.length === 1 && !isOneOwners(first, self)) return undefined;
  return { ...first, mode: standing.reduce((bits, { mode }) => bits & mode, first.mode) };
}

function isOneOwners(a: FileStat, b: FileStat): boolean {
  return a.uid === b.uid && a.gid === b.gid;
}

function rawName(text: string): RawName {
  assert(isRawName(text), `not a file name: ${text}`);
  return text;
}
