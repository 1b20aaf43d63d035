/**
 * Puts files of the limbo back as new mail: a copy, in tmp/ of a mailbox and then in its new/, under a name that never was. Whoever serves
 * that mailbox gives it its UID.
 *
 * INVARIANT: the old UID and the old base name do not come back; the file in the limbo stays until its time is up.
 * INVARIANT: the name carries which message it is, on whatever replica and day it was removed: none is put back twice while it is there.
 * INVARIANT: what is not to be has no name in new/: its bytes are judged as they were written.
 */

import { hashOfBase, readEntryName } from "../../apply/limbo-names.js";
import { copyBody } from "../../apply/stage.js";
import type { Clock } from "../../base/clock.js";
import type { Dir, Site } from "../../base/disk.js";
import { openSha256, sha256 } from "../../base/hash.js";
import { randomHex } from "../../base/random.js";
import type { KnownBody } from "../../log/known-bodies.js";
import type { LimboRow } from "../../log/state-types.js";
import { CUR, NEW, TMP } from "../../maildir/mailbox-files.js";

/** Which message it is: of its mailbox, base name and size. A file of that name with another size is another one. */
export type MessageTag = string & { readonly "message tag": true };

/** One file of the limbo. */
export interface PutBackFile {
  readonly dir: Dir;
  readonly name: string;
  readonly tag: MessageTag;
  /** Of the message, where it is known: what Dovecot noted in it goes along. */
  readonly base: string;
  /** Judges what was copied; undefined: it may come back. */
  readonly whyNot?: ((copied: KnownBody) => string | undefined) | undefined;
}

export type PutBack =
  | { readonly kind: "restored"; readonly name: string }
  /** It was put back before, and is still there. */
  | { readonly kind: "already"; readonly name: string }
  | { readonly kind: "refused"; readonly why: string }
  /** The file, or the mailbox that it was to come into. */
  | { readonly kind: "gone" | "away" };

const TAG = /^\d+\.R[0-9a-f]{16}U([0-9a-f]{24})\./;

/** `size`: bytes of its file. `base`: of a message of a mailbox that went as a whole; undefined: the row is that of a message. */
export function tagOf({ mailbox, name }: Pick<LimboRow, "mailbox" | "name">, size: number, base?: string): MessageTag {
  const entry = name.slice(name.indexOf("/") + 1);
  const hash = base === undefined ? (readEntryName(entry)?.hash ?? entry) : hashOfBase(base);
  return sha256(Buffer.from(`${mailbox} ${hash} ${size}`, "latin1")).toString("hex", 0, 12) as MessageTag;
}

export class PutBackInto {
  readonly #open: () => Dir | undefined;
  readonly #ports: { readonly clock: Pick<Clock, "nowMs">; readonly hostname: string };
  #site: Site | undefined;
  #nameByTag = new Map<string, string>();

  /** `open` gives the mailbox, which is open only meanwhile. What has been put back before is read once. Throws: what `open` throws. */
  constructor(open: () => Dir | undefined, ports: { readonly clock: Pick<Clock, "nowMs">; readonly hostname: string }) {
    this.#open = open;
    this.#ports = ports;
    this.#within(() => undefined);
  }

  /** Which directory that is; undefined: it was not there. */
  get site(): Site | undefined {
    return this.#site;
  }

  /** Whether it would be, where nothing is written. */
  find({ tag }: Pick<PutBackFile, "tag">): string | undefined {
    return this.#nameByTag.get(tag);
  }

  /** It is durable when this returns. Throws: system errors. */
  put(file: PutBackFile): PutBack {
    return this.#within((mailbox) => this.#put(mailbox, file)) ?? { kind: "away" };
  }

  #put(mailbox: Dir, { dir, name, tag, base, whyNot }: PutBackFile): PutBack {
    const standing = this.find({ tag });
    if (standing !== undefined) return { kind: "already", name: standing };
    const stat = dir.stat(name);
    if (stat?.kind !== "file") return { kind: "gone" };
    const { uid, gid, mode } = mailbox.statSelf();
    const options = { mode: mode & 0o666, owner: { uid, gid }, mtimeS: Math.floor(stat.mtimeMs / 1000) };
    const [target, hash] = [this.#freshName(tag, base), openSha256()];
    const tmp = needed(mailbox, TMP);
    let fresh: Dir | undefined;
    try {
      fresh = needed(mailbox, NEW);
      if (copyBody({ dir, name }, { tmp, name: target, size: stat.size, hash }, options) === undefined)
        return { kind: "gone" };
      const why = whyNot?.({ sha256: hash.digest().toString("hex"), size: stat.size });
      if (why !== undefined) {
        tmp.unlink(target);
        return { kind: "refused", why };
      }
      tmp.syncFile(target);
      tmp.rename(target, fresh, target);
      fresh.sync();
    } catch (error) {
      tmp.unlink(target);
      throw error;
    } finally {
      tmp.close();
      fresh?.close();
    }
    this.#nameByTag.set(tag, target);
    return { kind: "restored", name: target };
  }

  #within<T>(use: (mailbox: Dir) => T): T | undefined {
    const mailbox = this.#open();
    if (mailbox === undefined) return undefined;
    try {
      const { dev, ino } = mailbox;
      if (this.#site?.dev !== dev || this.#site.ino !== ino) {
        this.#nameByTag = readTags(mailbox);
        this.#site = { dev, ino };
      }
      return use(mailbox);
    } finally {
      mailbox.close();
    }
  }

  #freshName(tag: MessageTag, base: string): string {
    const { clock, hostname } = this.#ports;
    const seconds = Math.floor(clock.nowMs() / 1000);
    const host = hostname.replace(/[^A-Za-z0-9.-]/g, "_").slice(0, 64);
    const [noted = ""] = /,S=\d+(?:,W=\d+)?$/.exec(base) ?? [];
    return `${seconds}.R${randomHex(8)}U${tag}.${host}${noted}`;
  }
}

function readTags(mailbox: Dir): Map<string, string> {
  const nameByTag = new Map<string, string>();
  for (const part of [NEW, CUR]) {
    const dir = mailbox.openDir(part);
    for (const name of dir?.list() ?? []) {
      const [, tag] = TAG.exec(name) ?? [];
      if (tag !== undefined) nameByTag.set(tag, name);
    }
    dir?.close();
  }
  return nameByTag;
}

/** Dovecot makes tmp/ and new/ with the mailbox; one that lacks them gets them as its own. */
function needed(mailbox: Dir, part: typeof TMP | typeof NEW): Dir {
  const { uid, gid, mode } = mailbox.statSelf();
  if (mailbox.stat(part) === undefined) mailbox.mkdir(part, mode, { uid, gid });
  const dir = mailbox.openDir(part);
  if (dir === undefined) throw new Error(`${part} vanished`);
  return dir;
}
