/**
 * Brings one mailbox of a replica into agreement with the source's baseline, without the log: narrows down by sums where it differs, asks
 * what is there, and offers ordinary transactions that make up the difference, page by page.
 *
 * INVARIANT: nothing else of that mailbox is on its way meanwhile, or offered before the caller says so.
 * INVARIANT: the baseline is that of one commit: the log up to `lsn` of it needs not be offered afterwards, all above it does.
 */
import { boundHeaps } from "../base/bounded-heaps.js";
import type { Clock } from "../base/clock.js";
import { openHash } from "../base/hash.js";
import { randomFraction } from "../base/random.js";
import { displayRaw, ROOT_PATH } from "../base/raw-name.js";
import type { DescribeOutcome } from "../capture/capture-types.js";
import { structureTransaction } from "../capture/mailbox-structure.js";
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
import { StateDigester } from "../txn/digest.js";
import type { MessageState } from "../txn/message-state.js";
import { splitTransaction } from "../txn/split.js";
import type { Change, Structure, Transaction } from "../txn/transaction.js";
import { encodeTransaction } from "../txn/transaction-codec.js";
import type { ComparedMailbox, ToldMailbox } from "../wire/messages.js";
import type { Span } from "../wire/sums.js";
import { ABSENT_LOOKS_MAX, ABSENT_PAUSE_MS, WORDS_OF_HELD } from "./absent-bodies.js";
import type { Questions } from "./asker.js";
import { type Cause, causeOf } from "./conflict-rules.js";
import { refusalOf } from "./make-room.js";
import { type Begun, beginNarrowing, EVERYTHING, narrowDown } from "./narrowing.js";
import { followNextUid, type NextUidNews } from "./next-uids.js";
import type { MayHave, OfferLine } from "./offer-line.js";
import type { Rejections } from "./rejections.js";
import { MailboxPages } from "./replica-pages.js";
import type { SourceSide } from "./source-side.js";
import { type BaselineReader, SourceStates } from "./source-states.js";

/** `row`: the source's, of which nothing stands on the replica. `occupant`: in its place, if that is known. Throws what the replica refuses. */
export type ClearPlace = (row: MailboxRow, occupant: MailboxGuid | undefined, signal: AbortSignal) => Promise<void>;

export interface ComparisonPorts {
  readonly reader: BaselineReader;
  readonly clock: Clock;
  readonly source: Pick<SourceSide, "describe" | "lookAgain" | "whyHeld" | "pathOf" | "uidNextOf" | "raiseNextUid">;
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
  /** What makes room where the mailbox is to be made, if a person has asked for that. Asked once in a comparison. */
  readonly clearing?: (mailbox: MailboxGuid) => ClearPlace | undefined;
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

type Wishes = ReturnType<typeof wishesOf>;

type Description = Extract<DescribeOutcome, { kind: "described" }>;

/** Of a mailbox that stands nowhere, or not as the source has it. */
interface Differing {
  /** Ascending: what lies outside is equal, and was written. */
  readonly spans: readonly Span[];
  /** Of the replica; undefined: it has nothing there. */
  readonly uidValidity: number | undefined;
  /** Files without a UID, or it is not known. */
  readonly mayHaveFiles: boolean;
}

/** Messages of the source that are compared together, at the most, so that what moved among them is seen to have moved. */
const RANGE_MAX = 8192;
/** Of a mailbox that is made, or loses its numbering: what it has without a UID then is seen only when that is done. */
const NOTHING: Differing = { spans: EVERYTHING, uidValidity: undefined, mayHaveFiles: true };

const NO_MESSAGES: ToldMailbox = { messages: [], reached: UID_MAX };

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
    const wishes = wishesOf(ports, guid);
    const compare = () => new Comparison(ports, guid, digester, wishes).run(signal);
    let outcome = await compare();
    for (let looks = 0; outcome.kind === "astray" && looks < looksMax; looks++) {
      const held = await ports.source.whyHeld({ guid, uids: [] });
      ports.source.lookAgain(guid);
      if (held !== undefined) return vanished(WORDS_OF_HELD[held]);
      await ports.clock.sleep(ABSENT_PAUSE_MS, signal);
      outcome = await compare();
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

/** What somebody knows of it, or wants: asked once, however often the mailbox is looked for at the source. */
function wishesOf({ renumbers, damaged, clearing }: ComparisonPorts, guid: MailboxGuid) {
  return { renumbers: renumbers(guid), damaged: damaged?.(guid) ?? new Set<number>(), clearPlace: clearing?.(guid) };
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
  readonly #wishes: Wishes;

  constructor(ports: ComparisonPorts, guid: MailboxGuid, digester: StateDigester, wishes: Wishes) {
    this.#ports = ports;
    this.#guid = guid;
    this.#wishes = wishes;
    const seed = Math.floor(randomFraction() * 2 ** 32);
    this.#states = new SourceStates(ports.reader, guid, { digester, seed });
    this.#pages = new MailboxPages(ports.asker, { mailbox: guid, path: this.#states.row?.path ?? ROOT_PATH }, seed);
  }

  /** "astray": it is not where the log has it at the source, and nothing was offered. */
  async run(signal: AbortSignal): Promise<Compared | { readonly kind: "astray" }> {
    const { reader, source, mayHave = () => true } = this.#ports;
    const { row } = this.#states;
    if (row !== undefined && !mayHave(row.path)) return this.#equal(); // not even asked about.
    const isSources = (mailbox: MailboxGuid): boolean => reader.mailboxByGuid(mailbox) !== undefined;
    if (row === undefined) {
      const plan = planMailbox({ source: row, replica: await this.#pages.stand(signal), isSources });
      if (plan.kind === "remove") await this.#offerStructure(plan.at, { kind: "delete" }, signal);
      return this.#equal();
    }
    const begun = await beginNarrowing(this.#ends, signal);
    const plan = planMailbox({ source: row, replica: begun.replica, isSources });
    const described = await source.describe({ guid: this.#guid, path: row.path });
    if (described.kind === "problem") return { kind: "failed", cause: causeOf(described.problem) };
    if (described.kind === "absent") return { kind: "astray" };
    return this.#bringAbout({ row, plan, begun, described }, signal);
  }

  async #bringAbout(
    {
      row,
      plan,
      begun,
      described,
    }: {
      readonly row: MailboxRow;
      readonly plan: MailboxPlan;
      readonly begun: Begun;
      readonly described: Description;
    },
    signal: AbortSignal,
  ): Promise<Compared> {
    switch (plan.kind) {
      case "nothing":
      case "remove":
        return this.#equal(); // only of what the source does not have.
      case "make": {
        await this.#wishes.clearPlace?.(row, begun.replica.occupant, signal);
        if (plan.forget !== undefined) await this.#offerStructure(plan.forget, { kind: "delete" }, signal);
        const range = new Ranges(this.#ports, { row, described, structure: described.creation, isNews: true });
        return this.#matchAll(range, NOTHING, signal);
      }
      case "renumber": {
        const { before, move, changedBy } = plan;
        if (!this.#wishes.renumbers[changedBy]) return { kind: "failed", cause: ofAnotherUidValidity(row, before) };
        if (move !== undefined) {
          await this.#offerStructure({ ...move.from, path: row.path }, renameOf(move, described), signal);
        }
        const range = new Ranges(this.#ports, { row, described, structure: { kind: "reset", before }, isNews: true });
        return this.#matchAll(range, NOTHING, signal);
      }
      case "match": {
        const { move, isNews } = plan;
        const { standing, unnumbered = 0, differing } = begun.replica;
        await this.#followNextUid(begun.replica, signal);
        const spans = await narrowDown(this.#ends, begun, signal);
        const structure = move === undefined ? undefined : renameOf(move, described);
        const mayHaveFiles = differing === undefined || unnumbered > 0;
        const found = { spans, uidValidity: standing?.uidValidity, mayHaveFiles };
        return this.#matchAll(new Ranges(this.#ports, { row, described, structure, isNews }), found, signal);
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

  async #matchAll(ranges: Ranges, found: Differing, signal: AbortSignal): Promise<Compared> {
    let { spans } = found;
    while (spans.length > 0) {
      const page = found.uidValidity === undefined ? NO_MESSAGES : await this.#pages.tell(spans, signal);
      if (page.standing?.uidValidity !== found.uidValidity)
        return vanished("it was taken away on the replica while it was compared");
      const left = spansAbove(spans, page.reached);
      if (!(await this.#matchPage(ranges, spans, { ...page, isLast: left.length === 0 }, signal)))
        return { kind: "refused" };
      spans = left;
    }
    if (found.spans.length === 0) await ranges.offer([], UID_MAX, signal);
    this.#reach(UID_MAX);
    const toReplace = this.#states.pick(this.#wishes.damaged);
    await ranges.offerBodies(toReplace, signal);
    this.#differed += toReplace.length;
    if (found.mayHaveFiles) this.#foreign += await this.#countFiles(signal);
    this.#ports.onForeign(this.#guid, this.#foreign);
    return this.#equal();
  }

  /** False: the replica refuses what was offered. */
  async #matchPage(
    ranges: Ranges,
    spans: readonly Span[],
    { messages, reached, isLast }: Pick<ToldMailbox, "messages" | "reached"> & { readonly isLast: boolean },
    signal: AbortSignal,
  ): Promise<boolean> {
    let told = messages;
    for (let afterUid = 0; afterUid < reached; ) {
      const next = this.#states.take(spans, { afterUid, upTo: reached }, RANGE_MAX);
      const end = told.findIndex(({ uid }) => uid > next.reached);
      const part = end < 0 ? told : told.slice(0, end);
      told = told.slice(part.length);
      this.#foreign += countForeign(part, next.states);
      const changes = planMessages(part, next.states);
      this.#differed += changes.length;
      afterUid = next.reached;
      // Above the last span nothing differs.
      await ranges.offer(changes, isLast && afterUid === reached ? UID_MAX : afterUid, signal);
      this.#reach(afterUid);
      if (this.#ports.rejections.isRefused(this.#guid)) return false;
    }
    return true;
  }

  #reach(uid: number): void {
    this.#own = this.#states.countUpTo(uid);
    this.#ports.onReached(this.#guid, this.#own);
  }

  /**
   * Files of the replica without a UID. Those that have the name of a message of the source (a crash kept their record back) get it
   * with what was offered, so they are counted after that; what is refused is compared again, and counted then.
   */
  async #countFiles(signal: AbortSignal): Promise<number> {
    const { line, rejections } = this.#ports;
    await line.untilClear(this.#guid, signal);
    return rejections.isRefused(this.#guid) ? 0 : ((await this.#pages.stand(signal)).unnumbered ?? 0);
  }

  async #offerStructure({ path, uidValidity, uidNext }: MailboxFacts, structure: Structure, signal: AbortSignal) {
    const { clock, line } = this.#ports;
    const where = { guid: this.#guid, path, uidValidity, uidNext, headerExtra: "" };
    const bytes = encodeTransaction(structureTransaction(where, structure, clock.nowMs()));
    await line.offerBeside({ mailbox: this.#guid, lsn: 0, bytes }, signal);
  }

  get #ends() {
    return { states: this.#states, pages: this.#pages };
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

function spansAbove(spans: readonly Span[], uid: number): readonly Span[] {
  return spans.flatMap((span) => (span.below > uid + 1 ? [{ ...span, from: Math.max(span.from, uid + 1) }] : []));
}

function renameOf({ from, displaces }: Move, { creation: { parents } }: Description): Structure {
  const other = displaces === undefined ? {} : { displaces };
  return { kind: "rename", from: from.path, ...other, ...(parents.length === 0 ? {} : { parents }) };
}

/**
 * Why a mailbox is left alone. Nobody's decision but a person's: clients of the replica would fetch all of it anew, and only he knows
 * which of the two is right. `replica`: the UIDVALIDITY there.
 */
export function ofAnotherUidValidity(
  { path, uidValidity }: Pick<MailboxRow, "path" | "uidValidity">,
  replica: number,
): Cause {
  const where = `mailbox ${path === "" ? "INBOX" : displayRaw(path)}`;
  const words = `${where} has UIDVALIDITY ${replica} on the replica and ${uidValidity} at the source: it is left as it is, until somebody accepts the source's`;
  return { code: "uidvalidity-differs", words };
}

function vanished(words: string): Compared {
  return { kind: "failed", cause: { code: "mailbox-vanished", words: `comparing the mailbox: ${words}` } };
}
