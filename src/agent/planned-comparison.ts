/**
 * Says what a comparison would do, and does nothing: the comparison of compare-mailbox.ts, with ports that tell what would be offered
 * instead of sending it.
 *
 * INVARIANT: nothing is written on either side: no offer, no mark, no rejection, no cursor; no body is read. Of the replica it is asked how
 * it stands, and nothing there counts as over for having been asked.
 * INVARIANT: a mailbox is told of when nothing of it was on its way from its first page to its last, or as one that is changing.
 */
import { Beside } from "../base/beside.js";
import { nextTurn } from "../base/clock.js";
import { ROOT_PATH } from "../base/raw-name.js";
import type { StateReader } from "../log/state-ports.js";
import { type MailboxGuid, UID_MAX } from "../maildir/ids.js";
import { decodeTransaction } from "../txn/transaction-codec.js";
import type { Answer, Ask } from "../wire/messages.js";
import { type ComparisonPorts, compareMailbox } from "./compare-mailbox.js";
import type { LogSender } from "./log-sender.js";
import type { Mender } from "./mender.js";
import type { OfferLine } from "./offer-line.js";
import { MailboxSteps, type PlannedMailbox, type Standing } from "./planned-mailbox.js";
import type { Rejections } from "./rejections.js";
import { MailboxPages } from "./replica-pages.js";
import type { SourceSide } from "./source-side.js";
import type { BaselineReader } from "./source-states.js";
import { goingPlaces, ownPlaces, type Place, standingOf } from "./store-comparison.js";

/** Of a source's state. */
export type PlanReader = BaselineReader & Pick<StateReader, "mailboxes" | "entriesAfter" | "logBytes">;

export interface PlanPorts extends Pick<ComparisonPorts, "asker" | "clock" | "mayHave" | "renumbers"> {
  readonly reader: PlanReader;
  readonly source: Pick<SourceSide, "describe" | "whyHeld" | "pathOf" | "uidNextOf">;
  /** The replica's. */
  readonly name: string;
  readonly line: Pick<OfferLine, "has">;
  readonly rejections: Pick<Rejections, "rows">;
  readonly sender: Pick<LogSender, "sentLsn">;
  readonly mender: Pick<Mender, "isMending">;
  /** A mailbox that the source has deleted goes to the limbo with the mail that only the replica has; else that keeps it there. */
  readonly foreignGoes?: boolean;
}

/** What is meant: these mailboxes of the source, or the whole replica, with what the source does not have any more. */
export type PlanWish = ReadonlySet<MailboxGuid> | "all";

/** Mailboxes that are compared at a time. */
const LANES_MAX = 2;
/** For what is on its way, over all mailboxes: what comes later is told as changing. */
const REST_MS_MAX = 60_000;
const REST_LOOK_MS = 50;
/** Times that a mailbox is looked at which something comes to meanwhile. */
const LOOKS_MAX = 3;
/** A mailbox that is not where the log has it is told as that: it may be one of many whose deletion is held back. */
const ABSENT_LOOKS_MAX = 4;
/** Of the log that was not sent, that is looked through; where there is more, something of each mailbox may be on its way. */
const UNSENT_BYTES_MAX = 8 * 1024 * 1024;
const READ_BYTES_MAX = 2 * 1024 * 1024;

/**
 * Each mailbox that is meant and that the replica may have, as it is compared, in no order. Returns when `tell` was called for all of them.
 * Throws: replica-emptied, what ends the link, the abort reason.
 */
export async function planComparison(
  ports: PlanPorts,
  wish: PlanWish,
  tell: (planned: PlannedMailbox) => void,
  signal: AbortSignal,
): Promise<void> {
  const { reader, name, asker, clock } = ports;
  const written = await standingOf(name, asker, signal); // of one mailbox, too: what is all gone is not made anew unasked.
  const all = reader.mailboxes();
  const own = ownPlaces(ports, all).filter(({ mailbox }) => wish === "all" || wish.has(mailbox));
  const going = wish === "all" ? goingPlaces(ports, all, written) : [];
  const restUntilMs = clock.monotonicMs() + REST_MS_MAX;
  const failures: unknown[] = [];
  const lanes = new Beside(LANES_MAX, (error) => failures.push(error));
  for (const place of [...going, ...own]) {
    await lanes.add(planSteadily(ports, place, restUntilMs, signal).then(tell));
    if (failures.length > 0) break;
  }
  await lanes.ended();
  if (failures.length > 0) throw failures[0];
}

async function planSteadily(
  ports: PlanPorts,
  place: Place,
  restUntilMs: number,
  signal: AbortSignal,
): Promise<PlannedMailbox> {
  const { mailbox } = place;
  const { clock, reader } = ports;
  for (let looks = 1; ; looks++) {
    while (!isAtRest(ports, mailbox) && clock.monotonicMs() < restUntilMs) await clock.sleep(REST_LOOK_MS, signal);
    const wasAtRest = isAtRest(ports, mailbox);
    const lsn = reader.lastLsn();
    const planned = await planOnce(ports, place, signal);
    const changing = !wasAtRest || !isAtRest(ports, mailbox) || hasEntries(ports, mailbox, lsn);
    if (!changing || looks === LOOKS_MAX) return { ...planned, changing };
  }
}

/** Nothing of it is on its way, or about to be. */
function isAtRest(ports: PlanPorts, mailbox: MailboxGuid): boolean {
  const { line, mender, sender, reader } = ports;
  if (line.has(mailbox) || mender.isMending(mailbox)) return false;
  const { sentLsn } = sender;
  if (sentLsn >= reader.lastLsn()) return true;
  return reader.logBytes(sentLsn) <= UNSENT_BYTES_MAX && !hasEntries(ports, mailbox, sentLsn);
}

/** Whether the log has something of it after that, as far as can be known: what was trimmed may have been. */
function hasEntries({ reader }: PlanPorts, mailbox: MailboxGuid, after: number): boolean {
  for (let lsn = after; lsn < reader.lastLsn(); ) {
    const entries = reader.entriesAfter(lsn, READ_BYTES_MAX);
    if (entries[0]?.lsn !== lsn + 1 || entries.some((entry) => entry.mailbox === mailbox)) return true;
    lsn = entries.at(-1)?.lsn ?? lsn;
  }
  return false;
}

async function planOnce(
  ports: PlanPorts,
  { mailbox, path: former }: Place,
  signal: AbortSignal,
): Promise<Omit<PlannedMailbox, "changing">> {
  const { reader, source, clock, mayHave, renumbers, foreignGoes = false } = ports;
  const isSources = (guid: MailboxGuid) => reader.mailboxByGuid(guid) !== undefined;
  let steps = new MailboxSteps(isSources, foreignGoes);
  let messages = 0;
  let lastSeed: number | undefined;
  const onAnswer = (ask: Ask, answer: Answer): void => {
    if (ask.kind === "compare" && ask.seed !== lastSeed) {
      steps = new MailboxSteps(isSources, foreignGoes); // it begins anew.
      lastSeed = ask.seed;
    }
    const isCounted = ask.kind === "tell-held" && ask.spans.length === 0;
    if (answer.kind === "compare" || answer.kind === "tell-held")
      steps.noteStanding(isCounted ? { unnumbered: 0, ...answer } : answer);
    if (answer.kind === "tell-held") steps.noteTold(answer.messages);
  };
  const telling: ComparisonPorts = {
    ...{ reader, clock, mayHave, renumbers, asker: looking(ports, onAnswer), absentLooksMax: ABSENT_LOOKS_MAX },
    source: {
      describe: (where) => source.describe(where),
      lookAgain: () => undefined,
      whyHeld: (of) => source.whyHeld(of),
      pathOf: (guid) => source.pathOf(guid),
      uidNextOf: (guid) => source.uidNextOf(guid),
      async raiseNextUid({ guid, to }) {
        steps.noteRaise(source.uidNextOf(guid), to);
        return { kind: "none" };
      },
    },
    line: {
      untilClear: async () => undefined, // what is on its way is looked at around all of it.
      async offerBeside({ bytes }) {
        steps.note(decodeTransaction(bytes));
        await nextTurn(); // a mailbox that is made is one long plan, and others have their turn.
        signal.throwIfAborted();
      },
    },
    rejections: { isRefused: () => false },
    onForeign: () => undefined,
    onNextUid: () => undefined,
    onReached: (_, reached) => {
      messages = reached;
    },
  };
  const compared = await compareMailbox(telling, mailbox, signal);
  const path = reader.mailboxByGuid(mailbox)?.path;
  const common = { mailbox, path: path ?? former, messages };
  if (compared.kind === "failed") return { ...common, groups: [], failure: compared.cause };
  const where = { mailbox, path: path ?? ROOT_PATH };
  const standing = steps.needsStanding ? await countStanding(ports, where, signal) : undefined;
  return { ...common, groups: steps.end(standing), failure: undefined };
}

/** Questions of one who only looks. `onAnswer` gets what is told of a mailbox, before whoever asked. */
function looking(
  { asker }: Pick<PlanPorts, "asker">,
  onAnswer: (ask: Ask, answer: Answer) => void,
): PlanPorts["asker"] {
  return {
    async ask(ask, signal) {
      if (ask.kind !== "compare" && ask.kind !== "tell-held") return asker.ask(ask, signal);
      const answer = await asker.ask({ ...ask, looksOnly: true }, signal);
      onAnswer(ask, answer);
      return answer;
    },
  };
}

/** All that stands in it, also beyond the page that a comparison needs to see. */
async function countStanding(
  ports: PlanPorts,
  where: Pick<Place, "mailbox" | "path">,
  signal: AbortSignal,
): Promise<Standing> {
  const asker = looking(ports, () => undefined);
  const pages = new MailboxPages(asker, where, 0); // nothing is summed up.
  const { unnumbered = 0 } = await pages.stand(signal);
  let [applied, own] = [0, unnumbered];
  for (let reached = -1; reached < UID_MAX; ) {
    const page = await pages.tell([{ from: reached + 1, below: UID_MAX + 1 }], signal);
    for (const { held } of page.messages) {
      if (held === "applied") applied += 1;
      else if (held === "foreign") own += 1;
    }
    reached = page.reached;
  }
  return { applied, own };
}
