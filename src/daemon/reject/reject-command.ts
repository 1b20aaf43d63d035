/**
 * `mailtwin deletions reject`: what the brake holds back was no wish to delete: it is brought back at the source, as new mail, from the
 * replica or from a copy.
 * Whoever replicates then expunges the old messages on the replicas, once they have the new ones (daemon/brought-back.ts).
 */
import { hostname } from "node:os";
import { systemClock } from "../../base/clock.js";
import type { Dir } from "../../base/disk.js";
import { openNodeDisk } from "../../base/disk-node.js";
import { Disposer } from "../../base/disposal.js";
import { EX, errnoOf, MailtwinError } from "../../base/errors.js";
import { displayRaw, ROOT_PATH, rawFromText } from "../../base/raw-name.js";
import { whyItFailed } from "../../base/system-error.js";
import { BackNames } from "../../capture/brought-back.js";
import { pinStore } from "../../capture/open-mailbox.js";
import { surroundingsOfProcess } from "../config/load-config.js";
import { findControl } from "../control/find-control.js";
import { findMailboxes } from "../control/find-mailbox.js";
import { shownText } from "../logs/shown.js";
import type { Output } from "../output.js";
import { countOf, mailboxName } from "../words.js";
import { type BringBackPorts, NameOrder } from "./bring-back.js";
import { Copies, type StoreCopy } from "./copies.js";
import { FetchedCopies } from "./fetched-copies.js";
import { findRejected, type RejectPlace, type SourceFlags } from "./find-source.js";
import { findHeld, type HeldFound, type HeldMail } from "./held-mail.js";
import { oneAtATime } from "./one-at-a-time.js";
import { type MessageOutcome, rejectMailbox } from "./reject-mailbox.js";

export interface RejectFlags extends SourceFlags {
  readonly user?: string;
  readonly mailbox?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** What became of one message; a line of `--json`. */
export interface RejectReport {
  readonly event: "restored" | "would-restore" | "already-restored" | "not-restored";
  readonly store: string;
  readonly path: string;
  readonly mailbox: string;
  readonly uid: number;
  readonly file?: string;
  readonly words?: string;
}

const NEVER = new AbortController().signal;
const NOTHING = "no deletion is held back\n";

/** Returns the exit code: 1 where not all of it could be brought back. */
export async function rejectDeletions(
  source: string | undefined,
  destination: string | undefined,
  flags: RejectFlags,
  output: Output,
): Promise<number> {
  const place = findRejected(source, destination, flags);
  if (place === undefined) {
    if (flags.json !== true) output.out(NOTHING);
    return EX.OK;
  }
  using _one = flags.dryRun === true ? undefined : await oneAtATime(place.state);
  const found = await findHeld(place);
  const held = meant(found, flags);
  const telling = new Telling(place, flags, output);
  if (held.length > 0) await rejectAll({ place, found }, held, flags, { telling, output });
  for (const { path, message } of found.problems)
    output.err(`not looked at: ${mailboxName(path)}: ${shownText(message)}\n`);
  telling.summarise(held.length === 0 && found.problems.length === 0);
  return telling.failed + found.problems.length === 0 ? EX.OK : EX.PARTIAL;
}

function meant({ held }: HeldFound, { user, mailbox }: RejectFlags): readonly HeldMail[] {
  const paths = new Set(
    findMailboxes(
      held.map(({ row }) => row),
      { user, mailbox },
    ).map(({ path }) => path),
  );
  return held.filter(({ row }) => paths.has(row.path));
}

interface Rejecting {
  readonly place: RejectPlace;
  readonly found: HeldFound;
}

interface Tellers {
  readonly telling: Telling;
  readonly output: Output;
}

async function rejectAll(
  { place, found }: Rejecting,
  held: readonly HeldMail[],
  flags: RejectFlags,
  { telling, output }: Tellers,
): Promise<void> {
  await using owner = new Disposer();
  const disk = pinStore(openNodeDisk(), rawFromText(place.source), place.site);
  const root = disk.openRoot(rawFromText(place.source));
  if (root === undefined) return;
  owner.defer(() => root.close());
  const copies = owner.adopt(await openCopies(place, root, { flags, output, owner }));
  for (const each of held) await rejectOne({ root, copies, place, found }, each, telling);
}

/** Throws: usage, the codes of `openLink`, of asking a daemon, store-not-ready. */
async function openCopies(
  { name: store, from, state }: RejectPlace,
  root: Dir,
  { flags, output, owner }: { readonly flags: RejectFlags; readonly output: Output; readonly owner: Disposer },
): Promise<StoreCopy> {
  if (from.kind === "copy") return new Copies(from.path);
  if (from.kind === "link") {
    const { openLinkFetcher } = await import("./link-fetcher.js"); // links take long to load.
    return new FetchedCopies(await openLinkFetcher({ ...from, state }, owner, NEVER), root, state);
  }
  const { openDaemonFetcher } = await import("./daemon-fetcher.js"); // nobody else needs its schemas.
  const place = findControl(flags, surroundingsOfProcess(), output);
  return new FetchedCopies(await openDaemonFetcher(place, { store, replica: from.replica }), root, state);
}

interface RejectingOne extends Rejecting {
  readonly root: Dir;
  readonly copies: StoreCopy;
}

async function rejectOne(
  { root, copies, place, found }: RejectingOne,
  held: HeldMail,
  telling: Telling,
): Promise<void> {
  const ports: BringBackPorts = telling.portsFor(found.logId);
  telling.begin(held);
  try {
    using copy = copies.open(held.row);
    const parts = { root, source: place.source, copies, copy, dryRun: telling.isDry };
    await rejectMailbox(held, parts, ports, telling.tell);
  } catch (error) {
    if (errnoOf(error) === undefined && !(error instanceof MailtwinError)) throw error;
    telling.fail(whyItFailed(error)); // it keeps no other mailbox.
  }
  telling.end();
}

/** What is said of all that was done. */
class Telling {
  failed = 0;
  readonly isDry: boolean;
  readonly #place: RejectPlace;
  readonly #isJson: boolean;
  readonly #output: Output;
  readonly #order = new NameOrder();
  #held: HeldMail | undefined;
  #told = new Set<number>();
  #counts = { restored: 0, "would-restore": 0, "already-restored": 0, "not-restored": 0 };
  #sums = { messages: 0, mailboxes: 0 };
  #notes = new Set<string>();

  constructor(place: RejectPlace, { dryRun, json }: RejectFlags, output: Output) {
    this.#place = place;
    this.isDry = dryRun === true;
    this.#isJson = json === true;
    this.#output = output;
  }

  portsFor(logId: string): BringBackPorts {
    return { clock: systemClock, hostname: hostname(), names: new BackNames(logId), order: this.#order };
  }

  begin(held: HeldMail): void {
    this.#held = held;
    this.#told = new Set();
    this.#counts = { restored: 0, "would-restore": 0, "already-restored": 0, "not-restored": 0 };
    this.#notes = new Set();
  }

  readonly tell = ({ uid, event, file, words }: MessageOutcome): void => {
    const row = this.#held?.row;
    if (row === undefined) return;
    this.#told.add(uid);
    this.#counts[event] += 1;
    if (this.#isJson) {
      const what = { event, store: this.#place.name, path: displayRaw(row.path), mailbox: row.guid, uid };
      const more = {
        ...(file === undefined ? {} : { file: displayRaw(file) }),
        ...(words === undefined ? {} : { words }),
      };
      this.#output.out(`${JSON.stringify({ ...what, ...more } satisfies RejectReport)}\n`);
    } else if (event === "not-restored")
      this.#output.err(`not restored: UID ${uid} of ${mailboxName(row.path)}: ${words ?? ""}\n`);
    else if (words !== undefined) this.#notes.add(words);
  };

  /** All of the mailbox that nothing was said of yet: of many that are one line, but for machines. */
  fail(words: string): void {
    const left = (this.#held?.records ?? []).filter(({ uid }) => !this.#told.has(uid));
    if (this.#isJson || left.length <= 1) {
      for (const { uid } of left) this.tell({ uid, event: "not-restored", words });
      return;
    }
    this.#counts["not-restored"] += left.length;
    const mailbox = mailboxName(this.#held?.row.path ?? ROOT_PATH);
    this.#output.err(`not restored: ${countOf(left.length, "message")} of ${mailbox}: ${words}\n`);
  }

  end(): void {
    const row = this.#held?.row;
    this.failed += this.#counts["not-restored"];
    const done = this.#counts.restored + this.#counts["would-restore"];
    const already = this.#counts["already-restored"];
    this.#sums.messages += done;
    if (done > 0) this.#sums.mailboxes += 1;
    if (row === undefined || this.#isJson || done + already === 0) return;
    const what = done === 0 ? [] : [`${this.isDry ? "would restore" : "restored"} ${countOf(done, "message")}`];
    const before = already === 0 ? [] : [`${countOf(already, "message")} came back before`];
    const notes = [...this.#notes].map((note) => ` (${note})`).join("");
    this.#output.out(`${mailboxName(row.path)}: ${[...what, ...before].join(", ")}${notes}\n`);
  }

  summarise(isNothing: boolean): void {
    if (this.#isJson) return;
    if (isNothing) {
      this.#output.out(NOTHING);
      return;
    }
    const { messages, mailboxes } = this.#sums;
    const what =
      messages === 0 ? "nothing" : `${countOf(messages, "message")} in ${countOf(mailboxes, "mailbox")} as new mail`;
    const rest = this.failed === 0 ? "" : `; ${countOf(this.failed, "message")} could not be, and stay held back`;
    const then =
      "; the old ones go from the replicas when those have the new ones, by the running daemon or --watch, or the next sync";
    const end = this.isDry || messages === 0 ? "" : then;
    this.#output.out(`${this.isDry ? "would restore" : "restored"} ${what}${rest}${end}\n`);
  }
}
