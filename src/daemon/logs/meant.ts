/**
 * Which entries of the log a user and a mailbox mean, as people name them: as `resync` and `explain` take the names (find-mailbox.ts), and
 * besides by a path's beginning, or its end, or the GUID, which may mean mailboxes of several users. Pure.
 *
 * A mailbox is known here by the name that it had when an entry was captured, and a rename by both names.
 */
import { displayRaw, type RawPath } from "../../base/raw-name.js";
import { folderPathsOf } from "../../maildir/imap-name.js";
import { findMailboxes, type MailboxWish } from "../control/find-mailbox.js";
import type { ReadEntry } from "./entry-reading.js";
import type { IsMeant } from "./tail.js";

interface Known {
  readonly guid: string;
  readonly path: RawPath;
}

/** `known`: the mailboxes that are there. Undefined where all are meant. */
export function entriesMeant(wish: MailboxWish, known: readonly Known[]): IsMeant | undefined {
  if (wish.user === undefined && wish.mailbox === undefined) return undefined;
  const isNamed = pathsMeant(wish, known);
  const isGuid = guidMeant(wish);
  return (entry) => isGuid(entry.mailbox) || pathsOf(entry).some(isNamed);
}

/** Whether there is a mailbox of that name now, whatever the log has of it. */
export function isMailboxThere(wish: MailboxWish, known: readonly Known[]): boolean {
  const [isNamed, isGuid] = [pathsMeant(wish, known), guidMeant(wish)];
  return known.some(({ guid, path }) => isGuid(guid) || isNamed(path));
}

/** A GUID says it all, so that a user beside it has to be hers: by the paths. */
function guidMeant({ user, mailbox }: MailboxWish): (guid: string) => boolean {
  const meant = user === undefined ? mailbox?.toLowerCase() : undefined;
  return (guid) => guid === meant;
}

function pathsMeant(wish: MailboxWish, known: readonly Known[]): (path: RawPath) => boolean {
  // Of the mailboxes that are there, only whether there is a root tells how names are read.
  const root = known.filter(({ path }) => path === "");
  const answers = new Map<RawPath, boolean>();
  return (path) => {
    const answer = answers.get(path) ?? isPathMeant(path, wish, root);
    answers.set(path, answer);
    return answer;
  };
}

function isPathMeant(path: RawPath, { user, mailbox }: MailboxWish, root: readonly Known[]): boolean {
  if (findMailboxes([...root, { path }], { user, mailbox }).some((found) => found.path === path)) return true;
  const shown = displayRaw(path);
  const isHers =
    user === undefined || `${shown}/`.startsWith(`${user}/`) || findMailboxes([{ path }], { user }).length > 0;
  return isHers && (mailbox === undefined || endsWith({ path, shown }, mailbox));
}

/** From a directory on. */
function endsWith({ path, shown }: { readonly path: RawPath; readonly shown: string }, mailbox: string): boolean {
  const folders = folderPathsOf(mailbox).filter((folder) => folder !== "");
  return `/${shown}`.endsWith(`/${mailbox}`) || folders.some((folder) => `/${path}`.endsWith(`/${folder}`));
}

/** None of one that cannot be read. */
function pathsOf(entry: ReadEntry): readonly RawPath[] {
  if ("problem" in entry) return [];
  const { path, structure } = entry.transaction;
  return structure?.kind === "rename" ? [path, structure.from] : [path];
}
