/**
 * Whether mail in a mailbox without a dovecot-uidlist may get its UIDs from us.
 *
 * There is none for one of three reasons. No Dovecot has looked at the mailbox yet: UIDs from 1 are what it will give. Or it
 * keeps its control files elsewhere (CONTROL=), and has given UIDs that we cannot see. Or the file was lost: then it numbers
 * anew from its index's next UID, under the index's UIDVALIDITY. Only the first is ours to do, so what else stands in the
 * mailbox, and in those beside it, has to say that it is the first.
 *
 * INVARIANT: nothing that any Dovecot, or anybody who reads mail, has left behind stands in a mailbox whose uidlist we begin.
 */
import type { Dir } from "../base/disk.js";
import type { MailtwinError } from "../base/errors.js";
import { displayRaw, joinRaw, lastRaw, parentRaw, type RawPath, ROOT_PATH, splitRaw } from "../base/raw-name.js";
import { openMessageWalk } from "../maildir/listing.js";
import { KEYWORDS_FILE } from "../maildir/mailbox-files.js";
import { splitBaseName } from "../maildir/message-name.js";
import type { DiscoverOutcome, FoundMailbox } from "./capture-types.js";
import { captureError, shownPath } from "./errors.js";

/** Dovecot makes one of them when it opens a mailbox, or delivers to it, unless INDEX= leads elsewhere too. */
const FILES_OF_DOVECOT = ["dovecot.index.log", "dovecot.index", "dovecot.index.cache", KEYWORDS_FILE];
/** Only Dovecot writes a virtual size into a name, and it records each mail that it delivers. */
const VIRTUAL_SIZE = /,W=\d+(?:,|$)/;
/** What the INBOX is called in a control directory, in Maildir++ and with LAYOUT=fs. */
const INBOX_NAMES: readonly string[] = [".INBOX", "INBOX"];

/**
 * What shows that the mailbox was in use before, in words that follow "there is"; undefined where only deliveries by other
 * programs have been. Throws as a listing does.
 */
export function findTrace(mailbox: Dir): string | undefined {
  const file = FILES_OF_DOVECOT.find((name) => mailbox.stat(name) !== undefined);
  if (file !== undefined) return file;
  let trace: string | undefined;
  using walk = openMessageWalk(mailbox);
  const visit = (name: string, dir: "cur" | "new"): void => {
    if (dir === "cur") trace ??= "mail in cur/";
    else if (VIRTUAL_SIZE.test(splitBaseName(name))) trace ??= `mail that Dovecot delivered (new/${displayRaw(name)})`;
  };
  while (trace === undefined && walk.step(visit));
  return trace;
}

/**
 * Which of the directories that have a dovecot-uidlist, and nothing of a mailbox besides, are parts of a control directory: those
 * that are called as the INBOX is there, their neighbours, and namesakes of mailboxes that have no uidlist.
 */
export function findControls(bodiless: readonly RawPath[], mailboxes: readonly FoundMailbox[]): ReadonlySet<RawPath> {
  const tops = new Set(bodiless.filter((path) => INBOX_NAMES.includes(lastRaw(path) ?? "")).map(parentRaw));
  const bare = new Set(mailboxes.filter(({ bare }) => bare !== undefined).map(({ path }) => lastRaw(path)));
  const isBelowTop = (path: RawPath): boolean => ancestorsOf(parentRaw(path)).some((above) => tops.has(above));
  return new Set(bodiless.filter((path) => isBelowTop(path) || bare.has(lastRaw(path))));
}

/** What the mailboxes of one Maildir, or of all, say of where Dovecot keeps their uidlists. */
interface Custom {
  /** Some mailbox has its uidlist in it. */
  kept: boolean;
  /** One that was in use and has none. */
  used: { readonly path: RawPath; readonly trace: string } | undefined;
}

/** All that a look at the store has shown. */
export class StoreEvidence {
  readonly #store: Custom = { kept: false, used: undefined };
  /** By the outermost mailbox: a Maildir, with its folders. */
  readonly #byHome = new Map<RawPath, Custom>();
  /** A directory, and a control directory that stands in it. */
  readonly #controlIn = new Map<RawPath, RawPath>();

  /** `mailboxes`: parents first. `controls`: parts of control directories. */
  constructor(mailboxes: readonly FoundMailbox[], controls: Iterable<RawPath>) {
    let home: RawPath | undefined;
    for (const mailbox of mailboxes) {
      if (home === undefined || !isAtOrBelow(mailbox.path, home)) home = mailbox.path;
      const custom = this.#byHome.get(home) ?? { kept: false, used: undefined };
      this.#byHome.set(home, custom);
      for (const each of [custom, this.#store]) note(each, mailbox);
    }
    for (const path of controls) {
      const top = parentRaw(path);
      for (const above of ancestorsOf(top)) if (!this.#controlIn.has(above)) this.#controlIn.set(above, top);
    }
  }

  /** Why mail of that mailbox, which has no uidlist, gets no UIDs from us; undefined: it may. `trace`: as `findTrace` says. */
  refusal(path: RawPath, trace: string | undefined): MailtwinError | undefined {
    const what = `reading ${shownPath(path)}: it has mail, but no dovecot-uidlist`;
    const above = ancestorsOf(path);
    const home = above.find((each) => this.#byHome.has(each)) ?? path;
    const { kept = false, used } = this.#byHome.get(home) ?? {};
    const control = kept ? undefined : this.#controlNear(above, home);
    if (control !== undefined) {
      const where = control === ROOT_PATH ? "in the store's root" : `in ${displayRaw(control)}`;
      return captureError("uidlist-elsewhere", `${what}; there are such files without mail ${where}`);
    }
    if (trace !== undefined)
      return captureError("uidlist-missing", `${what}, though it was in use before: there is ${trace}`);
    const other = used ?? (this.#store.kept ? undefined : this.#store.used);
    if (kept || other === undefined) return undefined;
    const neither = `${what}, and neither has ${shownPath(other.path)}, which was in use before`;
    return captureError("uidlist-missing", `${neither}: there is ${other.trace}`);
  }

  /** Where others have their uidlists in place, one that stands in another user's home says nothing of this one. */
  #controlNear(above: readonly RawPath[], home: RawPath): RawPath | undefined {
    const holder = above.findLast((each) => this.#controlIn.has(each));
    if (holder === undefined) return undefined;
    const isNear = isAtOrBelow(holder, home) || holder === parentRaw(home);
    return isNear || !this.#store.kept ? this.#controlIn.get(holder) : undefined;
  }
}

export function evidenceIn({ mailboxes, problems }: DiscoverOutcome): StoreEvidence {
  const controls = problems.filter(({ code }) => code === "uidlist-elsewhere").map(({ path }) => path);
  return new StoreEvidence(mailboxes, controls);
}

function note(custom: Custom, { path, bare }: FoundMailbox): void {
  if (bare === undefined) custom.kept = true;
  else if (bare.trace !== undefined) custom.used ??= { path, trace: bare.trace };
}

/** The root first, the path itself last. */
function ancestorsOf(path: RawPath): readonly RawPath[] {
  let above = ROOT_PATH;
  return [ROOT_PATH, ...splitRaw(path).map((name) => (above = joinRaw(above, name)))];
}

function isAtOrBelow(path: RawPath, top: RawPath): boolean {
  return top === ROOT_PATH || path === top || path.startsWith(`${top}/`);
}
