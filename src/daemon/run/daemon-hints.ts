/**
 * What to do, for whoever reads the log or the status of a daemon. The hints of the catalogues (`errors.ts`) speak to a person in front
 * of a command: with its options, and "run the command again". A daemon has keys of its configuration, tries again by itself, and is
 * asked with commands of its own. Looked up by code, since an error may have come from a thread, or from another host.
 *
 * INVARIANT: no text here names an option of `mailtwin sync`.
 */
import { isOfLock } from "../../agent/conflict-rules.js";
import { recordOfError, reviveError } from "../../base/errors.js";
import type { Trouble } from "../control/status.js";

const AGAIN = "it goes on by itself then, nothing is half visible";
const NEW_STATE =
  "stop mailtwin on the host of that store, move stores/NAME in its state_dir away (NAME: of the store), and start it again";

/** By code; those of the catalogues whose own hint is right here too are left out. docs/errors.md has them. */
export const DAEMON_HINTS: Readonly<Record<string, string>> = {
  EDQUOT: `Raise the quota or free some space: ${AGAIN}.`,
  EMFILE: "Too many open files: raise the limit to some thousands (LimitNOFILE= in the unit), and restart the daemon.",
  ENOSPC: `Free some space on that file system: ${AGAIN}.`,
  EROFS: `The file system is mounted read-only: remount it; ${AGAIN}.`,
  "bodies-differ":
    "Nothing was written over. Look at both files, whose names are the same up to the colon: where the replica's is right, copy it over the source's, under the source's name (cp -p). Where the source's is right, also one that was edited on purpose: `mailtwin verify --deep --repair --trust-source`. It is looked at again by itself.",
  "config-wrong":
    "Mend what it names (`mailtwin config check` has all of it). A daemon that runs goes on with the configuration that it had, until `mailtwin reload`.",
  "deletions-held":
    "Nothing of it is deleted on a replica, all other changes go on. Was it meant? `mailtwin deletions list` shows what is held back, `mailtwin deletions approve` lets that go. If not, `mailtwin deletions reject` brings it back at the source from a replica, as new mail; or put it back yourself: what is there again is not deleted.",
  "destination-emptied": `Nothing was written. Mount or restore the store. To fill an empty one on purpose, ${NEW_STATE}.`,
  "destination-has-mail":
    'Nothing was changed. Is it the right store? To go on, set foreign in the [store.NAME.replica.NAME] at the source: "keep" (that mail stays, beside the source\'s) or "limbo" (it is moved aside and can be had back), and `mailtwin reload`.',
  "destination-in-use":
    "Stop the other mailtwin, or wait for its end: one store, with all that is in it, is the replica of one source, and has a scratch directory of its own. If there is no other one: fuser -v DIR and lslocks name who holds that directory; whoever may read a directory can lock it.",
  "destination-missing": `Mount the file system of the store, or correct its path; nothing was written there, and it goes on by itself then.`,
  "destination-read-only": `Remount that file system for writing: ${AGAIN}. No mail was touched.`,
  "destination-unusable":
    "Set path of the store to a directory, or a name in an existing directory, in which the daemon's user may write.",
  "link-closed": "Nothing is lost: it is tried again by itself, and goes on where it stopped.",
  "link-crowded":
    "It is tried again by itself. If it stays so, `mailtwin status` on the host that refuses says whose conversations they are.",
  "log-trimmed":
    "`mailtwin resync --store STORE --replica REPLICA` at the source compares both. Nothing that only the replica has is removed unasked.",
  "mailbox-guid-twice":
    "Find out which of the two is the copy; it need not be the one that is named first. In the copy remove dovecot-uidlist and dovecot.index* (its messages get new UIDs, so not in the original), then let Dovecot give it a GUID of its own: doveadm index -u USER MAILBOX, or any client that opens it. It is looked at again by itself; until Dovecot has been there, its uidlist counts as lost (uidlist-lost).",
  "mailbox-rejected":
    "Remove the cause that the message names: it is tried again by itself, and at once by `mailtwin rejects retry REPLICA`.",
  "maildirs-elsewhere":
    "Nothing was changed. Both paths must hold the same at the same places: correct path of one of the stores. If these two are meant, move the Maildirs of the replica yourself to where the source has them; it is tried again by itself.",
  "mount-missing":
    "Mount it: its mailboxes go on by themselves then, and until then are left as they are. Is it not to come back, or is what stands there now right? Then say so: `mailtwin deletions approve`. What is missing there is deleted on the replicas then, into the limbo.",
  "replica-emptied":
    "Nothing was written. On the replica's host, mount or restore the store (`mailtwin status` there names it). To fill an empty one on purpose, stop mailtwin there, move stores/NAME in its state_dir away (NAME: of the store), and start it again. It is tried again by itself, and at once by `mailtwin fetch-now REPLICA`.",
  "replica-lock-held":
    "See which process on the replica's host holds dovecot-uidlist.lock (its number is in the file). It is tried again by itself.",
  "scratch-missing":
    "Put back the directory that was there before, or remove what stands in its place; who may write in the directory above? It is tried again by itself.",
  "scratch-nowhere":
    "No scratch can help: mount that file system one level higher, or set path of the store to a directory below the mount point (and Dovecot's mail_location). Nothing was written.",
  "scratch-other-file-system":
    "Set scratch of the store to a directory on the same file system as its mail, outside of every mail root.",
  "scratch-unusable":
    "Set scratch of the store to a directory on its file system, outside every mail root: one that is not there yet, or that belongs to the daemon's user and is open to him alone (chmod 700), and no link. Else remove what stands in its place, or see who put it there.",
  "short-write": `Free some space or raise the quota or file size limit there: it goes on by itself then, nothing is half written.`,
  "source-emptied": `Nothing was removed from a replica. Mount or restore the source: it goes on by itself then. To replicate on purpose what is there now, ${NEW_STATE}: the replicas refuse it then, and say what is to be done there (replica-of-another).`,
  "source-unreadable": "The daemon's user must be able to read all of the source (root or the mail owner).",
  "state-busy":
    "Another mailtwin, or a shell of sqlite3, works on this state database: let it end. It is tried again by itself.",
  "state-corrupt":
    "Stop mailtwin, move that database (with its -wal and -shm files) aside, and start it again: the stores are compared, no mail is lost.",
  "state-disk-full": `Free some space on the file system of that file: ${AGAIN}.`,
  "state-foreign":
    "That file was not made by mailtwin and was not touched: move it away, or set another state_dir in the configuration.",
  "state-gone":
    "Nothing more is written to mail, and nothing is half visible. Put back what was there, as it was: a store goes on by itself then; the daemon, if it has ended, has to be started. If it is lost, (re)start the daemon: it begins anew, and what is there already is compared and not sent again (where replica-of-another follows, its hint says what to do). Stop mailtwin before its state is moved or removed.",
  "state-in-use":
    "Another daemon, or a `mailtwin sync`, works with this state directory: stop it (fuser -v FILE names it), or set another state_dir in the configuration.",
  "state-inside-store": "Set state_dir in the configuration to a directory outside of all stores.",
  "state-mixed": `Nothing was written. Put back the database that belongs there; or ${NEW_STATE}: the stores are compared as at first contact, and no mail is sent that is there already.`,
  "state-unusable":
    "state_dir must belong to the daemon's user, and nobody else may write in it (chmod go-w), nor in any directory above it; it lies outside of all stores.",
  "store-in-scratch":
    "Set path to a mail store: what lies in a scratch directory is moved and removed by mailtwin. Mail of the limbo is had back as docs/operations.md says.",
  "store-unreadable":
    "The daemon's user must be able to read all of the store (root or the mail owner); nothing is taken for deleted meanwhile.",
  "stores-differ": `Nothing was written. Put the former path of the store back. If another store is meant, give it another name in the configuration; if this one was restored elsewhere, ${NEW_STATE}.`,
  "stores-overlap": "Set path of the two stores to directories of which neither holds the other.",
  "stores-swapped":
    "Nothing was written. Another mailtwin keeps these two stores in the other direction, or in a ring: were source and replica exchanged by mistake? Stop one of the two; it goes on by itself then. To let them change roles on purpose: docs/operations.md, Changing roles.",
  "sync-killed":
    "Something ends mailtwin's child processes (a limit of memory or processes, a person): see the system's log. It is tried again by itself, nothing is half done.",
  "too-few-files": "Raise the limit to some thousands (LimitNOFILE= in the unit), and start the daemon again.",
  "worker-closed": "The store was being closed; it is tried again by itself.",
  "working-directory-gone":
    "Nothing was written. Start the daemon in a directory that exists (WorkingDirectory=/ in the unit).",
};

/** `hint`: of the catalogue, where it is right here too. */
export function hintInDaemon(code: string, hint: string): string {
  return Object.hasOwn(DAEMON_HINTS, code) ? (DAEMON_HINTS[code] ?? hint) : hint;
}

/** Of a store that was emptied, on its own host; what to do is that of destination-emptied. `stateDir`: of the store. */
export function hintOfEmptied({ path, stateDir }: { readonly path: string; readonly stateDir: string }): string {
  const again = "It is tried again by itself, and at once by `mailtwin fetch-now` on the host that dials.";
  return `Nothing was written. Mount or restore ${path}. To fill an empty one on purpose, stop mailtwin on this host, move ${stateDir} away, and start it again. ${again}`;
}

/** Of a replica that has had no link for too long, where nothing has failed. */
export function hintOfAbsent({ dialsIn }: { readonly dialsIn: boolean }): string {
  const away = "If it may be away, `mailtwin pause` it, or set its unreachable_alarm higher (`mailtwin reload`).";
  return dialsIn
    ? `Its own host dials this one: \`mailtwin status\` there says what keeps it; link-refused in the log here says who was not let in. ${away}`
    : `Is that host up, and the network between? ${away}`;
}

/** Of a peer that has more conversations under way than an honest one, on the host that it dials. */
export function hintOfCrowd(peer: string): string {
  return `No other peer is held up. A mailtwin says at once what it wants: find out on the host of ${JSON.stringify(peer)} what else there has its key. Should nobody know, take that peer out of the configuration here, and \`mailtwin reload\`.`;
}

/** The same error, with the hint for whoever runs the daemon. A defect stays what it is. */
export function inDaemon(error: unknown): unknown {
  const record = recordOfError(error);
  return record.disposition === "bug"
    ? error
    : reviveError({ ...record, hint: hintInDaemon(record.code, record.hint) });
}

/** By code: what is to be done on the host of the replica. */
const REJECTION_HINTS: Readonly<Record<string, string>> = {
  "foreign-mail": "move that mail elsewhere: the mailbox goes by itself then.",
  "mailbox-denied":
    "let mailtwin's user change what the message names: owner and mode (ls -ld, chown, chmod); for root an attribute (lsattr; chattr -i -a), or an export that squashes root.",
  "mailbox-occupied":
    "move the mailbox that stands there away, or rename it; or have its mail moved to the limbo there, by `mailtwin resync --clear-place --replica REPLICA -u USER --mailbox MAILBOX` on the source's host, once Dovecot has given it a dovecot-uidlist (doveadm index -u USER MAILBOX).",
  "path-refused": "remove what stands in its way; or rename that folder at the source.",
  "uidvalidity-differs":
    "has dovecot-uidlist been lost there, or put back from a backup? As it was before it is right again. Else accept the source's UIDVALIDITY on the source's host by `mailtwin verify --repair --accept-uidvalidity`: clients of the replica fetch that mailbox anew.",
  "uidlist-damaged":
    "restore dovecot-uidlist of that mailbox before Dovecot reads it, or remove the mailbox: it is filled anew then.",
};

/** What the agent writes into the rejection log so that it is not forgotten, and nobody has refused. */
const TO_COMPARE: ReadonlySet<string> = new Set(["resync-asked", "replica-away", "replica-changed", "mailbox-shared"]);

/** Whether a row of the rejection log is a mailbox that a replica refuses, and no wish to compare it. */
export function isRefused(code: string): boolean {
  return !TO_COMPARE.has(code);
}

/** After so long a lock is no matter of a moment: Dovecot itself takes one away, if it may, after two minutes. */
const LOCK_LASTS_MS = 180_000;

/** Whether a mailbox that is refused needs a person: a lock in other hands does only when it lasts. `lastedMs`: from the first refusal to the last. */
export function levelOfRefusal(code: string, lastedMs: number): Trouble["level"] {
  return isOfLock(code) && lastedMs < LOCK_LASTS_MS ? "healing" : "needs-you";
}

/** Of a mailbox that a replica refuses, at its source. */
export function hintOfRejection(code: string): string {
  const special = onReplica(code);
  const where = special === undefined ? "" : `On the replica's host, ${special} `;
  return `${where}It is tried again by itself, and compared; at once by \`mailtwin rejects retry REPLICA\`. \`mailtwin rejects list\` has all of them, with what stands in the way.`;
}

/** The same, on the host of that replica. */
export function hintOfRefused(code: string): string {
  const special = onReplica(code);
  const here = special === undefined ? "" : `${special.charAt(0).toUpperCase()}${special.slice(1)} `;
  return `${here}Its source tries again by itself; at once by \`mailtwin rejects retry REPLICA\` on the source's host.`;
}

function onReplica(code: string): string | undefined {
  return Object.hasOwn(REJECTION_HINTS, code) ? REJECTION_HINTS[code] : undefined;
}
