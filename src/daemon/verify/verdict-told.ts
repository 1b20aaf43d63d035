/** The outcome of a comparison as it is told: the same lines and the same JSON whoever compared. */
import { EX } from "../../base/errors.js";
import { formatDuration } from "../../base/text-format.js";
import type { MailboxGuid } from "../../maildir/ids.js";
import type { Finding, MailboxDifference, Side } from "../../resync/differences.js";
import type { Verdict } from "../../resync/verify-stores.js";
import type { Output } from "../output.js";
import { countOf } from "../words.js";
import { type SideNames, shownName, wordsOfDifference, wordsOfFinding } from "./difference-words.js";

/** One thing that differs. */
interface ToldFinding {
  readonly kind: Finding["kind"];
  /** Of a message. */
  readonly uid: number | undefined;
  /** Whose it is, where it is of one side; of a body whose bytes were changed, where that is known. */
  readonly side: Side | undefined;
  readonly words: string;
}

/** One mailbox that differs. */
export interface ToldDifference {
  readonly mailbox: string;
  readonly guid: MailboxGuid | undefined;
  /** One line each; of many messages the first. */
  readonly words: readonly string[];
  readonly findings: readonly ToldFinding[];
  /** Messages that differ and are not among the findings. */
  readonly further: number;
  /** It was not there, or not so, at the look before. */
  readonly changing: boolean;
}

export interface ToldSum {
  readonly mailboxes: number;
  readonly messages: number;
}

export interface ToldVerdict {
  readonly equal: boolean;
  readonly a: ToldSum;
  readonly b: ToldSum;
  readonly differences: readonly ToldDifference[];
  readonly looks: number;
  /** Messages whose bytes were compared. */
  readonly read: number;
}

/** Differing messages of one mailbox that are told in words. */
const WORDS_MAX = 20;
/** Findings that are told in all: who has more has another store. */
const FINDINGS_MAX = 50_000;

export function told({ a, b, differences, changing, looks, read }: Verdict, names: SideNames): ToldVerdict {
  const unsteady = new Set(changing.map(nameOf));
  let left = FINDINGS_MAX;
  const all = differences.map((difference): ToldDifference => {
    const { guid, path, findings, further } = difference;
    const kept = findings.slice(0, left).map((finding) => toldFinding(finding, names));
    left -= kept.length;
    return {
      ...{ mailbox: shownName(path), guid, words: wordsOfDifference(difference, names, WORDS_MAX), findings: kept },
      further: further + findings.length - kept.length,
      changing: unsteady.has(nameOf(difference)),
    };
  });
  const sum = ({ mailboxes, messages }: ToldSum) => ({ mailboxes, messages });
  return { equal: differences.length === 0, a: sum(a), b: sum(b), differences: all, looks, read };
}

function toldFinding(finding: Finding, names: SideNames): ToldFinding {
  const uid = "uid" in finding ? finding.uid : undefined;
  const side = sideOf(finding);
  return { kind: finding.kind, uid, side, words: wordsOfFinding(finding, names) };
}

function sideOf(finding: Finding): Side | undefined {
  if (finding.kind !== "body") return "side" in finding ? finding.side : undefined;
  const bad = finding.verdict?.kind;
  return bad === "source-bad" ? "a" : bad === "replica-bad" ? "b" : undefined;
}

/** Mailboxes of another UIDVALIDITY. */
export function renumberedIn({ differences }: ToldVerdict): readonly ToldDifference[] {
  return differences.filter(({ findings }) => findings.some(({ kind }) => kind === "uidvalidity"));
}

function nameOf({ guid, path }: MailboxDifference): string {
  return guid ?? `at ${path}`;
}

export interface Telling {
  readonly isQuiet: boolean;
  readonly names: SideNames;
  readonly elapsedMs: number;
  /** Mailboxes of another UIDVALIDITY that were left as they are. */
  readonly left: number;
  /** Which of several: "mail/b: ". */
  readonly of?: string;
}

/** Returns the exit code. */
export function tellText(verdict: ToldVerdict, telling: Telling, output: Output): number {
  const { a, b, differences, equal, read } = verdict;
  const { isQuiet, names, elapsedMs, left, of = "" } = telling;
  for (const { mailbox, words } of differences) {
    output.out(`${of}${mailbox}\n`);
    for (const line of words) output.out(`  ${line}\n`);
  }
  if (left > 0) output.out(`${of}${wordsOfLeft(left, names)}\n`);
  const bytes = read === 0 ? "" : `the bytes of ${countOf(read, "message")} were compared, `;
  const took = `(${bytes}${formatDuration(elapsedMs)})`;
  if (equal) {
    if (!isQuiet) output.out(`${of}equal: ${sizeOf(a)} ${took}\n`);
    return EX.OK;
  }
  const moving = differences.filter(({ changing }) => changing).length;
  const still =
    moving > 0
      ? ` (${moving === differences.length ? "" : `${countOf(moving, "mailbox")} of them `}still changing)`
      : "";
  const differ = `${countOf(differences.length, "mailbox")} differ${differences.length === 1 ? "s" : ""}${still}`;
  output.out(`${of}not equal: ${differ}; ${names.a} has ${sizeOf(a)}, ${names.b} ${sizeOf(b)} ${took}\n`);
  return EX.PARTIAL;
}

function wordsOfLeft(left: number, { a, b }: SideNames): string {
  const [isLeft, which] =
    left === 1
      ? ["has another UIDVALIDITY and was left as it is", "it"]
      : ["have another UIDVALIDITY and were left as they are", "them"];
  return `${countOf(left, "mailbox")} of ${b} ${isLeft}: --accept-uidvalidity gives ${which} that of ${a}, and clients of ${b} fetch all of ${which} anew`;
}

function sizeOf({ messages, mailboxes }: ToldSum): string {
  return `${countOf(messages, "message")} in ${countOf(mailboxes, "mailbox")}`;
}
