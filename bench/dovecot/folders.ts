/**
 * CREATE, RENAME and DELETE of Maildir++ folders as Dovecot does them: created in place, renamed one directory at a time,
 * deleted by expunging, an empty uidlist, a rename to `..DOVECOT-TRASHED` and removal there.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { errnoOf } from "../../src/base/errors.js";
import { nodePath } from "../../src/base/raw-name.js";
import { expungeMessage } from "./change.js";
import { listMessages } from "./list-messages.js";
import { underUidlistLock } from "./uidlist-lock.js";
import { compactUidlist } from "./uidlist-tail.js";

/** Creates `.name` in the Maildir with this GUID; the UIDVALIDITY comes from the Maildir's counter, which moves on. */
export function createFolder(maildir: string, name: string, guid: string): string {
  const path = `${maildir}/.${name}`;
  for (const part of ["", "/cur", "/new", "/tmp"]) mkdirSync(nodePath(path + part), { mode: 0o700 });
  writeFileSync(nodePath(`${path}/maildirfolder`), "", { mode: 0o600 });
  const uidValidity = takeUidValidity(maildir);
  const temporary = nodePath(`${path}/dovecot-uidlist.tmp`);
  writeFileSync(temporary, `3 V${uidValidity} N1 G${guid}\n`, { mode: 0o600 });
  renameSync(temporary, nodePath(`${path}/dovecot-uidlist`));
  return path;
}

/** Renames the folder and its children; returns the new path of the folder itself. */
export function renameFolder(maildir: string, from: string, to: string): string {
  for (const entry of readdirSync(nodePath(maildir), { encoding: "latin1" })) {
    if (entry !== `.${from}` && !entry.startsWith(`.${from}.`)) continue;
    renameSync(nodePath(`${maildir}/${entry}`), nodePath(`${maildir}/.${to}${entry.slice(from.length + 1)}`));
  }
  return `${maildir}/.${to}`;
}

export function deleteFolder(maildir: string, name: string): void {
  const path = `${maildir}/.${name}`;
  for (const message of listMessages(path)) expungeMessage(path, message);
  underUidlistLock(path, () => compactUidlist(path, () => false));
  const trashed = nodePath(`${maildir}/..DOVECOT-TRASHED`);
  renameSync(nodePath(path), trashed);
  rmSync(trashed, { recursive: true });
}

function takeUidValidity(maildir: string): number {
  const path = `${maildir}/dovecot-uidvalidity`;
  const before = readCounter(path);
  const next = (before + 1).toString(16).padStart(8, "0");
  const suffixed = `${path}.${before.toString(16).padStart(8, "0")}`;
  try {
    renameSync(nodePath(suffixed), nodePath(`${path}.${next}`));
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
    writeFileSync(nodePath(`${path}.${next}`), "", { mode: 0o444 });
  }
  writeFileSync(nodePath(path), next, { mode: 0o600 });
  return before;
}

/** What Dovecot starts from without a counter is the clock; a bench starts from a fixed date. */
function readCounter(path: string): number {
  try {
    return Number.parseInt(readFileSync(nodePath(path), "latin1"), 16);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return 1_700_000_000;
    throw error;
  }
}
