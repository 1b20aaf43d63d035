/**
 * Puts removed mail back as new mail, message by message: what is meant by a command line, into which mailbox each comes, and what is said
 * of it. Where its bytes are had from is for the commands to say.
 */
import { mkdirSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../base/clock.js";
import { openNodeDisk } from "../../base/disk-node.js";
import { EX, errnoOf, MailtwinError } from "../../base/errors.js";
import { displayRaw, rawFromText } from "../../base/raw-name.js";
import { whyItFailed } from "../../base/system-error.js";
import type { MailboxRow } from "../../log/state-types.js";
import { CUR, NEW, TMP } from "../../maildir/mailbox-files.js";
import { daemonError } from "../errors.js";
import type { Output } from "../output.js";
import { countOf } from "../words.js";
import type { LimboFlags } from "./find-limbos.js";
import { type PutBackFile, PutBackInto, tagOf } from "./put-back.js";
import type { Removed, RemovedWish } from "./removed-mail.js";
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

export interface Into {
  readonly target: Target;
  readonly into: PutBackInto;
}

/** A message, and what it is called in the limbo. */
export interface PutBackName extends Pick<PutBackFile, "tag" | "base"> {
  readonly from: string;
}

export class Restoring {
  /** The source's store; undefined: on another host. */
  readonly #source: string | undefined;
  /** Mailboxes that the source has, by its log. */
  readonly #known: readonly MailboxRow[];
  readonly #flags: Pick<RestoreFlags, "to" | "dryRun">;
  readonly #tell: (report: RestoreReport) => void;
  readonly #intoByPaths = new Map<string, Into | undefined>();
  /** One for each mailbox, as what is back in it is read once, under whatever names it was removed from. */
  readonly #intoBySite = new Map<string, PutBackInto>();

  /** Makes the Maildir that is named, if one is. Throws: destination-unusable. */
  constructor(
    { source, known }: { readonly source: string | undefined; readonly known: readonly MailboxRow[] },
    flags: Pick<RestoreFlags, "to" | "dryRun">,
    tell: (report: RestoreReport) => void,
  ) {
    this.#source = source;
    this.#known = known;
    this.#flags = flags;
    this.#tell = tell;
    if (flags.to !== undefined && flags.dryRun !== true) makeMaildir(flags.to);
  }

  /** Undefined where there is none, or would be: then all is said of it. */
  intoFor(removed: Removed): Into | undefined {
    const { to, dryRun } = this.#flags;
    if (to !== undefined && dryRun === true && !isMaildir(to)) {
      this.say(removed, { event: "would-restore", to });
      return undefined;
    }
    const found = this.trying(removed, () => ({ into: this.#findInto(removed) }));
    if (found !== undefined && found.into === undefined) {
      const words = "neither its mailbox nor its user's INBOX is there at the source (--to DIR puts it elsewhere)";
      this.say(removed, { event: "not-restored", words });
    }
    return found?.into;
  }

  /** Whether nothing is to be written: it is back already, or this is a dry run. That is said then. */
  isSettled(removed: Removed, file: PutBackName, { target, into }: Into): boolean {
    const standing = into.find(file);
    if (standing === undefined && this.#flags.dryRun !== true) return false;
    const to = { from: displayRaw(file.from), to: target.shown };
    if (standing === undefined) this.say(removed, { event: "would-restore", ...to, ...insteadOf(target) });
    else this.say(removed, { event: "already-restored", ...to, file: displayRaw(standing) });
    return true;
  }

  /** It is durable when that is said. Throws: system errors. */
  put(removed: Removed, file: PutBackFile & PutBackName, where: Into): void {
    if (this.isSettled(removed, file, where)) return;
    const { target, into } = where;
    const to = { from: displayRaw(file.from), to: target.shown };
    const done = into.put(file);
    if (done.kind === "restored" || done.kind === "already")
      this.say(removed, { event: DONE[done.kind], ...to, file: displayRaw(done.name), ...insteadOf(target) });
    else
      this.say(removed, { event: "not-restored", ...to, words: done.kind === "refused" ? done.why : LOST[done.kind] });
  }

  sayGone(removed: Removed): void {
    this.say(removed, { event: "not-restored", words: GONE });
  }

  /** What the system refuses of one message keeps no other one. */
  trying<T>(removed: Removed, work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      if (errnoOf(error) === undefined && !(error instanceof MailtwinError)) throw error;
      this.say(removed, { event: "not-restored", words: whyItFailed(error) });
      return undefined;
    }
  }

  say({ row }: Removed, rest: Pick<RestoreReport, "event"> & Partial<RestoreReport>): void {
    this.#tell({ from: displayRaw(row.name), path: displayRaw(row.path), uid: row.uid, ...rest });
  }

  #shared(into: PutBackInto): PutBackInto {
    const key = `${into.site?.dev} ${into.site?.ino}`;
    const known = this.#intoBySite.get(key) ?? into;
    this.#intoBySite.set(key, known);
    return known;
  }

  #findInto(removed: Removed): Into | undefined {
    const { to } = this.#flags;
    const paths = to === undefined ? pathsFor(removed, this.#known) : [];
    const key = paths.join("\0");
    if (this.#intoByPaths.has(key)) return this.#intoByPaths.get(key);
    const target = to === undefined ? openAtSource(this.#source ?? "", paths) : openNamed(to);
    const ports = { clock: systemClock, hostname: hostname() };
    const found =
      target === undefined ? undefined : { target, into: this.#shared(new PutBackInto(target.open, ports)) };
    this.#intoByPaths.set(key, found);
    return found;
  }
}

const NO_SUCH_UID = "of what is meant nothing in the limbo had such a UID";
const ALL_COPIES = "all that is meant has come back as messages already: each can be had by its --name";
const GONE = "its file is gone from the limbo";
const LOST = { gone: GONE, away: "the mailbox that it was to come into has gone meanwhile" } as const;
const DONE = { restored: "restored", already: "already-restored" } as const;

function insteadOf({ instead }: Target): { readonly words?: string } {
  return instead === undefined ? {} : { words: instead };
}

/** What everybody's removed mail would be meant by is not done by mistake. Throws: usage. */
export function refuseVague({ uid, name, all, user, mailbox, to }: RestoreFlags): void {
  const ways = [uid, name, all].filter((way) => way !== undefined);
  if (ways.length !== 1) throw usage("say what to restore with one of --uid, --name and --all");
  if (uid !== undefined && mailbox === undefined) throw usage("--uid needs --mailbox: each mailbox has its own UIDs");
  if (all === true && user === undefined && mailbox === undefined) throw usage("--all needs --mailbox, or -u USER");
  if (to === "") throw usage('--to is empty ("")');
  for (const each of uid ?? [])
    if (!/^[1-9]\d{0,9}$/.test(each)) throw usage(`--uid ${JSON.stringify(each)} is no UID`);
}

/**
 * At least one. What has come back as a message already is meant by its name alone. Of files of one message the last comes first: what was
 * damaged, and replaced, is not put back in the place of what replaced it. Throws: not-in-limbo.
 */
export function chosen(
  found: readonly Removed[],
  { uid, name, user, mailbox, since }: Pick<RestoreFlags, "uid" | "name" | keyof RemovedWish>,
  { isFar, nothing }: { readonly isFar: boolean; readonly nothing: () => string },
): readonly Removed[] {
  const byName = new Map(found.map((it) => [displayRaw(it.row.name), it]));
  const missing = name?.find((each) => !byName.has(each));
  if (missing !== undefined) {
    const told = isFar ? ", or a link does not tell of it (only of what this source has sent)" : "";
    const isNarrow = [user, mailbox, since].some((it) => it !== undefined);
    const meant = isNarrow ? ", or not what -u, --mailbox and --since mean" : "";
    throw notInLimbo(`${displayRaw(rawFromText(missing))} is not in the limbo${meant}${told}`);
  }
  const uids = uid === undefined ? undefined : new Set(uid.map(Number));
  const meant =
    name === undefined
      ? found.filter(({ row }) => row.cause !== "copy" && (uids === undefined || uids.has(row.uid)))
      : name.flatMap((each) => byName.get(each) ?? []);
  if (found.length === 0) throw notInLimbo(nothing());
  if (meant.length === 0) throw notInLimbo(uids === undefined ? ALL_COPIES : NO_SUCH_UID);
  return lastOfEachFirst(meant);
}

function lastOfEachFirst(meant: readonly Removed[]): readonly Removed[] {
  const byMessage = new Map<string, Removed[]>();
  for (const it of meant) {
    const key = it.isMailbox ? it.row.name : tagOf(it.row, it.row.size);
    const files = byMessage.get(key) ?? [];
    files.push(it);
    byMessage.set(key, files);
  }
  return [...byMessage.values()].flatMap((files) => files.reverse());
}

/** What is said of all that was done. */
export class RestoreTelling {
  readonly #counts = { restored: 0, "would-restore": 0, "already-restored": 0, "not-restored": 0 };
  readonly #isJson: boolean;
  readonly #output: Output;

  constructor({ json }: Pick<RestoreFlags, "json">, output: Output) {
    this.#isJson = json === true;
    this.#output = output;
  }

  readonly tell = (report: RestoreReport): void => {
    this.#counts[report.event] += 1;
    if (this.#isJson) this.#output.out(`${JSON.stringify(report)}\n`);
    else if (report.event === "not-restored") this.#output.err(`${wordsOf(report)}\n`);
    else this.#output.out(`${wordsOf(report)}\n`);
  };

  /** Returns the exit code: 1 where not all of it could be put back. */
  end(): number {
    const { restored, "would-restore": would, "not-restored": failed } = this.#counts;
    const rest = failed === 0 ? "" : `, and ${countOf(failed, "message")} could not be`;
    const done = `restored ${countOf(restored, "message")} as new mail${rest}; what is in the limbo stays there until its time is up`;
    if (!this.#isJson)
      this.#output.out(`${would > 0 ? `would restore ${countOf(would, "message")} as new mail` : done}\n`);
    return failed === 0 ? EX.OK : EX.PARTIAL;
  }
}

function wordsOf({ event, from, path, uid, to, words }: RestoreReport): string {
  const what = `${uid === 0 ? "mail" : `UID ${uid}`} of ${path === "" ? "INBOX" : path} (${from})`;
  const why = words === undefined ? "" : `: ${words}`;
  if (event === "not-restored") return `not restored: ${what}${why}`;
  if (event === "already-restored") return `is back already: ${what}, in ${to}`;
  return `${event === "restored" ? "restored" : "would restore"}: ${what} into ${to}${why}`;
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

function notInLimbo(words: string): Error {
  return daemonError("not-in-limbo", `choosing what to restore: ${words}`);
}

function usage(words: string): Error {
  return daemonError("usage", `reading the command line: ${words}`);
}
