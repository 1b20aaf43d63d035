/**
 * For people: a progress bar with the time left on a terminal (progress-line.ts), else a line every five seconds; notes summed up, a line every
 * five seconds too; problems and the summary in plain words. Results go to stdout, problems to stderr.
 */
import type { SingleBar } from "cli-progress";
import { type Clock, systemClock, type Timer } from "../base/clock.js";
import { formatBytes, formatCount, formatDuration } from "../base/text-format.js";
import { onOneLine } from "./config/problem.js";
import type { TwinPlan } from "./control/plan-answer.js";
import { linesOfTwinPlan } from "./control/plan-text.js";
import { NoteSums } from "./note-sums.js";
import { countsOf, drawProgress, noteOf, percentOf } from "./progress-line.js";
import type { NextUidReport, Reporter, ShippedReport, Summary } from "./reporter.js";
import { asSentence, countOf, withoutMiddle, withoutMiddles, wordsOfRenumbered } from "./words.js";

export interface TextSinks {
  readonly out: (line: string) => void;
  readonly err: (line: string) => void;
  /** A bar to draw on; undefined where stdout is no terminal. */
  readonly bar: SingleBar | undefined;
  /** How wide the terminal is now (default: 80). */
  readonly columns?: () => number;
  readonly quiet: boolean;
  readonly verbose: boolean;
  /** Default: the system's. */
  readonly clock?: Clock;
}

const LINE_EVERY_MS = 5_000;

export function openTextReporter(sinks: TextSinks): Reporter {
  const { out, err, bar, columns = () => 80, quiet, verbose, clock = systemClock } = sinks;
  let [lastLineMs, percentShown] = [0, 0];
  let [barShown, hintAbove] = [false, ""];
  const hideBar = () => {
    if (barShown) bar?.stop();
    barShown = false;
  };
  const say = (line: string) => {
    hideBar();
    hintAbove = "";
    if (!quiet) out(line);
  };
  const notes = openNotes(clock, (line) => say(`note: ${line}`));
  return {
    plan: (words) => out(words),
    planned: (plan) => tellPlan(plan, out),
    warning(words) {
      hideBar();
      err(`warning: ${words}`);
    },
    progress(progress) {
      if (quiet) return;
      if (bar !== undefined) {
        const percent = percentOf(progress);
        // What came meanwhile makes the whole larger; nothing that was done is undone.
        if (percent !== undefined) percentShown = Math.max(percentShown, percent);
        const line = drawProgress(progress, percent === undefined ? undefined : percentShown, columns() - 1);
        if (barShown) bar.setTotal(progress.messagesTotal);
        else bar.start(progress.messagesTotal, 0, { line });
        barShown = true;
        bar.update(progress.messagesDone, { line });
      } else if (progress.elapsedMs - lastLineMs >= LINE_EVERY_MS) {
        lastLineMs = progress.elapsedMs;
        out(`${countsOf(progress)}, ${noteOf(progress)}`);
      }
    },
    live({ mailboxes, messages }) {
      notes.flush();
      const are = messages === 1 ? "is" : "are";
      say(`live: ${wholeOf(messages, mailboxes)} ${are} equal; watching (Ctrl-C ends)`);
    },
    shipped(report) {
      if (!quiet) notes.add(report);
      if (verbose) say(shippedLine(report));
    },
    renumbered: (report) => say(`renumbered: ${withoutMiddles(wordsOfRenumbered(report))}`),
    conflict: ({ words }) => say(`conflict: ${withoutMiddles(words)}`),
    nextUidRaised: (report) => say(nextUidLine(report)),
    problem({ message, hint }) {
      hideBar();
      // Many of one kind come together (a user's whole copy of his mail): what to do is said with the first.
      err(`problem: ${asSentence(withoutMiddles(message))} ${hint === hintAbove ? "What to do: as above." : hint}`);
      hintAbove = hint;
    },
    summary(summary) {
      notes.flush();
      say(summaryLine(summary));
    },
    error({ message, hint }) {
      notes.flush();
      hideBar();
      err(`mailtwin: ${asSentence(message)}\n${hint}`);
    },
    close() {
      notes.flush();
      hideBar();
    },
  };
}

function tellPlan(plan: TwinPlan, out: (line: string) => void): void {
  for (const line of linesOfTwinPlan(plan, "", "--approve-deletions")) out(onOneLine(line));
}

/** The first note is shown at once; those that follow within five seconds of a line are summed up in the next one. */
function openNotes(clock: Clock, show: (line: string) => void) {
  const sums = new NoteSums();
  let lastLineMs = Number.NEGATIVE_INFINITY;
  let timer: Timer | undefined;
  const flush = () => {
    timer?.cancel();
    timer = undefined;
    const line = sums.take();
    if (line === undefined) return;
    lastLineMs = clock.monotonicMs();
    show(line);
  };
  return {
    add(report: ShippedReport): void {
      if (report.notes.length === 0) return;
      sums.add(report);
      const leftMs = lastLineMs + LINE_EVERY_MS - clock.monotonicMs();
      if (leftMs <= 0) flush();
      else timer ??= clock.setTimer(leftMs, flush);
    },
    flush,
  };
}

function shippedLine(report: ShippedReport): string {
  return `${nameOf(report.path)}: ${changesOf(report)} (${Math.round(report.lagMs)} ms)`;
}

function nextUidLine({ path, from, to }: NextUidReport): string {
  return `next UID: ${nameOf(path)} goes on with UID ${to} in SRC, not ${from}: DST has given out those between`;
}

function nameOf(path: string): string {
  return path === "" ? "INBOX" : withoutMiddle(path);
}

function changesOf({ structure, saves, marks, expunges, rebinds }: ShippedReport): string {
  const parts = [
    structure === undefined ? "" : `mailbox ${structure}`,
    saves === 0 ? "" : `${saves} new`,
    marks === 0 ? "" : countOf(marks, "flag change"),
    expunges === 0 ? "" : `${expunges} expunged`,
    rebinds === 0 ? "" : `${rebinds} renumbered`,
  ].filter((part) => part !== "");
  return parts.length === 0 ? "next UID" : parts.join(", ");
}

/** What is known, and no more: what others did to the destination is not looked at. */
function summaryLine(summary: Summary): string {
  const { mailboxes, messages, transactions, saves, marks, expunges, bodiesBytes, problems, elapsedMs } = summary;
  const whole = wholeOf(messages, mailboxes);
  const took = formatDuration(elapsedMs);
  const beside = `${contactOf(summary)}${writtenOf(summary)}${caughtOf(summary)}`;
  const isIdle = transactions === 0;
  if (isIdle && problems === 0) {
    const why = mailboxes === 0 ? "SRC has no mailbox" : `no change in SRC since the last run, ${whole}`;
    return `nothing to do: ${why} (${took})${beside}`;
  }
  const counts = `${formatCount(saves)} new, ${countOf(marks, "flag change")}, ${formatCount(expunges)} expunged, ${formatBytes(bodiesBytes)} of bodies`;
  const shipped = isIdle ? `nothing shipped (${took})` : `shipped ${counts} in ${took}`;
  return `${doneOf(problems)}: ${whole}; ${shipped}${structureOf(summary)}${beside}${waitingOf(problems)}`;
}

function doneOf(problems: number): string {
  return problems === 0 ? "done" : `done, except for ${countOf(problems, "problem")}`;
}

/** The problems themselves are on stderr, which may be elsewhere than this line. */
function waitingOf(problems: number): string {
  if (problems === 0) return "";
  const them = problems === 1 ? "it" : "them";
  return `; changes may wait behind ${them}: see "problem: ..." on standard error`;
}

/** "; 1 mailbox made, 3 mailboxes deleted (60 messages to the limbo)", or "". */
function structureOf({ mailboxesMade, mailboxesRenamed, mailboxesDeleted, messagesOfDeleted }: Summary): string {
  const parts = [
    mailboxesMade === 0 ? "" : `${countOf(mailboxesMade, "mailbox")} made`,
    mailboxesRenamed === 0 ? "" : `${countOf(mailboxesRenamed, "mailbox")} renamed`,
    mailboxesDeleted === 0
      ? ""
      : `${countOf(mailboxesDeleted, "mailbox")} deleted (${countOf(messagesOfDeleted, "message")} to the limbo)`,
  ].filter((part) => part !== "");
  return parts.length === 0 ? "" : `; ${parts.join(", ")}`;
}

/** What was written to the source, whose mail is never touched, but whose UIDs are; or "". */
function writtenOf(summary: Summary): string {
  const { numberedInSource, renumberedInSource, identifiedInSource, raisedInSource } = summary;
  const parts = [
    numberedInSource === 0 ? "" : `numbered ${countOf(numberedInSource, "message")}`,
    renumberedInSource === 0 ? "" : `renumbered ${countOf(renumberedInSource, "message")}`,
    identifiedInSource === 0 ? "" : `gave ${countOf(identifiedInSource, "mailbox")} an identity`,
    raisedInSource === 0 ? "" : `raised the next UID of ${countOf(raisedInSource, "mailbox")}`,
  ].filter((part) => part !== "");
  return parts.length === 0 ? "" : `; ${parts.join(", ")} in SRC`;
}

/** "; 65 messages in 5 mailboxes were there already; 4 messages moved to the limbo", or "". */
function contactOf({ adopted, mailboxesFound, remarked, reused, kept, toLimbo }: Summary): string {
  const were = adopted === 1 ? "was" : "were";
  const found =
    adopted === 0 && mailboxesFound === 0 ? "" : `; ${wholeOf(adopted, mailboxesFound)} ${were} there already`;
  const flagged = remarked === 0 ? "" : `, of which ${formatCount(remarked)} took SRC's flags`;
  const bodies = reused === 0 ? "" : `; ${bodiesOf(reused)} found in DST and used again`;
  const stayed = kept === 0 ? "" : `; ${countOf(kept, "message")} that only DST has kept`;
  return `${found}${flagged}${bodies}${stayed}${toLimbo === 0 ? "" : `; ${countOf(toLimbo, "message")} moved to the limbo`}`;
}

function bodiesOf(count: number): string {
  return count === 1 ? "1 body was" : `${formatCount(count)} bodies were`;
}

/** Nothing where events had told of every change. */
function caughtOf({ caughtBySweep }: Summary): string {
  if (caughtBySweep === 0) return "";
  return `; ${countOf(caughtBySweep, "change")} found by sweeps, of which no event had told`;
}

function wholeOf(messages: number, mailboxes: number): string {
  return `${countOf(messages, "message")} in ${countOf(mailboxes, "mailbox")}`;
}
