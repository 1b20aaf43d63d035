/**
 * What brings a replica up to date where the log in its turn does not: at the begin of a run, after a refusal, and when somebody asks.
 *
 * INVARIANT: nothing of a mailbox that is to be mended is offered in its turn before it is.
 * INVARIANT: nothing is mended before `begin`: until then the replica may have mail of its own of which is not decided yet.
 * INVARIANT: outside of a comparison of the whole store such a mailbox has a durable rejection, so that the next run knows of it.
 */
import { Gate } from "../base/gate.js";
import { type RawPath, ROOT_PATH } from "../base/raw-name.js";
import type { RejectionRow } from "../log/state-types.js";
import type { MailboxGuid } from "../maildir/ids.js";
import type { Standing, StandingMailbox, Welcome } from "../wire/messages.js";
import { mailboxesAway } from "./away-order.js";
import type { ClearPlace } from "./compare-mailbox.js";
import { ComparisonProgress, type ComparisonStatus } from "./comparison-progress.js";
import type { Cause } from "./conflict-rules.js";
import { agentError } from "./errors.js";
import { trimmedWords } from "./log-sender.js";
import { Mender, type MenderPorts } from "./mender.js";
import { MissingLooks } from "./missing-looks.js";
import { MOVED_IN } from "./moved-in.js";
import type { MayHave } from "./offer-line.js";
import { type PlanWish, planComparison } from "./planned-comparison.js";
import type { PlannedMailbox } from "./planned-mailbox.js";
import { beginComparison, compareStore, standingOf } from "./store-comparison.js";

export interface ReplayAgentOptions {
  /** Where the log does not lead the replica on, the whole store is compared. Without it that ends the run (log-trimmed). */
  readonly compares: boolean;
  /** Whatever the log has, the whole store is compared first. */
  readonly mustCompare: boolean;
  /** A mailbox that was refused is mended in the run. Without it it stays a problem of the run, and the next one tries again. */
  readonly heals: boolean;
  /** What does not stand on the replica as it was written is compared first. Throws: replica-emptied. */
  readonly asksStanding: boolean;
  /** The replica was away, and gets what it lacks mailbox by mailbox, INBOXes first (away-order.ts). */
  readonly inboxFirst: boolean;
  /** From 0 to 1, for the back-off. */
  readonly random: () => number;
  /**
   * Which mailboxes of another UIDVALIDITY on the replica take the source's, beside those where the source has changed its own: all; those
   * that were never written; none. What does not is a rejection.
   */
  readonly acceptsUidValidity: UidValidityChoice;
  /** What makes room for a mailbox where another one stands in its place. */
  readonly clearPlace?: ClearPlace;
  /** As of `resync`, of mailboxes that are compared in any case. */
  readonly damaged?: DamagedBodies;
}

export type UidValidityChoice = "all" | "unwritten" | "none";

/** UIDs of messages whose bytes on the replica are known to be others than the source's. */
export type DamagedBodies = ReadonlyMap<MailboxGuid, ReadonlySet<number>>;

/** The log and nothing else. */
export const PLAIN: ReplayAgentOptions = {
  compares: false,
  mustCompare: false,
  heals: false,
  asksStanding: false,
  inboxFirst: false,
  acceptsUidValidity: "all",
  random: () => 1,
};

/** Of a rejection that is a person's wish to have the mailbox compared. */
export const RESYNC_ASKED = "resync-asked";

/** Of more mailboxes than that the whole store is compared: one durable word instead of as many, one after the other. */
const CHANGED_MAX = 1_000;

type OwnPorts =
  | "heals"
  | "compares"
  | "random"
  | "hold"
  | "beforeCompared"
  | "onReached"
  | "damaged"
  | "renumbers"
  | "clearing";

/** What whoever asks for the comparison of one mailbox knows of it, or wants. */
export interface ResyncWish {
  /** UIDs of messages whose bytes on the replica are others than the source's: they take the place of what is there. */
  readonly damaged?: readonly number[];
  /** This mailbox takes the source's, whoever has changed it; once. */
  readonly acceptsUidValidity?: boolean;
  /** What stands in its place on the replica, and is no mailbox of the source's, goes to the limbo there; once. */
  readonly clearsPlace?: boolean;
}

export interface RecoveryPorts extends Omit<MenderPorts, OwnPorts> {
  readonly mayHave: MayHave;
  /** The replica's. */
  readonly name: string;
  readonly onRejected: (row: RejectionRow) => void;
  /** The whole store was compared, and the replica's cursor is durable there. */
  readonly onCompared: (lsn: number) => void;
}

export class Recovery {
  readonly #ports: RecoveryPorts;
  readonly #options: ReplayAgentOptions;
  readonly #mender: Mender;
  readonly #progress = new ComparisonProgress();
  readonly #begun = new Gate();
  readonly #missing: MissingLooks;
  /** Until the mailbox is compared. */
  readonly #damaged: Map<MailboxGuid, ReadonlySet<number>>;
  /** Mailboxes that may take the source's UIDVALIDITY, until they are compared. */
  readonly #accepted = new Set<MailboxGuid>();
  /** Mailboxes whose place may be cleared, until they are compared. */
  readonly #clearing = new Set<MailboxGuid>();
  #hasBegun = false;
  #isComparing = false;
  #isAsked = false;
  #mustCompare: boolean;
  /** A comparison of the whole store, after its begin. */
  #comparing: Promise<void> | undefined;

  constructor(ports: RecoveryPorts, options: ReplayAgentOptions) {
    this.#ports = ports;
    this.#options = options;
    const { heals, random } = options;
    this.#mustCompare = options.mustCompare;
    this.#damaged = new Map(options.damaged);
    this.#missing = new MissingLooks({ clock: ports.clock, look: (signal) => this.#lookAtAll(signal) });
    const hold = (mailbox: MailboxGuid, cause: Cause) => this.#hold(mailbox, cause);
    const onReached = (mailbox: MailboxGuid, messages: number) => this.#progress.reached(mailbox, messages);
    const beforeCompared = (mailbox: MailboxGuid, signal: AbortSignal) => this.#missing.untilSeen(mailbox, signal);
    const damaged = (mailbox: MailboxGuid) => this.#takeDamaged(mailbox);
    const renumbers = (mailbox: MailboxGuid) => this.#renumbers(this.#accepted.delete(mailbox));
    const clearing = (mailbox: MailboxGuid) => (this.#clearing.delete(mailbox) ? options.clearPlace : undefined);
    const compares = heals || options.compares;
    const own = { heals, compares, random, hold, beforeCompared, onReached, damaged, renumbers, clearing };
    this.#mender = new Mender({ ...ports, ...own });
  }

  /** The whole store is compared: no outcome moves the cursor. */
  get isComparing(): boolean {
    return this.#isComparing;
  }

  /** How far the comparison of the whole store is; undefined: none is under way. */
  get comparison(): ComparisonStatus | undefined {
    return this.#progress.status;
  }

  /** Another comparison of the whole store is asked for, and has not begun. */
  get isToCompare(): boolean {
    return this.#isAsked;
  }

  get isBusy(): boolean {
    return this.#mender.isBusy;
  }

  /** The log is needed from there on. */
  get lowestPosition(): number {
    return this.#mender.lowestPosition;
  }

  /** Mends what has to be, from `begin` until `signal` aborts. What was begun has ended when it has. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      while (!this.#hasBegun) await this.#begun.wait(signal);
      await this.#mender.run(signal);
    } finally {
      await this.#comparing?.catch(() => undefined); // its failure was told.
    }
  }

  /** The replica was met, and it is known from where on the log is sent. */
  begin(): void {
    this.#hasBegun = true;
    this.#begun.wake();
  }

  /** The replica refused something of it. */
  noteRejected(row: RejectionRow): void {
    this.#noteMissing(row);
    this.#mender.refused(row.mailbox);
  }

  /**
   * Begins a comparison of the whole store if the log does not lead on from where the replica is; false where it does.
   * Throws: log-trimmed, replica-emptied.
   */
  async compareFirst(welcome: Welcome, signal: AbortSignal): Promise<boolean> {
    const { name, sender, reader } = this.#ports;
    const why = this.#whyCompared(welcome);
    if (why === undefined) return false;
    if (!this.#options.compares) throw agentError("log-trimmed", trimmedWords(name, why));
    sender.startAt(reader.lastLsn());
    await this.#compareAll(signal);
    return true;
  }

  /** Does what `resync` was asked for the whole store. Nothing of the log may be offered meanwhile. */
  async compareIfAsked(signal: AbortSignal): Promise<void> {
    if (!this.#isAsked || this.#isComparing) return;
    this.#isAsked = false;
    await this.#compareAll(signal);
  }

  /** Of what earlier runs left in the rejection log, drops what the replica may not have any more. Returns when that is durable. */
  async dropUnshared(): Promise<void> {
    const { rejections, reader, mayHave = () => true, onMended } = this.#ports;
    for (const row of rejections.rows) {
      const { mailbox, path } = row;
      if (mayHave(reader.mailboxByGuid(mailbox)?.path ?? path)) continue;
      await rejections.healed(mailbox);
      onMended({ row, counts: undefined });
    }
  }

  /**
   * Of what earlier runs left in the rejection log, mends what this run is to mend, and holds what can only be compared. What lies ahead
   * of the replica comes in its turn.
   */
  mendRejected(): void {
    const { rejections, sender, reader } = this.#ports;
    const { heals, compares } = this.#options;
    const firstLsn = reader.firstLsn();
    for (const { mailbox, lsn } of rejections.rows) {
      const isInLog = lsn > 0 && lsn >= firstLsn;
      if (lsn > sender.sentLsn || (isInLog && !heals)) continue;
      rejections.hold(mailbox);
      if (heals || compares) this.#mender.soon(mailbox);
    }
  }

  /** The whole store is compared first, whatever the log has. Call it before the run begins to send. */
  mustCompare(): void {
    this.#mustCompare = true;
  }

  /** What has the log of mailboxes to come after others: these are compared, one after the other, and passed over by the log. */
  async compareInOrder(appliedLsn: number): Promise<void> {
    if (!this.#options.inboxFirst || this.#isComparing) return;
    const { reader, mayHave = () => true } = this.#ports;
    for (const place of mailboxesAway(reader, appliedLsn))
      if (mayHave(place.path)) await this.#compareSoon(place, { code: "replica-away", words: "the replica was away" });
  }

  /**
   * What does not stand on the replica as it was written: of mailboxes that the source or the rejection log has, for a replica may say
   * anything of others. Begins a comparison of the whole store if they are many. Throws: replica-emptied.
   */
  async compareChanged(signal: AbortSignal): Promise<void> {
    if (this.#options.asksStanding) await this.#lookAtAll(signal);
  }

  async #lookAtAll(signal: AbortSignal): Promise<void> {
    const { compares } = this.#options;
    const { name, asker, rejections } = this.#ports;
    // In the run one that was refused is seen to already, and keeps the time of its next try.
    const isNews = ({ mailbox }: StandingMailbox) => !this.#hasBegun || rejections.rowOf(mailbox) === undefined;
    const standing = (await standingOf(name, asker, signal)).filter(isNews);
    const changed = standing.flatMap(({ mailbox, stands }) => {
      const words = wordsOf(stands);
      const path = words === undefined ? undefined : this.#pathOf(mailbox);
      return words === undefined || path === undefined ? [] : [{ mailbox, path, words }];
    });
    // One that is older tells of others that do not show it.
    const isRestored = standing.some(({ stands }) => stands === "older");
    if (compares && (isRestored || changed.length > CHANGED_MAX)) {
      this.#isAsked = true;
      return;
    }
    for (const { words, ...place } of changed) await this.#compareSoon(place, { code: "replica-changed", words });
  }

  /**
   * Has a mailbox, or the whole store, compared as soon as there is room. Returns when that is noted durably (a mailbox), or at once
   * (the store); false for a mailbox that neither the source nor the rejection log has. If all of the replica is gone, nothing is made.
   */
  async resync(what: MailboxGuid | "all", wish: ResyncWish = {}): Promise<boolean> {
    if (what === "all") {
      this.#isAsked = true;
      return true;
    }
    const path = this.#pathOf(what);
    if (path === undefined) return false;
    if (this.#looks) this.#missing.noteAsked(what);
    this.#damaged.set(what, new Set(wish.damaged));
    if (wish.acceptsUidValidity === true) this.#accepted.add(what);
    if (wish.clearsPlace === true) this.#clearing.add(what);
    else this.#clearing.delete(what);
    await this.#compareSoon({ mailbox: what, path }, { code: RESYNC_ASKED, words: "it was asked for by hand" });
    return true;
  }

  /** As `planComparison`. False, and nothing is told, where it is not known yet from where on the log is sent. */
  async plan(wish: PlanWish, tell: (planned: PlannedMailbox) => void, signal: AbortSignal): Promise<boolean> {
    const renumbers = (mailbox: MailboxGuid) => this.#renumbers(this.#accepted.has(mailbox));
    const ports = { ...this.#ports, mender: this.#mender, renumbers };
    if (this.#hasBegun) await planComparison(ports, wish, tell, signal);
    return this.#hasBegun;
  }

  /** Once: a comparison that fails is made again without them, and whoever reads the bodies finds them again. */
  #takeDamaged(mailbox: MailboxGuid): ReadonlySet<number> {
    const damaged = this.#damaged.get(mailbox) ?? new Set();
    this.#damaged.delete(mailbox);
    return damaged;
  }

  #renumbers(isAccepted: boolean): ReturnType<MenderPorts["renumbers"]> {
    const accepts = isAccepted ? "all" : this.#options.acceptsUidValidity;
    return { source: true, replica: accepts === "all", nobody: accepts !== "none" };
  }

  /** Has a mailbox compared that has come from where the replica may not have it. Returns when that is durable, and it is held. */
  async compareMovedIn(place: Pick<StandingMailbox, "mailbox" | "path">): Promise<void> {
    await this.#compareSoon(place, MOVED_IN);
  }

  retry(mailbox: MailboxGuid): boolean {
    const isRefused = this.#ports.rejections.isRefused(mailbox);
    if (isRefused) this.#mender.soon(mailbox);
    return isRefused;
  }

  /** Undefined for a mailbox that neither the source nor the rejection log has, and for one that the replica may not have. */
  #pathOf(mailbox: MailboxGuid): RawPath | undefined {
    const { reader, rejections, mayHave = () => true } = this.#ports;
    const path = reader.mailboxByGuid(mailbox)?.path ?? rejections.rowOf(mailbox)?.path;
    return path !== undefined && mayHave(path) ? path : undefined;
  }

  #whyCompared({ appliedLsn, firstContact }: Welcome): string | undefined {
    const { compares } = this.#options;
    if (this.#mustCompare) return "it is to be compared";
    // Mail, and no word of this log: it is another log's, or a comparison was cut off.
    if (compares && appliedLsn === 0 && !firstContact) return "it does not know how far it is";
    return this.#ports.sender.whyNotFrom(appliedLsn);
  }

  async #compareSoon({ mailbox, path }: Pick<StandingMailbox, "mailbox" | "path">, cause: Cause): Promise<void> {
    await this.#ports.rejections.addCompared({ mailbox, path, ...cause });
    this.#mender.soon(mailbox);
  }

  /** Returns when it has begun: it goes on beside the log. */
  async #compareAll(signal: AbortSignal): Promise<void> {
    this.#isComparing = true;
    const ports = { ...this.#ports, mender: this.#mender, progress: this.#progress };
    const places = await beginComparison(ports, signal);
    this.#comparing = compareStore(ports, places, signal).then((lsn) => {
      this.#isComparing = false;
      this.#progress.end();
      this.#ports.onCompared(lsn);
    });
    this.#comparing.catch(this.#ports.onError);
  }

  /** Of a mailbox that could not be compared. */
  async #hold(mailbox: MailboxGuid, cause: Cause): Promise<void> {
    const { reader, rejections, onRejected } = this.#ports;
    const before = rejections.rowOf(mailbox);
    const path = reader.mailboxByGuid(mailbox)?.path ?? before?.path ?? ROOT_PATH;
    // An answer to a request says in general what the refusal of a transaction says in particular.
    const code = before?.message === cause.words ? before.code : cause.code;
    const row = await rejections.add({ fromLsn: 0, mailbox, path, words: cause.words, code });
    if (row === undefined) return;
    this.#noteMissing(row);
    onRejected(row);
  }

  #noteMissing({ mailbox, code }: RejectionRow): void {
    if (this.#looks && code === "mailbox-missing") this.#missing.note(mailbox);
  }

  /** All of the replica is looked at before a mailbox is made anew: it may be all gone. */
  get #looks(): boolean {
    return this.#options.asksStanding && this.#options.heals;
  }
}

/** One clause; undefined where nothing is to be done. */
function wordsOf(stands: Standing): string | undefined {
  switch (stands) {
    case "in-place":
      return undefined;
    case "moved":
      return "it was renamed on the replica";
    case "gone":
      return "it is gone from the replica";
    case "older":
      return "it is older on the replica than what was written there, as after a backup was restored";
    case "anew":
      return "it was numbered anew on the replica";
    case "unread":
      return "its dovecot-uidlist cannot be read on the replica";
  }
}
