/**
 * Giving one name another INTERNALDATE. A copy that Dovecot makes (COPY) is a hard link, with the date of the original, and
 * so is ours; but a date belongs to the file and not to the name. So a file with several names is copied first: the others
 * belong to other messages, or to the limbo.
 *
 * INVARIANT: the name never lacks a file; it is the old one or the new one. Until `forget` the old one can be put back.
 */
import type { Dir } from "../base/disk.js";
import { makeSystemError } from "../base/system-error.js";
import { stagedName } from "./pending.js";
import { copyBody } from "./stage.js";
import type { UndoLog } from "./undo-log.js";

/** No transaction has it; `recover` clears what is left of that name like anything that was staged. */
const OWN_KEY = 0;

export class TimeSetter {
  readonly #undo: UndoLog;
  readonly #kept: { readonly tmp: Dir; readonly name: string }[] = [];
  #used = 0;

  constructor(undo: UndoLog) {
    this.#undo = undo;
  }

  /** `tmp` is asked for only when the file has other names. Throws system errors (ENOENT: it is not there). */
  set({ dir, name }: { readonly dir: Dir; readonly name: string }, mtimeS: number, tmp: () => Dir): void {
    const stat = dir.stat(name);
    if (stat !== undefined && stat.nlink > 1) this.#replace({ dir, name }, { ...stat, mtimeS }, tmp());
    else {
      if (stat !== undefined) this.#undo.push(() => dir.setMtime(name, Math.floor(stat.mtimeMs / 1000)));
      dir.setMtime(name, mtimeS);
    }
  }

  /** What was done stays done. */
  forget(): void {
    for (const { tmp, name } of this.#kept.splice(0)) tmp.unlink(name);
  }

  #replace(
    from: { readonly dir: Dir; readonly name: string },
    {
      size,
      mode,
      uid,
      gid,
      mtimeS,
    }: {
      readonly size: number;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
      readonly mtimeS: number;
    },
    tmp: Dir,
  ): void {
    const [copy, old] = [this.#freeName(tmp), this.#freeName(tmp)];
    const { dir, name } = from;
    for (const own of [copy, old]) this.#undo.push(() => tmp.unlink(own));
    if (copyBody(from, { tmp, name: copy, size }, { mode, owner: { uid, gid }, mtimeS }) === undefined) {
      throw makeSystemError("ENOENT", { doing: "copying a message at", path: `${dir.shownPath}/${name}` });
    }
    tmp.syncFile(copy);
    dir.link(name, tmp, old);
    this.#undo.pushRename(tmp, old, dir, name);
    this.#kept.push({ tmp, name: old });
    tmp.rename(copy, dir, name);
  }

  #freeName(tmp: Dir): string {
    const name = stagedName(OWN_KEY, this.#used++);
    tmp.unlink(name);
    return name;
  }
}
