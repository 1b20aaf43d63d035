/**
 * What a replica of this host refuses, mailbox by mailbox, as its last try said it: for the status and the log of this host, where a
 * person has to act. The source keeps it durably, and tries again by itself; this is in memory, over all links of the daemon's life.
 *
 * INVARIANT: bounded, whatever a source offers: so many are known by name, of so many more it is known that they are refused.
 * INVARIANT: a mailbox is over when something of it was applied, or its source has read all of it, offered what differs, and nothing
 * of that was refused: what the source has is here then, whoever has removed the cause.
 */
import type { RefusedMailbox, SessionSinks } from "../../agent/session-sinks.js";
import type { Clock } from "../../base/clock.js";
import { displayRaw, type RawPath, ROOT_PATH } from "../../base/raw-name.js";
import type { MailboxGuid } from "../../maildir/ids.js";
import type { RefusedStatus } from "../control/status.js";
import { mailboxName } from "../words.js";
import { hintOfRefused, levelOfRefusal } from "./daemon-hints.js";
import type { EventLog } from "./event-log.js";

const NAMED_MAX = 1_000;
const OTHERS_MAX = 100_000;
const WORDS_MAX = 1_000;
/** What is refused and taken again and again fills no log: the rest of that minute is told at its next try, if it stands still. */
const TOLD_MAX = 100;
const MINUTE_MS = 60_000;

interface Known {
  readonly path: RawPath;
  readonly code: string;
  readonly words: string;
  readonly sinceMs: number;
  readonly lastMs: number;
  isTold: boolean;
}

export interface RefusedPorts {
  readonly log: EventLog;
  readonly clock: Pick<Clock, "nowMs" | "monotonicMs">;
  /** Where a mailbox of the store stands; undefined: it is not there, or the store is not open. */
  readonly pathOf: (mailbox: MailboxGuid) => RawPath | undefined;
}

export class RefusedMailboxes implements SessionSinks {
  #ports: RefusedPorts;
  readonly #known = new Map<MailboxGuid, Known>();
  /** Since when. */
  readonly #others = new Map<MailboxGuid, number>();
  /** Their source has read them: over at the next mark, unless they are refused before. */
  readonly #read = new Set<MailboxGuid>();
  #minuteMs = Number.NEGATIVE_INFINITY;
  #told = 0;

  constructor(ports: RefusedPorts) {
    this.#ports = ports;
  }

  /** The store was closed, and is opened by somebody else. */
  goOnWith(ports: RefusedPorts): this {
    this.#ports = ports;
    return this;
  }

  onRefused({ mailbox, path: said, code, words: all }: RefusedMailbox): void {
    this.#read.delete(mailbox);
    const before = this.#known.get(mailbox);
    const lastMs = this.#ports.clock.nowMs();
    const sinceMs = before?.sinceMs ?? this.#others.get(mailbox) ?? lastMs;
    if (before === undefined && this.#known.size >= NAMED_MAX) {
      if (this.#others.size < OTHERS_MAX) this.#others.set(mailbox, sinceMs);
      return;
    }
    this.#others.delete(mailbox);
    const words = all.length > WORDS_MAX ? `${all.slice(0, WORDS_MAX)}...` : all;
    const isTold = before?.code === code && before.isTold;
    const path = this.#ports.pathOf(mailbox) ?? said ?? ROOT_PATH;
    const known = { path, code, words, sinceMs, lastMs, isTold };
    this.#known.set(mailbox, known);
    if (!isTold && levelOf(known) === "needs-you") this.#tell(known);
  }

  onApplied(mailbox: MailboxGuid): void {
    this.#over(mailbox);
  }

  onRead(mailbox: MailboxGuid): void {
    if (this.#known.has(mailbox) || this.#others.has(mailbox)) this.#read.add(mailbox);
  }

  onMarked(): void {
    for (const mailbox of this.#read) this.#over(mailbox);
  }

  /** Undefined: nothing is refused. `mayWrite`: to what its source may write now. */
  status(mayWrite: (path: RawPath) => boolean = () => true): RefusedStatus | undefined {
    const named = [...this.#known.values()].flatMap((known) => {
      const { path, code, words, sinceMs } = known;
      if (!mayWrite(path)) return [];
      const shown = mailboxName(path);
      return [{ mailbox: shown, code, words, hint: hintOfRefused(code), sinceMs, level: levelOf(known) }];
    });
    const mailboxes = named.length + this.#others.size;
    if (mailboxes === 0) return undefined;
    const since = [...named.map(({ sinceMs }) => sinceMs), ...this.#others.values()];
    return { mailboxes, sinceMs: since.reduce((least, ms) => Math.min(least, ms)), named };
  }

  #over(mailbox: MailboxGuid): void {
    this.#read.delete(mailbox);
    this.#others.delete(mailbox);
    const known = this.#known.get(mailbox);
    if (known === undefined) return;
    this.#known.delete(mailbox);
    const { path, code, isTold } = known;
    if (isTold) this.#ports.log.write("mailbox-well", { mailbox: displayRaw(path), code });
  }

  #tell(known: Known): void {
    const { log, clock } = this.#ports;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#minuteMs >= MINUTE_MS) [this.#minuteMs, this.#told] = [nowMs, 0];
    if (this.#told >= TOLD_MAX) return;
    this.#told += 1;
    known.isTold = true;
    const { path, code, words: message } = known;
    log.write("mailbox-needs-you", { mailbox: displayRaw(path), code, message, hint: hintOfRefused(code) });
  }
}

function levelOf({ code, sinceMs, lastMs }: Known): ReturnType<typeof levelOfRefusal> {
  return levelOfRefusal(code, lastMs - sinceMs);
}
