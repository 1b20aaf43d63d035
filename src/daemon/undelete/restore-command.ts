/**
 * `mailtwin undelete restore`: puts removed mail back as new mail, at the source, from where it is replicated like any other; or into a
 * Maildir that the operator names, where the source is on another host.
 */
import { mkdirSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../base/clock.js";
import type { Dir } from "../../base/disk.js";
import { openNodeDisk } from "../../base/disk-node.js";
import { EX, errnoOf, MailtwinError } from "../../base/errors.js";
import { openBelow } from "../../base/open-below.js";
import { displayRaw, isRawName, type RawName, rawFromText } from "../../base/raw-name.js";
import { whyItFailed } from "../../base/system-error.js";
import { openStateReader } from "../../log/state-reader.js";
import type { MailboxRow } from "../../log/state-types.js";
import { CUR, NEW, TMP } from "../../maildir/mailbox-files.js";
import { splitBaseName } from "../../maildir/message-name.js";
import { daemonError } from "../errors.js";
import type { Output } from "../output.js";
import { countOf } from "../words.js";
import { findLimbos, type LimboFlags, type LimboPlace } from "./find-limbos.js";
import { type PutBackFile, PutBackInto } from "./put-back.js";
import { type Removed, type RemovedWish, removedMail } from "./removed-mail.js";
import { openAtSource, openNamed, pathsFor, type Target } from "./restore-target.js";

export interface RestoreFlags extends LimboFlags, RemovedWish {
  readonly uid?: readonly string[];
  readonly name?: readonly string[];
  readonly all?: boolean;
  readonly to?: string;
  readonly dryRun?: boolean;
}

/** What became of one message; a line of `--json`. */
export interface RestoreReport {
  readonly event: "restored" | "would-restore" | "already-restored" | "not-restored";
  readonly from: string;
  readonly path: string;
  readonly uid: number;
  readonly to?: string;
  readonly file?: string;
  readonly words?: string;
}

/** Returns the exit code: 1 where not all of it could be put back. */
export function restoreRemoved(
  source: string | undefined,
  destination: string | undefined,
  flags: RestoreFlags,
  output: Output,
): number {
  refuseVague(flags);
  const [place, ...others] = findLimbos(source, destination, flags);
  if (place === undefined || others.length > 0)
    throw usage("there are limbos of several stores: say which one with --store");
  if (place.source === undefined && flags.to === undefined)
    throw usage("the source of that store is on another host: --to DIR names a Maildir here that the mail is put into");
  using reader = openStateReader(place.database);
  const meant = chosen(removedMail(reader, flags, systemClock.nowMs()), flags);
  if (meant.length === 0)
    throw daemonError("not-in-limbo", "choosing what to restore: nothing of that is in the limbo");
  const reports: RestoreReport[] = [];
  const tell = (report: RestoreReport): void => {
    reports.push(report);
    if (flags.json === true) output.out(`${JSON.stringify(report)}\n`);
    else if (report.event === "not-restored") output.err(`${wordsOf(report)}\n`);
    else output.out(`${wordsOf(report)}\n`);
  };
  new Restoring(place, flags, tell).run(meant);
  const failed = reports.filter(({ event }) => event === "not-restored").length;
  if (flags.json !== true) output.out(`${summaryOf(reports, failed)}\n`);
  return failed === 0 ? EX.OK : EX.PARTIAL;
}

class Restoring {
  readonly #place: LimboPlace;
  readonly #flags: RestoreFlags;
  readonly #tell: (report: RestoreReport) => void;
  readonly #known: readonly MailboxRow[];
  /** One for each mailbox, as what is back in it is read once. */
  readonly #intoByPaths = new Map<string, { readonly target: Target; readonly into: PutBackInto } | undefined>();

  constructor(place: LimboPlace, flags: RestoreFlags, tell: (report: RestoreReport) => void) {
    this.#place = place;
    this.#flags = flags;
    this.#tell = tell;
    this.#known = mailboxesOf(place);
  }

  run(meant: readonly Removed[]): void {
    const { to, dryRun } = this.#flags;
    if (to !== undefined && dryRun !== true) makeMaildir(to);
    const limbo = openNodeDisk().openRoot(rawFromText(this.#place.limbo));
    try {
      for (const removed of meant) this.#trying(removed, () => this.#restore(limbo, removed));
    } finally {
      limbo?.close();
      for (const it of this.#intoByPaths.values()) it?.target.mailbox.close();
    }
  }

  #restore(limbo: Dir | undefined, removed: Removed): RestoreReport | undefined {
    const found = this.#intoFor(removed);
    if (found === "later") return this.#say(removed, { event: "would-restore", to: this.#flags.to ?? "" });
    if (found === undefined) {
      const words = "neither its mailbox nor its user's INBOX is there at the source (--to DIR puts it elsewhere)";
      return this.#say(removed, { event: "not-restored", words });
    }
    const { row, isMailbox } = removed;
    const [day = "", entry = ""] = row.name.split("/");
    const dir = isRawName(day) ? limbo?.openDir(day) : undefined;
    try {
      if (dir === undefined || !isRawName(entry) || dir.stat(entry) === undefined)
        return this.#say(removed, { event: "not-restored", words: "its file is gone from the limbo" });
      if (!isMailbox) return this.#put(removed, { dir, name: entry, from: row.name, base: row.base }, found);
      for (const part of [CUR, NEW]) this.#restorePart(dir, removed, [entry, part], found);
      return undefined;
    } finally {
      dir?.close();
    }
  }

  #restorePart(day: Dir, removed: Removed, names: readonly [RawName, RawName], found: Into): void {
    const dir = openBelow(day, names);
    try {
      for (const name of (dir?.list() ?? []).sort()) {
        if (dir === undefined || name.startsWith(".")) continue;
        const base = splitBaseName(name);
        const file = { dir, name, from: `${removed.row.name}/${base}`, base };
        this.#trying(removed, () => this.#put(removed, file, found));
      }
    } finally {
      dir?.close();
    }
  }

  #put(removed: Removed, file: PutBackFile, { target, into }: Into): RestoreReport {
    const to = { from: displayRaw(file.from), to: target.shown };
    const instead = target.instead === undefined ? {} : { words: target.instead };
    if (this.#flags.dryRun === true) {
      const standing = into.find(file);
      if (standing === undefined) return this.#say(removed, { event: "would-restore", ...to, ...instead });
      return this.#say(removed, { event: "already-restored", ...to, file: displayRaw(standing) });
    }
    const done = into.put(file);
    if (done.kind === "gone")
      return this.#say(removed, { event: "not-restored", ...to, words: "its file is gone from the limbo" });
    const shownName = displayRaw(done.name);
    if (done.kind === "already") return this.#say(removed, { event: "already-restored", ...to, file: shownName });
    return this.#say(removed, { event: "restored", ...to, file: shownName, ...instead });
  }

  /** "later": the Maildir would be made. */
  #intoFor(removed: Removed): Into | "later" | undefined {
    const { to, dryRun } = this.#flags;
    const paths = to === undefined ? pathsFor(removed, this.#known) : [];
    const key = paths.join("\0");
    if (this.#intoByPaths.has(key)) return this.#intoByPaths.get(key);
    if (to !== undefined && dryRun === true && !isMaildir(to)) return "later";
    const target = to === undefined ? openAtSource(this.#place.source?.store ?? "", paths) : openNamed(to);
    const ports = { clock: systemClock, hostname: hostname() };
    const found = target === undefined ? undefined : { target, into: new PutBackInto(target.mailbox, ports) };
    this.#intoByPaths.set(key, found);
    return found;
  }

  /** What the system refuses of one message keeps no other one. */
  #trying(removed: Removed, work: () => RestoreReport | undefined): void {
    try {
      work();
    } catch (error) {
      if (errnoOf(error) === undefined && !(error instanceof MailtwinError)) throw error;
      this.#say(removed, { event: "not-restored", words: whyItFailed(error) });
    }
  }

  #say({ row }: Removed, rest: Pick<RestoreReport, "event"> & Partial<RestoreReport>): RestoreReport {
    const report = { from: displayRaw(row.name), path: displayRaw(row.path), uid: row.uid, ...rest };
    this.#tell(report);
    return report;
  }
}

interface Into {
  readonly target: Target;
  readonly into: PutBackInto;
}

/** What everybody's removed mail would be meant by is not done by mistake. Throws: usage. */
function refuseVague({ uid, name, all, user, mailbox, to }: RestoreFlags): void {
  const ways = [uid, name, all].filter((way) => way !== undefined);
  if (ways.length !== 1) throw usage("say what to restore with one of --uid, --name and --all");
  if (uid !== undefined && mailbox === undefined) throw usage("--uid needs --mailbox: each mailbox has its own UIDs");
  if (all === true && user === undefined && mailbox === undefined) throw usage("--all needs --mailbox, or -u USER");
  if (to === "") throw usage('--to is empty ("")');
  for (const each of uid ?? [])
    if (!/^[1-9]\d{0,9}$/.test(each)) throw usage(`--uid ${JSON.stringify(each)} is no UID`);
}

/** What has come back as a message already is meant by its name alone. */
function chosen(found: readonly Removed[], { uid, name }: RestoreFlags): readonly Removed[] {
  if (name !== undefined) {
    const byName = new Map(found.map((it) => [displayRaw(it.row.name), it]));
    const missing = name.find((each) => !byName.has(each));
    if (missing !== undefined)
      throw daemonError(
        "not-in-limbo",
        `choosing what to restore: ${displayRaw(rawFromText(missing))} is not in the limbo`,
      );
    return name.flatMap((each) => byName.get(each) ?? []);
  }
  const uids = uid === undefined ? undefined : new Set(uid.map(Number));
  return found.filter(({ row }) => row.cause !== "copy" && (uids === undefined || uids.has(row.uid)));
}

/** By the log of the source; what it does not know yet is found by its path. */
function mailboxesOf({ source, database }: LimboPlace): readonly MailboxRow[] {
  using reader = openStateReader(source?.database ?? database);
  return reader.mailboxes();
}

function isMaildir(path: string): boolean {
  const dir = openNodeDisk().openRoot(rawFromText(path));
  try {
    return dir?.stat(CUR) !== undefined;
  } finally {
    dir?.close();
  }
}

/** Throws: destination-unusable. */
function makeMaildir(path: string): void {
  try {
    for (const part of [CUR, NEW, TMP]) mkdirSync(join(path, part), { recursive: true, mode: 0o700 });
  } catch (error) {
    const what = `making the Maildir ${displayRaw(rawFromText(path))}`;
    throw daemonError("destination-unusable", `${what}: ${whyItFailed(error)}`, error);
  }
}

function wordsOf({ event, from, path, uid, to, words }: RestoreReport): string {
  const what = `${uid === 0 ? "mail" : `UID ${uid}`} of ${path === "" ? "INBOX" : path} (${from})`;
  const why = words === undefined ? "" : `: ${words}`;
  if (event === "not-restored") return `not restored: ${what}${why}`;
  if (event === "already-restored") return `is back already: ${what}, in ${to}`;
  return `${event === "restored" ? "restored" : "would restore"}: ${what} into ${to}${why}`;
}

function summaryOf(reports: readonly RestoreReport[], failed: number): string {
  const count = (event: RestoreReport["event"]) => reports.filter((report) => report.event === event).length;
  const would = count("would-restore");
  if (would > 0) return `would restore ${countOf(would, "message")} as new mail`;
  const rest = failed === 0 ? "" : `, and ${countOf(failed, "message")} could not be`;
  return `restored ${countOf(count("restored"), "message")} as new mail${rest}; what is in the limbo stays there until its time is up`;
}

function usage(words: string): Error {
  return daemonError("usage", `reading the command line: ${words}`);
}
