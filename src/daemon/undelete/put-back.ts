/**
 * Puts files of the limbo back as new mail: a copy, in tmp/ of a mailbox and then in its new/, under a name that never was. Whoever serves
 * that mailbox gives it its UID.
 *
 * INVARIANT: the old UID and the old base name do not come back; the file in the limbo stays until its time is up.
 * The name carries what it was put back from, so that it is not put back twice while it is there.
 */
import { copyBody } from "../../apply/stage.js";
import type { Clock } from "../../base/clock.js";
import type { Dir } from "../../base/disk.js";
import { sha256 } from "../../base/hash.js";
import { randomHex } from "../../base/random.js";
import { CUR, NEW, TMP } from "../../maildir/mailbox-files.js";

/** One file of the limbo. */
export interface PutBackFile {
  readonly dir: Dir;
  readonly name: string;
  /** Names it for ever: its place in the limbo. */
  readonly from: string;
  /** Of the message, where it is known: what Dovecot noted in it goes along. */
  readonly base: string;
}

export type PutBack =
  | { readonly kind: "restored"; readonly name: string }
  /** It was put back before, and is still there. */
  | { readonly kind: "already"; readonly name: string }
  | { readonly kind: "gone" };

const TAG = /^\d+\.R[0-9a-f]{16}U([0-9a-f]{24})\./;

export class PutBackInto {
  readonly #mailbox: Dir;
  readonly #ports: { readonly clock: Pick<Clock, "nowMs">; readonly hostname: string };
  readonly #nameByTag = new Map<string, string>();

  /** What has been put back before is read once. */
  constructor(mailbox: Dir, ports: { readonly clock: Pick<Clock, "nowMs">; readonly hostname: string }) {
    this.#mailbox = mailbox;
    this.#ports = ports;
    for (const part of [NEW, CUR]) {
      const dir = mailbox.openDir(part);
      for (const name of dir?.list() ?? []) {
        const [, tag] = TAG.exec(name) ?? [];
        if (tag !== undefined) this.#nameByTag.set(tag, name);
      }
      dir?.close();
    }
  }

  /** Whether it would be, where nothing is written. */
  find({ from }: Pick<PutBackFile, "from">): string | undefined {
    return this.#nameByTag.get(tagOf(from));
  }

  /** It is durable when this returns. Throws: system errors. */
  put({ dir, name, from, base }: PutBackFile): PutBack {
    const standing = this.find({ from });
    if (standing !== undefined) return { kind: "already", name: standing };
    const stat = dir.stat(name);
    if (stat?.kind !== "file") return { kind: "gone" };
    const { uid, gid, mode } = this.#mailbox.statSelf();
    const options = { mode: mode & 0o666, owner: { uid, gid }, mtimeS: Math.floor(stat.mtimeMs / 1000) };
    const [tmp, fresh] = [needed(this.#mailbox, TMP), needed(this.#mailbox, NEW)];
    const target = this.#freshName(from, base);
    try {
      if (copyBody({ dir, name }, { tmp, name: target, size: stat.size }, options) === undefined)
        return { kind: "gone" };
      tmp.syncFile(target);
      tmp.rename(target, fresh, target);
      fresh.sync();
    } catch (error) {
      tmp.unlink(target);
      throw error;
    } finally {
      tmp.close();
      fresh.close();
    }
    this.#nameByTag.set(tagOf(from), target);
    return { kind: "restored", name: target };
  }

  #freshName(from: string, base: string): string {
    const { clock, hostname } = this.#ports;
    const seconds = Math.floor(clock.nowMs() / 1000);
    const host = hostname.replace(/[^A-Za-z0-9.-]/g, "_").slice(0, 64);
    const [noted = ""] = /,S=\d+(?:,W=\d+)?$/.exec(base) ?? [];
    return `${seconds}.R${randomHex(8)}U${tagOf(from)}.${host}${noted}`;
  }
}

function tagOf(from: string): string {
  return sha256(Buffer.from(from, "latin1")).toString("hex", 0, 12);
}

/** Dovecot makes tmp/ and new/ with the mailbox; one that lacks them gets them as its own. */
function needed(mailbox: Dir, part: typeof TMP | typeof NEW): Dir {
  const { uid, gid, mode } = mailbox.statSelf();
  if (mailbox.stat(part) === undefined) mailbox.mkdir(part, mode, { uid, gid });
  const dir = mailbox.openDir(part);
  if (dir === undefined) throw new Error(`${part} vanished`);
  return dir;
}
