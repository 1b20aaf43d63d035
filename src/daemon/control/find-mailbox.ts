/**
 * Which mailboxes of a store are meant by a user and a mailbox as people name them: by the mailbox's path in the store, or as clients
 * name it. Where a user's Maildir lies is the site's choice, so the usual places are tried, the likeliest first. Pure.
 *
 * INVARIANT: what is found was written out by a rule of this file; nothing is matched by a part of its name.
 */
import { displayRaw, type RawPath, rawFromText } from "../../base/raw-name.js";
import { folderPathsOf } from "../../maildir/imap-name.js";
import { closest } from "../config/closest.js";
import { directoriesAbove } from "../config/path.js";
import { controlError } from "../control-errors.js";
import { mailboxName } from "../words.js";

interface Placed {
  readonly path: RawPath;
}

export interface MailboxWish {
  /** "alice", "alice@example.org", or the path of her directory in the store. */
  readonly user?: string | undefined;
  /** "INBOX", "Work/Projects", ".Work.Projects", or the path in the store. */
  readonly mailbox?: string | undefined;
}

/** mail_location may name a directory below the user's home. */
const BELOW_HOME = ["", "/Maildir", "/maildir", "/mail", "/Mail"];

/** The mailboxes that are meant; all of the store where nothing is said. Empty when there is none. */
export function findMailboxes<Row extends Placed>(
  rows: readonly Row[],
  { user, mailbox }: MailboxWish,
): readonly Row[] {
  if (mailbox === undefined) return user === undefined ? rows : allOf(rows, user);
  const byPath = new Map<string, Row>(rows.map((row) => [row.path, row]));
  const exact =
    byPath.get(rawFromText(mailbox)) ?? rows.find(({ path }) => path !== "" && displayRaw(path) === mailbox);
  const isHers = (row: Row): boolean => user === undefined || directoriesOf(user).some((dir) => isBelow(row.path, dir));
  if (exact !== undefined && isHers(exact)) return [exact];
  for (const root of user === undefined ? [""] : rootsOf(user, byPath.has(""))) {
    for (const folder of folderPathsOf(mailbox)) {
      const found = byPath.get(join(root, folder));
      if (found !== undefined) return [found];
    }
  }
  return [];
}

/** All of one user's. */
function allOf<Row extends Placed>(rows: readonly Row[], user: string): readonly Row[] {
  for (const directory of directoriesOf(user)) {
    const found = rows.filter(({ path }) => isBelow(path, directory));
    if (found.length > 0) return found;
  }
  return [];
}

/** `isOneUsers`: the store is one Maildir, so whoever is named is its user. */
function rootsOf(user: string, isOneUsers: boolean): readonly string[] {
  const roots = directoriesOf(user).flatMap((directory) => BELOW_HOME.map((home) => `${directory}${home}`));
  return isOneUsers ? [...roots, ""] : roots;
}

/** %u, %d/%n, %n of Dovecot. */
function directoriesOf(user: string): readonly string[] {
  const raw = rawFromText(user.replace(/(?<=.)\/+$/, ""));
  const [, local, domain] = /^([^@/]+)@([^@/]+)$/.exec(raw) ?? [];
  return local === undefined ? [raw] : [raw, `${domain}/${local}`, local];
}

function isBelow(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory}/`);
}

function join(root: string, folder: string): string {
  if (root === "" || folder === "") return `${root}${folder}`;
  return `${root}/${folder}`;
}

/**
 * What a command ends with that means no mailbox of any of these stores. `former`: what became of it, where the log tells. `unasked`: where
 * else it may be, to be added to the words.
 */
export function noSuchMailbox(
  rows: readonly Placed[],
  { user, mailbox }: MailboxWish,
  { former, unasked = "" }: { readonly former?: string | undefined; readonly unasked?: string } = {},
) {
  const holders = holdersOf(rows, { user, mailbox });
  if (holders.length > 0)
    return controlError(
      "target-unknown",
      `looking for mailbox ${quote(mailbox ?? "")}: no -u USER says whose it is; ${wordsOfHolders(holders)} one`,
    );
  if (former !== undefined)
    return controlError("target-unknown", `looking for ${quoteWish({ user, mailbox })}: ${former}${unasked}`);
  const hers = user === undefined ? rows : allOf(rows, user);
  const isUserKnown = user === undefined || hers.length > 0;
  const meant = isUserKnown ? (mailbox ?? "") : user;
  const known = isUserKnown ? hers.map(({ path }) => shownBelow(path, user)) : topDirectories(rows);
  const near = closest(meant, known);
  const what = isUserKnown ? quoteWish({ user, mailbox: meant }) : `user ${quote(user)}`;
  const advice = near === undefined ? "" : ` (did you mean ${quote(near)}?)`;
  return controlError("target-unknown", `looking for ${what}: the log knows none of that name${advice}${unasked}`);
}

function quoteWish({ user, mailbox = "" }: MailboxWish): string {
  return `mailbox ${quote(mailbox)}${user === undefined ? "" : ` of ${quote(user)}`}`;
}

/** Whether users have a mailbox of that name, and nobody was named. */
export function isUserMissing(rows: readonly Placed[], wish: MailboxWish): boolean {
  return holdersOf(rows, wish).length > 0;
}

const HOLDERS_NAMED = 3;

function wordsOfHolders(holders: readonly string[]): string {
  const named = holders.slice(0, HOLDERS_NAMED).map(quote).join(", ");
  const more = holders.length > HOLDERS_NAMED ? ` and ${holders.length - HOLDERS_NAMED} more` : "";
  return `${named}${more} ${holders.length === 1 ? "has" : "have"}`;
}

/** The users that have a mailbox of that name, each as `user` of a wish could name her. None where one is named, or the store is one user's. */
function holdersOf(rows: readonly Placed[], { user, mailbox }: MailboxWish): readonly string[] {
  if (user !== undefined || mailbox === undefined) return [];
  const known = new Set<string>(rows.map(({ path }) => path));
  if (known.has("")) return [];
  const isOutermost = (path: string): boolean => !directoriesAbove(path).some((above) => known.has(above));
  const roots = folderPathsOf(mailbox).flatMap((folder) => {
    const end = folder === "" ? "" : `/${folder}`;
    const withIt = rows.flatMap(({ path }) => (path.endsWith(end) ? [path.slice(0, path.length - end.length)] : []));
    return withIt.filter((root) => isOutermost(root) && !/(?:^|\/)\.[^/]*$/.test(root)); // else a folder itself.
  });
  return [...new Set(roots.map(userOf))];
}

/** Of a Maildir, without what mail_location adds to her home. */
export function userOf(root: string): string {
  const below = BELOW_HOME.find((home) => home !== "" && root.length > home.length && root.endsWith(home)) ?? "";
  return displayRaw(root.slice(0, root.length - below.length));
}

/** As `mailbox` of a wish could name it. */
function shownBelow(path: RawPath, user: string | undefined): string {
  const directory = user === undefined ? undefined : directoriesOf(user).find((each) => path.startsWith(`${each}/`));
  if (directory === undefined) return mailboxName(path);
  const below = path.slice(directory.length + 1);
  return displayRaw(below.startsWith(".") ? below.slice(1).replaceAll(".", "/") : below);
}

function topDirectories(rows: readonly Placed[]): string[] {
  return [...new Set(rows.map(({ path }) => displayRaw(path.split("/", 1)[0] ?? "")))];
}

/** What people wrote, for a message. */
export function quote(text: string): string {
  return `"${displayRaw(rawFromText(text.slice(0, 200)))}"`;
}
