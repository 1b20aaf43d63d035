/**
 * Brings one mailbox of a replica into agreement with the source's baseline, without the log: says in sums what it has, asks what is
 * otherwise there, and offers ordinary transactions that make up the difference, page by page.
 *
 * INVARIANT: nothing else of that mailbox is on its way meanwhile, or offered before the caller says so.
 * INVARIANT: the baseline is that of one commit: the log up to `lsn` of it needs not be offered afterwards, all above it does.
 */
import { boundHeaps } from "../base/bounded-heaps.js";
import type { Clock } from "../base/clock.js";
import { openHash } from "../base/hash.js";
import { displayRaw, ROOT_PATH } from "../base/raw-name.js";
import type { DescribeOutcome } from "../capture/capture-types.js";
import { structureTransaction } from "../capture/mailbox-structure.js";
import type { StateReader } from "../log/state-ports.js";
import type { MailboxRow } from "../log/state-types.js";
import { type MailboxGuid, UID_MAX } from "../maildir/ids.js";
import {
  type MailboxFacts,
  type MailboxPlan,
  type Move,
  planMailbox,
  type RenumberedBy,
} from "../resync/plan-mailbox.js";
import { countForeign, planMessages } from "../resync/plan-messages.js";
import { CHUNK_UIDS, chunkOf } from "../txn/chunks.js";
import { StateDigester } from "../txn/digest.js";
import type { MessageState } from "../txn/message-state.js";
import { splitTransaction } from "../txn/split.js";
import type { Change, Structure, Transaction } from "../txn/transaction.js";
import { encodeTransaction } from "../txn/transaction-codec.js";
import { CHUNK_SUMS_MAX, type ComparedMailbox } from "../wire/messages.js";
import { ABSENT_LOOKS_MAX, ABSENT_PAUSE_MS } from "./absent-bodies.js";
import type { Questions } from "./asker.js";
import { type Cause, causeOf } from "./conflict-rules.js";
import { refusalOf } from "./make-room.js";
import { followNextUid, type NextUidNews } from "./next-uids.js";
import type { MayHave, OfferLine } from "./offer-line.js";
import type { Rejections } from "./rejections.js";
import { MailboxPages } from "./replica-pages.js";
import type { SourceSide } from "./source-side.js";
import { SourceStates } from "./source-states.js";

export interface ComparisonPorts {
  readonly reader: StateReader;
  readonly clock: Clock;
  readonly source: Pick<SourceSide, "describe" | "lookAgain" | "pathOf" | "uidNextOf" | "raiseNextUid">;
  readonly asker: Questions;
  readonly line: Pick<OfferLine, "offerBeside" | "untilClear">;
  readonly rejections: Pick<Rejections, "isRefused">;
  readonly mayHave: MayHave;
  /** How often one that is not where the log has it at the source is looked for; undefined: ABSENT_LOOKS_MAX. */
  readonly absentLooksMax?: number;
  /** Messages whose bytes on the replica are known to be others than the source's. Asked once in a comparison. */
  readonly damaged?: (mailbox: MailboxGuid) => ReadonlySet<number>;
  /** Whether a UIDVALIDITY of the replica that is another one gives way to the source's. Asked once in a comparison. */
  readonly renumbers: (mailbox: MailboxGuid) => Readonly<Record<RenumberedBy, boolean>>;
  /** A mailbox has been compared, message by message: how many of them only the replica has. */
  readonly onForeign: (mailbox: MailboxGuid, messages: number) => void;
  /** The replica's next UID is ahead of the source's. */
  readonly onNextUid: (news: NextUidNews) => void;
  /** So many of the source's messages of it were looked at. */
  readonly onReached: (mailbox: MailboxGuid, messages: number) => void;
}

/** What a comparison of one mailbox has looked at and found. */
export interface MailboxCounts {
  /** Of the source. */
  readonly messages: number;
  /** That differed, and were offered. */
  readonly differed: number;
  /** That only the replica has. */
  readonly foreign: number;
}

export type Compared =
  /** Equal, but for what the log has above `lsn`. */
  | { readonly kind: "equal"; readonly lsn: number; readonly counts: MailboxCounts }
  /** By the replica, and there is a rejection of it. */
  | { readonly kind: "refused" }
  | { readonly kind: "failed"; readonly cause: Cause };

type Page = Pick<ComparedMailbox, "messages" | "reached" | "standing" | "unnumbered"> & {
  /** Absent: all chunks are. */
  readonly told?: readonly number[];
  readonly mayHaveFiles?: boolean;
};
type Description = Extract<DescribeOutcome, { kind: "described" }>;

/** Messages of the source that are compared together: all that a question speaks for, so that what moved among them is seen to have moved. */
const RANGE_MAX = CHUNK_SUMS_MAX * CHUNK_UIDS;
/** Of a mailbox that is made, or loses its numbering: what it has without a UID then is seen only when that is done. */
const NOTHING: Page = { messages: [], reached: UID_MAX, mayHaveFiles: true };

/** Returns when all that it offered is settled. Throws what concerns more than this mailbox. */
export async function compareMailbox(
  ports: ComparisonPorts,
  guid: MailboxGuid,
  signal: AbortSignal,
): Promise<Compared> {
  using _ = boundHeaps();
  const { absentLooksMax: looksMax = ABSENT_LOOKS_MAX } = ports;
  try {
    await ports.line.untilClear(guid, signal);
    const digester = new StateDigester(await openHash());
    let outcome = await new Comparison(ports, guid, digester).run(signal);
    for (let looks = 0; outcome.kind === "astray" && looks < looksMax; looks++) {
      ports.source.lookAgain(guid);
      await ports.clock.sleep(ABSENT_PAUSE_MS, signal);
      outcome = await new Comparison(ports, guid, digester).run(signal);
    }
    if (outcome.kind === "astray") return vanished("it is not where the log has it at the source");
    await ports.line.untilClear(guid, signal);
    return outcome.kind === "equal" && ports.rejections.isRefused(guid) ? { kind: "refused" } : outcome;
  } catch (error) {
    const cause = refusalOf(error);
    if (cause === undefined) throw error;
    return { kind: "failed", cause };
  }
}

/** One mailbox, once. */
class Comparison {
  readonly #ports: ComparisonPorts;
  readonly #guid: MailboxGuid;
  readonly #states: SourceStates;
  readonly #pages: MailboxPages;
  /** Messages that only the replica has. */
  #foreign = 0;
  /** Messages of the source. */
  #own = 0;
  #differed = 0;
  readonly #renumbers: Readonly<Record<RenumberedBy, boolean>>;
  readonly #damaged: ReadonlySet<number>;
  /** Of these the states of those that are to be placed anew. */
  readonly #toReplace: MessageState[] = [];

  constructor(ports: ComparisonPorts, guid: MailboxGuid, digester: StateDigester) {
    this.#ports = ports;
    this.#guid = guid;
    this.#damaged = ports.damaged?.(guid) ?? new Set();
    this.#renumbers = ports.renumbers(guid);
    this.#states = new SourceStates(ports.reader, guid, digester);
    this.#pages = new MailboxPages(ports.asker, { mailbox: guid, path: this.#states.row?.path ?? ROOT_PATH });
  }

  /** "astray": it is not where the log has it at the source, and nothing was offered. */
  async run(signal: AbortSignal): Promise<Compared | { readonly kind: "astray" }> {
    const { reader, source, mayHave = () => true } = this.#ports;
    const { row } = this.#states;
    if (row !== undefined && !mayHave(row.path)) return this.#equal(); // not even asked about.
    const replica = await this.#nextPage(signal);
    const isSources = (mailbox: MailboxGuid): boolean => reader.mailboxByGuid(mailbox) !== undefined;
    const plan = planMailbox({ source: row, replica, isSources });
    if (row === undefined) {
      if (plan.kind === "remove") await this.#offerStructure(plan.at, { kind: "delete" }, signal);
      return this.#equal();
    }
    const described = await source.describe({ guid: this.#guid, path: row.path });
    if (described.kind === "problem") return { kind: "failed", cause: causeOf(described.problem) };
    if (described.kind === "absent") return { kind: "astray" };
    return this.#bringAbout({ row, plan, replica, described }, signal);
  }

  async #bringAbout(
    {
      row,
      plan,
      replica,
      described,
    }: {
      readonly row: MailboxRow;
      readonly plan: MailboxPlan;
      readonly replica: ComparedMailbox;
      readonly described: Description;
    },
    signal: AbortSignal,
  ): Promise<Compared> {
    switch (plan.kind) {
      case "nothing":
      case "remove":
        return this.#equal(); // only of what the source does not have.
      case "make": {
        if (plan.forget !== undefined) await this.#offerStructure(plan.forget, { kind: "delete" }, signal);
        const range = new Ranges(this.#ports, { row, described, structure: described.creation, isNews: true });
        return this.#matchAll(range, NOTHING, signal);
      }
      case "renumber": {
        const { before, move, changedBy } = plan;
        if (!this.#renumbers[changedBy]) return ofAnotherUidValidity(row, before);
        if (move !== undefined) {
          await this.#offerStructure({ ...move.from, path: row.path }, renameOf(move, described), signal);
        }
        const range = new Ranges(this.#ports, { row, described, structure: { kind: "reset", before }, isNews: true });
        return this.#matchAll(range, NOTHING, signal);
      }
      case "match": {
        const { move, isNews } = plan;
        await this.#followNextUid(replica, signal);
        const structure = move === undefined ? undefined : renameOf(move, described);
        return this.#matchAll(new Ranges(this.#ports, { row, described, structure, isNews }), replica, signal);
      }
    }
  }

  /** What it was compared with is the baseline as it is, so the raise comes to the replica from the log, after all that is offered here. */
  async #followNextUid({ standing }: ComparedMailbox, signal: AbortSignal): Promise<void> {
    if (standing === undefined) return;
    const { uidValidity, uidNext: next } = standing;
    const news = await followNextUid(this.#ports.source, { mailbox: this.#guid, uidValidity, next }, signal);
    if (news !== undefined) this.#ports.onNextUid(news);
  }

  async #matchAll(ranges: Ranges, first: Page, signal: AbortSignal): Promise<Compared> {
    let page = first;
    for (;;) {
      const told = page.told === undefined ? undefined : new Set(page.told);
      let { messages } = page;
      let reached = 0;
      while (reached < page.reached) {
        const next = this.#states.take(page.reached, RANGE_MAX);
        reached = next.reached;
        const end = messages.findIndex(({ uid }) => uid > reached);
        const part = end < 0 ? messages : messages.slice(0, end);
        messages = messages.slice(part.length);
        // The others are equal, and were written.
        const states = told === undefined ? next.states : next.states.filter(({ uid }) => told.has(chunkOf(uid)));
        this.#foreign += countForeign(part, states);
        const changes = planMessages(part, states);
        this.#differed += changes.length;
        for (const state of next.states) if (this.#damaged.has(state.uid)) this.#toReplace.push(state);
        await ranges.offer(changes, reached, signal);
        this.#own += next.states.length;
        this.#ports.onReached(this.#guid, this.#own);
        if (this.#ports.rejections.isRefused(this.#guid)) return { kind: "refused" };
      }
      if (page.reached >= UID_MAX) {
        await ranges.offerBodies(this.#toReplace, signal);
        this.#differed += this.#toReplace.length;
        const mayHaveFiles = first.mayHaveFiles === true || (page.unnumbered ?? 0) > 0;
        if (mayHaveFiles) this.#foreign += await this.#countFiles(signal);
        this.#ports.onForeign(this.#guid, this.#foreign);
        return this.#equal();
      }
      page = await this.#nextPage(signal);
      if (page.standing?.uidValidity !== first.standing?.uidValidity) {
        return vanished("it was taken away on the replica while it was compared");
      }
    }
  }

  #nextPage(signal: AbortSignal): Promise<ComparedMailbox> {
    return this.#pages.next(this.#states.sums(CHUNK_SUMS_MAX), signal);
  }

  /**
   * Files of the replica without a UID. Those that have the name of a message of the source (a crash kept their record back) get it
   * with what was offered, so they are counted after that; what is refused is compared again, and counted then.
   */
  async #countFiles(signal: AbortSignal): Promise<number> {
    const { line, rejections } = this.#ports;
    await line.untilClear(this.#guid, signal);
    return rejections.isRefused(this.#guid) ? 0 : this.#pages.countUnnumbered(signal);
  }

  async #offerStructure({ path, uidValidity, uidNext }: MailboxFacts, structure: Structure, signal: AbortSignal) {
    const { clock, line } = this.#ports;
    const where = { guid: this.#guid, path, uidValidity, uidNext, headerExtra: "" };
    const bytes = encodeTransaction(structureTransaction(where, structure, clock.nowMs()));
    await line.offerBeside({ mailbox: this.#guid, lsn: 0, bytes }, signal);
  }

  #equal(): Compared {
    const counts = { messages: this.#own, differed: this.#differed, foreign: this.#foreign };
    return { kind: "equal", lsn: this.#states.lsn, counts };
  }
}

interface RangesInput {
  readonly row: MailboxRow;
  readonly described: Description;
  /** Of the first transaction. */
  readonly structure: Structure | undefined;
  /** There is a transaction, also if no message differs. */
  readonly isNews: boolean;
}

/** The changes of one mailbox, range by range, as transactions. */
class Ranges {
  readonly #ports: ComparisonPorts;
  readonly #input: RangesInput;
  #structure: Structure | undefined;
  #hasOffered = false;

  constructor(ports: ComparisonPorts, input: RangesInput) {
    this.#ports = ports;
    this.#input = input;
    this.#structure = input.structure;
  }

  /** `reached`: the last UID of the range; those that follow are above it. */
  async offer(changes: readonly Change[], reached: number, signal: AbortSignal): Promise<void> {
    const { row, isNews } = this.#input;
    const isLast = reached >= UID_MAX;
    const isDue = changes.length > 0 || this.#structure !== undefined || (isLast && (this.#hasOffered || isNews));
    if (!isDue) return;
    const structure = this.#structure === undefined ? {} : { structure: this.#structure };
    const uidNext = isLast ? row.uidNext : Math.min(reached + 1, row.uidNext);
    this.#structure = undefined;
    this.#hasOffered = true;
    await this.#offer({ ...structure, uidNext, changes }, {}, signal);
  }

  /** After all ranges: these messages are saved once more, with bodies that take the place of what is there. */
  async offerBodies(states: readonly MessageState[], signal: AbortSignal): Promise<void> {
    if (states.length === 0) return;
    const changes = states.map((message): Change => ({ kind: "save", message }));
    await this.#offer({ uidNext: this.#input.row.uidNext, changes }, { bodiesAnew: true }, signal);
  }

  async #offer(
    parts: Pick<Transaction, "uidNext" | "changes" | "structure">,
    how: { readonly bodiesAnew?: true },
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, line } = this.#ports;
    const { row, described } = this.#input;
    const { guid: mailbox, path, uidValidity, headerExtra } = row;
    const { fileOwner } = described;
    const whose = { mailbox, path, uidValidity, headerExtra, fileOwner, capturedMs: clock.nowMs() };
    for (const part of splitTransaction({ ...whose, ...parts })) {
      await line.offerBeside({ mailbox, lsn: 0, bytes: encodeTransaction(part), ...how }, signal);
    }
  }
}

function renameOf({ from, displaces }: Move, { creation: { parents } }: Description): Structure {
  const other = displaces === undefined ? {} : { displaces };
  return { kind: "rename", from: from.path, ...other, ...(parents.length === 0 ? {} : { parents }) };
}

/** Nobody's decision but a person's: clients of the replica would fetch all of it anew, and only he knows which of the two is right. */
function ofAnotherUidValidity({ path, uidValidity }: MailboxRow, replica: number): Compared {
  const where = `mailbox ${path === "" ? "INBOX" : displayRaw(path)}`;
  const words = `${where} has UIDVALIDITY ${replica} on the replica and ${uidValidity} at the source: it is left as it is, until somebody accepts the source's`;
  return { kind: "failed", cause: { code: "uidvalidity-differs", words } };
}

function vanished(words: string): Compared {
  return { kind: "failed", cause: { code: "mailbox-vanished", words: `comparing the mailbox: ${words}` } };
}
