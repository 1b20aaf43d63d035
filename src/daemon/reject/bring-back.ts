/**
 * Brings held messages back into one mailbox of the source, each as a new message: a copy, in tmp/ and then in new/ or cur/, under a name
 * that never was, with the flags, the keywords and the INTERNALDATE that the log has. Whoever serves that mailbox gives it its UID.
 *
 * INVARIANT: the old UID and the old base name do not come back.
 * INVARIANT: the name says which message it is (capture/brought-back.ts), so that it is not brought back twice, whoever was killed. What a
 * kill leaves in tmp/ is removed by the next one.
 */
import { copyBody } from "../../apply/stage.js";
import type { Clock } from "../../base/clock.js";
import type { Dir } from "../../base/disk.js";
import { replaceDurably } from "../../base/durable-file.js";
import { makeSystemError } from "../../base/system-error.js";
import type { BackNames } from "../../capture/brought-back.js";
import type { BaselineRecord } from "../../log/state-types.js";
import type { Dotlock } from "../../maildir/dotlock.js";
import type { MailboxGuid } from "../../maildir/ids.js";
import { assignLetters, formatKeywords, nextKeywordsMtimeS, readKeywords } from "../../maildir/keywords.js";
import { CUR, KEYWORDS_FILE, NEW, TMP } from "../../maildir/mailbox-files.js";
import { formatInfo, parseMessageName } from "../../maildir/message-name.js";
import type { CopyFile } from "./copies.js";
import { directoryIn } from "./directories.js";
import { underLock } from "./under-lock.js";

/** Ours alone, as the uidlist's. */
const KEYWORDS_TEMP_FILE = "dovecot-keywords.mailtwin";
const NAME_BYTES_MAX = 255;
const MICROS = 1_000_000;
/** So many names become durable together. */
const SYNC_EVERY = 256;

export interface BringBackPorts {
  readonly clock: Pick<Clock, "nowMs">;
  readonly hostname: string;
  readonly names: BackNames;
  readonly order: NameOrder;
}

/** Names in the order in which they are given. */
export class NameOrder {
  #seconds = 0;
  #micros = 0;

  next(nowMs: number): { readonly seconds: number; readonly micros: number } {
    const seconds = Math.floor(nowMs / 1000);
    if (seconds > this.#seconds) [this.#seconds, this.#micros] = [seconds, 0];
    else if (this.#micros + 1 === MICROS) [this.#seconds, this.#micros] = [this.#seconds + 1, 0];
    else this.#micros += 1;
    return { seconds: this.#seconds, micros: this.#micros };
  }
}

export class BringBackInto implements Disposable {
  readonly #mailbox: Dir;
  readonly #dirs: { readonly cur: Dir; readonly fresh: Dir; readonly tmp: Dir };
  readonly #guid: MailboxGuid;
  readonly #ports: BringBackPorts;
  readonly #nameByUid: Map<number, string>;
  #letterBitByName: ReadonlyMap<string, number> = new Map();
  #unsynced = 0;

  /** `guid`: of the mailbox that the messages were in. Throws: system errors. */
  constructor(mailbox: Dir, guid: MailboxGuid, ports: BringBackPorts) {
    this.#mailbox = mailbox;
    this.#guid = guid;
    this.#ports = ports;
    this.#nameByUid = backIn(mailbox, guid, ports.names);
    const opened: Dir[] = [];
    const open = (part: Parameters<typeof needed>[1]): Dir => {
      const dir = needed(mailbox, part);
      opened.push(dir);
      return dir;
    };
    try {
      this.#dirs = { cur: open(CUR), fresh: open(NEW), tmp: open(TMP) };
      this.#removeLeftovers();
    } catch (error) {
      for (const dir of opened) dir.close();
      throw error;
    }
  }

  /** The name under which it is back already. */
  find(uid: number): string | undefined {
    return this.#nameByUid.get(uid);
  }

  /**
   * Call it before the first message. Names that the mailbox has no letter for get one, under the lock: that file comes before any name.
   * Returns keywords for which there is no letter left. Throws: lock-held, lock-lost, keywords-damaged, system errors.
   */
  async useKeywords(names: ReadonlySet<string>): Promise<readonly string[]> {
    if (names.size === 0) return [];
    const known = assignLetters(readKeywords(this.#mailbox).keywords, names);
    this.#letterBitByName = known.letterBitByName;
    if (!known.added) return known.overflow;
    const inUse = this.#lettersInUse();
    return underLock(this.#mailbox, (lock) => this.#addKeywords(lock, names, inUse));
  }

  /** False where the copy is not whole any more. It is durable after `sync`. Throws: system errors. */
  put(record: BaselineRecord, { dir, name }: CopyFile): boolean {
    const { uid, gid, mode } = this.#mailbox.statSelf();
    const { size, mtimeS } = record;
    const base = this.#freshBase(record);
    const { tmp, cur, fresh } = this.#dirs;
    const options = { mode: mode & 0o666, owner: { uid, gid }, mtimeS };
    try {
      if (copyBody({ dir, name }, { tmp, name: base, size }, options)?.size !== size) return false;
      tmp.syncFile(base); // its date, too.
      const info = this.#infoOf(record);
      const target = `${base}${info}`;
      const to = info === "" ? fresh : cur;
      if (to.stat(target) !== undefined)
        throw makeSystemError("EEXIST", { doing: "renaming a message to", path: target });
      tmp.rename(base, to, target);
      this.#nameByUid.set(record.uid, target);
    } finally {
      tmp.unlink(base);
    }
    this.#unsynced += 1;
    if (this.#unsynced >= SYNC_EVERY) this.sync();
    return true;
  }

  /** All that was put is on stable storage then, names as well. */
  sync(): void {
    for (const dir of [this.#dirs.fresh, this.#dirs.cur]) dir.sync();
    this.#unsynced = 0;
  }

  [Symbol.dispose](): void {
    for (const dir of Object.values(this.#dirs)) dir.close();
  }

  /** Of an earlier one that was killed; there is one at a time. */
  #removeLeftovers(): void {
    const { tmp } = this.#dirs;
    for (const name of tmp.list()) if (this.#ports.names.uidIn(this.#guid, name) !== undefined) tmp.unlink(name);
  }

  #lettersInUse(): number {
    let letters = 0;
    for (const dir of [this.#dirs.cur, this.#dirs.fresh])
      for (const name of dir.list()) letters |= parseMessageName(name)?.letters ?? 0;
    return letters;
  }

  #addKeywords(lock: Dotlock, names: ReadonlySet<string>, inUse: number): readonly string[] {
    const mailbox = this.#mailbox;
    const { keywords, mtimeMs } = readKeywords(mailbox);
    const assigned = assignLetters(keywords, names, inUse);
    this.#letterBitByName = assigned.letterBitByName;
    if (assigned.added) {
      const { uid, gid, mode } = mailbox.stat(KEYWORDS_FILE) ?? mailbox.statSelf();
      const mtimeS = nextKeywordsMtimeS(this.#ports.clock.nowMs(), mtimeMs);
      const options = { mode: mode & 0o666, owner: { uid, gid }, mtimeS, syncDir: true };
      lock.assertOurs();
      replaceDurably(mailbox, KEYWORDS_FILE, [formatKeywords(assigned.keywords)], {
        tempName: KEYWORDS_TEMP_FILE,
        ...options,
      });
    }
    return assigned.overflow;
  }

  #freshBase({ uid, base }: BaselineRecord): string {
    const { clock, hostname, names, order } = this.#ports;
    const [noted = ""] = /,S=\d+(?:,W=\d+)?$/.exec(base) ?? [];
    return names.name(this.#guid, uid, {
      ...order.next(clock.nowMs()),
      ...{ pid: process.pid, hostname, noted },
    });
  }

  /** "" for one that nobody has seen: it goes to new/. */
  #infoOf({ info, keywords }: BaselineRecord): string {
    if (info === "" && keywords.length === 0) return "";
    const parsed = parseMessageName(`x${info}`);
    const letters = keywords.reduce((bits, name) => bits | (this.#letterBitByName.get(name) ?? 0), 0);
    const state = { flags: parsed?.flags ?? 0, letters, odd: parsed?.odd ?? "", tail: parsed?.tail ?? "" };
    const whole = formatInfo(state);
    return whole.length < NAME_BYTES_MAX / 2 ? whole : formatInfo({ ...state, odd: "", tail: "" });
  }
}

/** By UID, what of that mailbox is back in this one, under which name. Throws: system errors. */
export function backIn(mailbox: Dir, guid: MailboxGuid, names: BackNames): Map<number, string> {
  const nameByUid = new Map<number, string>();
  for (const part of [NEW, CUR]) {
    const dir = mailbox.openDir(part);
    try {
      for (const name of dir?.list() ?? []) {
        const uid = names.uidIn(guid, name);
        if (uid !== undefined && dir?.stat(name)?.kind === "file") nameByUid.set(uid, name);
      }
    } finally {
      dir?.close();
    }
  }
  return nameByUid;
}

/** Dovecot makes them with the mailbox; one that lacks them gets them as its own. */
function needed(mailbox: Dir, part: typeof CUR | typeof NEW | typeof TMP): Dir {
  const { uid, gid, mode } = mailbox.statSelf();
  return directoryIn(mailbox, part, () => ({ uid, gid, mode }));
}
