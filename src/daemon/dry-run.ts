/**
 * `--dry-run`: says in words what a sync would do. Reads both stores and the state, writes nothing anywhere.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ofAnotherUidValidity } from "../agent/compare-mailbox.js";
import type { UidValidityChoice } from "../agent/recovery.js";
import { Disposer } from "../base/disposal.js";
import { displayRaw, type RawPath } from "../base/raw-name.js";
import { openStateReader } from "../log/state-reader.js";
import type { CaptureCommit, LogEntry, MailboxRow } from "../log/state-types.js";
import { describeTransaction } from "../txn/describe.js";
import type { Transaction } from "../txn/transaction.js";
import { decodeTransaction } from "../txn/transaction-codec.js";
import { LATE_ADOPTION } from "./adopt.js";
import { type RenumberedMailbox, readStanding, WORK } from "./at-rest.js";
import { choiceAnew, isBegunAnew } from "./begin-anew.js";
import { openDryWorker, readSource } from "./dry-capture.js";
import { describeFirstContact } from "./dry-run-contact.js";
import { PlanTotals } from "./dry-run-totals.js";
import type { ForeignChoice } from "./first-contact.js";
import { hasAside, type Places, refuseVanished } from "./places.js";
import { describeGone, describeMoved } from "./put-back.js";
import type { ProblemReport, Reporter } from "./reporter.js";
import { compareStores } from "./same-stores.js";
import { problemOfRejection } from "./standing-problems.js";
import { countOf, mailboxName } from "./words.js";

const ENTRIES_BYTES_MAX = 4 * 1024 * 1024;

export interface DryRunChoices {
  readonly foreign: ForeignChoice;
  /** The state's stores may stand elsewhere than it says. */
  readonly moved: boolean;
  /** DST is meant to be a copy already. */
  readonly adopts: boolean;
  readonly acceptsUidValidity: UidValidityChoice;
}

/** Returns the number of problems. Throws what would stop the sync before anything is written, when all else is said. */
export async function runDryRun(
  places: Places,
  { foreign: chosen, moved, adopts, acceptsUidValidity }: DryRunChoices,
  reporter: Reporter,
  signal: AbortSignal,
): Promise<number> {
  await using owner = new Disposer();
  let sentences = 0;
  const say = (words: string): void => {
    sentences += 1;
    reporter.plan(words);
  };
  if (compareStores(places, moved) === "same") refuseVanished(places);
  const standing = readStanding(places, acceptsUidValidity !== "all");
  if (standing.kind === "outdated") say(standing.words);
  const { moved: astray, gone, renumbered } = standing.kind === "work" ? standing : WORK;
  for (const mailbox of astray) say(describeMoved(mailbox));
  for (const mailbox of gone) say(describeGone(mailbox));
  const foreign = choiceAnew(chosen, standing.kind === "outdated" || isBegunAnew(places));
  const [sourceState, replicaState] = statePaths(places);
  const known = standing.kind !== "outdated" && existsSync(sourceState) && hasMet(replicaState);
  const isContact = !known && existsSync(places.destination);
  const contact = isContact ? await describeFirstContact(places, { foreign, adopts }, signal) : undefined;
  if (known && adopts) reporter.warning(LATE_ADOPTION);
  const totals = new PlanTotals();
  totals.addGone(gone);
  const tell = (bytes: Uint8Array): void => {
    const transaction = lackingIn(contact?.basesByGuid, decodeTransaction(bytes));
    if (transaction === undefined) return;
    totals.addTransaction(transaction);
    say(describeTransaction(transaction));
  };
  if (known) for (const { bytes } of pendingEntries(sourceState, replicaState)) tell(bytes);
  const place = { store: places.source, site: places.sourceSite };
  const worker = await openDryWorker(place, { statePath: known ? sourceState : undefined }, owner);
  const tellUnnumbered = (path: RawPath, count: number): void => {
    totals.addUnnumbered(count);
    say(`${mailboxName(path)}: give UIDs to ${countOf(count, "message")} of SRC without one, and deliver`);
  };
  const onCommit = ({ transactions }: CaptureCommit) => {
    for (const { bytes } of transactions) tell(bytes);
  };
  const telling = { onCommit, tellUnnumbered };
  const { problems } = await readSource(worker, known ? readRows(sourceState) : [], telling, signal);
  for (const words of contact?.sentences ?? []) say(words);
  for (const finding of contact?.findings ?? []) totals.addFinding(finding, foreign);
  for (const { isWhole } of contact?.elsewhere ?? []) if (!isWhole) totals.addRenamed();
  if (hasAside(places)) say("put back the mail of DST that was set aside at first contact");
  for (const problem of problems) reporter.problem({ ...problem, path: displayRaw(problem.path) });
  for (const mailbox of renumbered) reporter.problem(problemOfRenumbered(mailbox));
  const inAll = totals.words();
  if (inAll !== undefined) reporter.plan(inAll);
  if (sentences === 0) reporter.plan(nothingToDo(known, problems.length + renumbered.length));
  if (contact?.refused !== undefined) throw contact.refused;
  return problems.length + renumbered.length;
}

/** As the run will tell it. */
function problemOfRenumbered({ row, uidValidity }: RenumberedMailbox): ProblemReport {
  const { code, words } = ofAnotherUidValidity(row, uidValidity);
  return problemOfRejection({ path: row.path, code, message: words });
}

/** Says no more than was looked at: DST may have been changed by others. */
function nothingToDo(known: boolean, problems: number): string {
  if (problems === 0) return `nothing to do: ${known ? "no change in SRC since the last run" : "SRC has no mailbox"}`;
  const except = `nothing to do, except for ${countOf(problems, "problem")}`;
  return known
    ? `${except}: no change in the rest of SRC since the last run`
    : `${except}: nothing else was found in SRC`;
}

function statePaths({ state }: Places): readonly [source: string, replica: string] {
  return [join(state, "source.db"), join(state, "replica.db")];
}

/** What a mailbox that stands there already has not got; undefined if it has all of it. */
function lackingIn(
  basesByGuid: ReadonlyMap<string, ReadonlySet<string>> | undefined,
  transaction: Transaction,
): Transaction | undefined {
  const bases = basesByGuid?.get(transaction.mailbox);
  if (bases === undefined) return transaction;
  const { structure: _created, ...rest } = transaction;
  const changes = transaction.changes.filter((change) => change.kind !== "save" || !bases.has(change.message.base));
  return changes.length === 0 ? undefined : { ...rest, changes };
}

/** Something was written to the destination before: this is no first contact. */
function hasMet(replicaState: string): boolean {
  return existsSync(replicaState) && readRows(replicaState).length > 0;
}

function readRows(statePath: string): readonly MailboxRow[] {
  using reader = openStateReader(statePath);
  return reader.mailboxes();
}

/** What an earlier run has read and not brought to the destination: refused, or cut off. */
function pendingEntries(sourceState: string, replicaState: string): readonly LogEntry[] {
  using source = openStateReader(sourceState);
  using replica = openStateReader(replicaState);
  const pending: LogEntry[] = [];
  let lsn = replica.appliedLsn(source.meta("log-id") ?? "");
  const refused = new Set(source.rejections().map((row) => row.lsn));
  for (const each of [...refused].filter((it) => it <= lsn).sort((a, b) => a - b)) {
    pending.push(...source.entriesAfter(each - 1, 1).filter((entry) => entry.lsn === each));
  }
  for (;;) {
    const entries = source.entriesAfter(lsn, ENTRIES_BYTES_MAX);
    const last = entries.at(-1);
    if (last === undefined) return pending;
    pending.push(...entries);
    lsn = last.lsn;
  }
}
