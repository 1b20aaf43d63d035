/**
 * Which mailboxes the store has, who they are, and whether they changed: a few calls for each, none for a message.
 */
import type { Dir } from "../base/disk.js";
import { errnoOf, recordOfError } from "../base/errors.js";
import { nearestRawPath, type RawPath } from "../base/raw-name.js";
import { type DiscoverProblem, discoverMailboxes } from "../maildir/discover.js";
import { maildirHint } from "../maildir/errors.js";
import type { MailboxGuid } from "../maildir/ids.js";
import { UIDLIST_FILE } from "../maildir/mailbox-files.js";
import { readUidlistHeader } from "../maildir/uidlist-ends.js";
import { isOneUsers } from "../maildir/whose-tree.js";
import type { CaptureProblem, DiscoverOutcome, FoundMailbox } from "./capture-types.js";
import { problemOf, problemOfControl } from "./errors.js";
import { readFingerprintText } from "./fingerprint-text.js";
import {
  openStoreDir,
  openStoreRoot,
  refuseUnreadableStore,
  refuseWithoutSentinel,
  type StorePlace,
} from "./open-mailbox.js";
import { findControls, findTrace } from "./whose-numbers.js";

/** Throws: store-missing, store-unreadable. */
export function discoverStore(
  place: StorePlace,
  nowMs: () => number,
): Required<Pick<DiscoverOutcome, "mailboxes" | "problems" | "directories">> {
  refuseUnreadableStore(place); // a store that is not there is no empty store.
  const discovery = discoverMailboxes(place.storeRoot);
  const problems: CaptureProblem[] = [];
  const mailboxes: FoundMailbox[] = [];
  for (const { path } of discovery.mailboxes) {
    try {
      const found = describeMailbox(place, path, nowMs);
      if (found !== undefined) mailboxes.push(found);
    } catch (error) {
      problems.push(problemOf(path, error));
    }
  }
  refuseWithoutSentinel(place);
  openStoreRoot(place).close(); // nor is one that went away, or became another, while it was walked.
  const told = discovery.problems.map(explain);
  const { directories } = discovery;
  return { mailboxes, directories, problems: [...tellControls(place, told, mailboxes), ...problems] };
}

/** Half a mailbox that is part of a control directory is called that. It stays a problem: nobody's mail is taken for deleted. */
function tellControls(
  place: StorePlace,
  problems: readonly CaptureProblem[],
  mailboxes: readonly FoundMailbox[],
): readonly CaptureProblem[] {
  const broken = problems.filter(({ code }) => code === "mailbox-without-cur").map(({ path }) => path);
  const controls = findControls(
    broken.filter((path) => isBodiless(place, path)),
    mailboxes,
  );
  return problems.map((problem) => (controls.has(problem.path) ? problemOfControl(problem.path) : problem));
}

/** Nothing of a mailbox but its control files. */
function isBodiless(place: StorePlace, path: RawPath): boolean {
  let dir: Dir | undefined;
  try {
    dir = openStoreDir(place, path);
    return dir !== undefined && ["cur", "new", "tmp"].every((name) => dir?.stat(name) === undefined);
  } catch (error) {
    problemOf(path, error); // it became something else meanwhile; a defect is thrown on.
    return false;
  } finally {
    dir?.close();
  }
}

function describeMailbox(place: StorePlace, path: RawPath, nowMs: () => number): FoundMailbox | undefined {
  const mailbox = openStoreDir(place, path);
  if (mailbox === undefined) return undefined;
  try {
    const fingerprint = readFingerprintText(mailbox, nowMs);
    const header = readUidlistHeader(mailbox);
    const found = { path, guid: header?.guid, uidValidity: header?.uidValidity, fingerprint };
    const hasUidlist = header !== undefined || mailbox.stat(UIDLIST_FILE) !== undefined;
    return hasUidlist ? found : { ...found, bare: { trace: traceIn(mailbox, path) } };
  } finally {
    mailbox.close();
  }
}

function traceIn(mailbox: Dir, path: RawPath): string | undefined {
  try {
    return findTrace(mailbox);
  } catch (error) {
    problemOf(path, error); // whoever examines the mailbox hears of it, but for a defect.
    return undefined;
  }
}

/** Who stands at that path now. */
export function guidAt(place: StorePlace, path: RawPath): MailboxGuid | undefined {
  const mailbox = openStoreDir(place, path);
  if (mailbox === undefined) return undefined;
  try {
    return mailbox.stat("cur")?.kind === "directory" ? readUidlistHeader(mailbox)?.guid : undefined;
  } finally {
    mailbox.close();
  }
}

/** As `guidAt`; nobody where something else stands in the way. Throws: what concerns more than that path. */
export function guidIfAny(place: StorePlace, path: RawPath): MailboxGuid | undefined {
  try {
    return guidAt(place, path);
  } catch (error) {
    if (!["ENOTDIR", "ELOOP"].includes(errnoOf(error) ?? "")) throw error;
    return undefined;
  }
}

export function isTreeOfUsers(place: StorePlace): boolean {
  const root = openStoreRoot(place);
  try {
    return !isOneUsers(root);
  } finally {
    root.close();
  }
}

/** What is too deep to be named is a problem of a directory above it, and so of nobody else. */
function explain({ path, code, message }: DiscoverProblem): CaptureProblem {
  const hint = HINTS[code] ?? recordOfError(Object.assign(new Error(message), { code })).hint;
  return { path: nearestRawPath(path), code, message, hint };
}

const HINTS: Readonly<Record<string, string>> = {
  "mailbox-is-link": "Links inside a store are never followed: name the link's target as a store of its own.",
  "mailbox-without-cur": maildirHint("mailbox-without-cur"),
  "mailbox-too-deep": maildirHint("mailbox-too-deep"),
  "mailbox-name-invalid":
    "Rename that folder: names with line breaks, and those of Dovecot's own files, cannot be replicated.",
};
