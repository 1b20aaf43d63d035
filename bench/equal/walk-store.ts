/**
 * Finds the mailboxes of a store and the other files that belong to it, whatever the layout: a directory with `cur/` is a
 * mailbox, and mailboxes may lie inside mailboxes (Maildir++ folders, `LAYOUT=fs`, many users). Links are not followed.
 */
import { readdirSync } from "node:fs";
import { nodePath } from "../../src/base/raw-name.js";

export interface StoreWalk {
  /** Paths relative to the store, "" for its root; sorted. */
  readonly mailboxes: readonly string[];
  /** Everything else that is no message, index or lock: relative paths, sorted. Directories end in "/". */
  readonly others: readonly string[];
}

const MESSAGE_PLACES = new Set(["cur", "new", "tmp"]);
/** Host-local or derived: never carried, so never compared. */
const HOST_LOCAL =
  /^(dovecot\.index|dovecot\.list\.index|dovecot\.mailbox\.log|dovecot-uidvalidity|maildirsize$|mailboxes\.lock)|\.svbin$|\.(lock|tmp)$/;
/** Compared as content by the mailbox comparer. */
const COMPARED_APART = new Set(["dovecot-uidlist", "dovecot-keywords"]);
/** Where Dovecot puts a folder while it deletes it. */
const TRASHED = "..DOVECOT-TRASHED";

/** Walks the store at `root` (bytes in a string). Throws system errors, `ENOENT` included. */
export function walkStore(root: string): StoreWalk {
  const mailboxes: string[] = [];
  const others: string[] = [];
  const visit = (path: string): void => {
    const entries = readdirSync(nodePath(path === "" ? root : `${root}/${path}`), {
      encoding: "latin1",
      withFileTypes: true,
    });
    const isMailbox = entries.some((entry) => entry.name === "cur" && entry.isDirectory());
    if (isMailbox) mailboxes.push(path);
    for (const entry of entries) {
      const below = path === "" ? entry.name : `${path}/${entry.name}`;
      if (entry.name === TRASHED || (isMailbox && MESSAGE_PLACES.has(entry.name))) continue;
      if (entry.isDirectory()) {
        const before = mailboxes.length;
        visit(below);
        if (mailboxes.length === before) others.push(`${below}/`);
      } else if (!HOST_LOCAL.test(entry.name) && !(isMailbox && COMPARED_APART.has(entry.name))) others.push(below);
    }
  };
  visit("");
  return { mailboxes: mailboxes.sort(), others: others.sort() };
}
