/** What the commands do that ask a running daemon for something: one question, one line of answer. Each returns the exit code. */
import * as z from "zod";
import { EX } from "../../base/errors.js";
import { formatCount } from "../../base/text-format.js";
import { surroundingsOfProcess } from "../config/load-config.js";
import { onOneLine } from "../config/problem.js";
import { daemonError } from "../errors.js";
import type { Output } from "../output.js";
import { countOf } from "../words.js";
import { askDaemon } from "./control-client.js";
import { isKnown } from "./explain.js";
import { formatExplanation } from "./explain-text.js";
import { type ControlFlags, findControl } from "./find-control.js";
import { explanationSchema } from "./status-schema.js";

export interface WishFlags extends ControlFlags {
  readonly user?: string;
  readonly mailbox?: string;
}

export interface ResyncFlags extends WishFlags {
  readonly store?: string;
  readonly replica?: string;
  readonly dryRun?: boolean;
  readonly clearPlace?: boolean;
  /** Of a dry run. */
  readonly verbose?: boolean;
}

export interface ExplainFlags extends ControlFlags {
  readonly user?: string;
  readonly store?: string;
}

const target = z.looseObject({ store: z.string(), replica: z.string() });
/** Mailboxes have to be looked up, and a reload may wait for what is under way. */
const LONG_MS = 120_000;

interface Asking<T> {
  readonly route: string;
  readonly body: object;
  readonly answer: z.ZodType<T>;
  readonly words: (answer: T) => string;
}

async function ask<T>(flags: ControlFlags, asking: Asking<T>, output: Output): Promise<number> {
  await askAndTell(flags, asking, output);
  return EX.OK;
}

async function askAndTell<T>(flags: ControlFlags, { words, ...question }: Asking<T>, output: Output): Promise<T> {
  const place = findControl(flags, surroundingsOfProcess(), output);
  const answer = await askDaemon(place, { method: "POST", waitMsMax: LONG_MS, ...question });
  output.out(flags.json === true ? `${JSON.stringify(answer)}\n` : words(answer));
  return answer;
}

export function pause(replica: string, flags: ControlFlags, output: Output): Promise<number> {
  const words = (it: z.infer<typeof target>) =>
    line(`${it.store}/${it.replica} is paused; mailtwin resume lets it go on`);
  return ask(flags, { route: "pause", body: { replica }, answer: target, words }, output);
}

export function resume(replica: string, flags: ControlFlags, output: Output): Promise<number> {
  const words = (it: z.infer<typeof target>) => line(`${it.store}/${it.replica} goes on`);
  return ask(flags, { route: "resume", body: { replica }, answer: target, words }, output);
}

/**
 * Exit code 1 where one that was meant is paused, or one of several cannot be asked: whoever waits for its mail waits in vain. 69 where
 * nothing was done at all.
 */
export async function fetchNow(replica: string | undefined, flags: ControlFlags, output: Output): Promise<number> {
  const question = { route: "fetch-now", body: { replica }, answer: fetched, words: wordsOfFetched };
  const { asked, paused, connected, beyond } = await askAndTell(flags, question, output);
  if (paused.length === 0 && beyond.length === 0 && asked + connected.length > 0) return EX.OK;
  return asked + connected.length > 0 ? EX.PARTIAL : EX.UNAVAILABLE;
}

const fetched = z.looseObject({
  ...{ asked: z.number(), paused: z.array(z.string()), connected: z.array(z.string()) },
  beyond: z.array(z.looseObject({ name: z.string(), words: z.string() })),
});

function wordsOfFetched({ asked, paused, connected, beyond }: z.infer<typeof fetched>): string {
  const all = [
    ...(asked > 0 ? [`asked for: ${numbered(asked, "replica", "replicas")}`] : []),
    ...connected.map((name) => `${name} is connected already: what changes is sent as it comes`),
    ...paused.map((name) => `${name} is paused, and gets nothing until mailtwin resume ${name}`),
    ...beyond.map(({ name, words }) => `${name}: ${words}`),
  ];
  return (all.length === 0 ? ["there is nothing to be asked for: no store has a replica, or is one"] : all)
    .map(line)
    .join("");
}

/** Exit code 77 where nothing is compared, since no replica that was meant may have it. */
export async function resync(asked: ResyncFlags, output: Output): Promise<number> {
  const { user, mailbox, replica, store, dryRun, verbose, clearPlace: clearsPlace, ...flags } = asked;
  if (clearsPlace === true && (mailbox === undefined || dryRun === true))
    throw daemonError("usage", "reading the command line: --clear-place is for one --mailbox, and not for --dry-run");
  if (dryRun === true) {
    const { planResync } = await import("./plan-command.js"); // nobody else needs its schemas.
    return planResync(asked, output);
  }
  if (verbose === true) throw daemonError("usage", "reading the command line: --verbose is for --dry-run");
  const body = { user, mailbox, replica, store, clearsPlace };
  const question = { route: "resync", body, answer: compared, words: wordsOfCompared };
  const { mailboxes, limited } = await askAndTell(flags, question, output);
  return mailboxes === 0 && limited.length > 0 ? EX.NOPERM : EX.OK;
}

const compared = z.looseObject({
  ...{ mailboxes: z.number(), ofSource: z.number(), replicas: z.number() },
  ...{ paused: z.array(z.string()), away: z.array(z.string()) },
  limited: z.array(z.looseObject({ name: z.string(), mailboxes: z.number(), why: z.string() })),
});

function wordsOfCompared({ mailboxes, ofSource, replicas, paused, away, limited }: z.infer<typeof compared>): string {
  const where = replicas > 1 ? ` on ${formatCount(replicas)} replicas` : "";
  // Where a replica may not have all of them, or stores have other replicas.
  const isEach = mailboxes === ofSource * replicas;
  const sum = isEach ? "" : ` (not each on each: ${numbered(mailboxes, "comparison", "comparisons")})`;
  const all = [
    `${countOf(ofSource, "mailbox")}${where} will be compared${sum}`,
    ...limited.map((it) => `${it.name} may not have ${countOf(it.mailboxes, "mailbox")} of that (${it.why})`),
    ...paused.map((name) => `${name} is paused, and is compared after mailtwin resume ${name}`),
    ...away.map((name) => `${name} is not connected, and is compared when it is`),
  ];
  return all.map(line).join("");
}

const rejected = z.looseObject({ rejects: z.number(), toCompare: z.number(), paused: z.boolean() });
type Rejected = z.infer<typeof rejected>;

export function rejectsRetry(replica: string, { user, mailbox, ...flags }: WishFlags, output: Output): Promise<number> {
  const words = (answer: Rejected) => {
    const when = answer.paused ? ` after mailtwin resume ${replica}: it is paused` : "";
    return wordsOfRejected(answer, `${numbered(answer.rejects, "reject", "rejects")} will be tried again${when}`);
  };
  return ask(flags, { route: "rejects/retry", body: { replica, user, mailbox }, answer: rejected, words }, output);
}

export function rejectsSkip(replica: string, { user, mailbox, ...flags }: WishFlags, output: Output): Promise<number> {
  const words = (answer: Rejected) => {
    const when = answer.paused ? `after mailtwin resume ${replica}: it is paused` : "as soon as a new link is there";
    const whose = answer.rejects === 1 ? "its mailbox is" : "their mailboxes are";
    return wordsOfRejected(
      answer,
      `${numbered(answer.rejects, "reject", "rejects")} skipped: instead ${whose} compared, ${when}; until that is done mailtwin rejects list has the wish (resync-asked), and what differs all the same is refused again while its cause stands`,
    );
  };
  return ask(flags, { route: "rejects/skip", body: { replica, user, mailbox }, answer: rejected, words }, output);
}

function wordsOfRejected({ rejects, toCompare }: Rejected, words: string): string {
  const compared =
    toCompare === 0 ? [] : [`${countOf(toCompare, "mailbox")} of the rejection log: to be compared, not refused`];
  return [rejects === 0 ? "nothing is rejected" : words, ...compared].map(line).join("");
}

export function reload(flags: ControlFlags, output: Output): Promise<number> {
  const answer = z.looseObject({ changes: z.array(z.string()) });
  const words = ({ changes }: z.infer<typeof answer>) =>
    changes.length === 0 ? line("nothing is different") : changes.map(line).join("");
  return ask(flags, { route: "reload", body: {}, answer, words }, output);
}

/** Exit code 66 where no message with that UID is known: the answer says so too. */
export async function explain(
  { mailbox, uid }: { readonly mailbox: string; readonly uid: string },
  { user, store, ...flags }: ExplainFlags,
  output: Output,
): Promise<number> {
  if (!/^[1-9]\d{0,9}$/.test(uid) || Number(uid) > 0xffff_ffff)
    throw daemonError("usage", `reading the command line: "${onOneLine(uid)}" is no UID`);
  const body = { user, store, mailbox, uid: Number(uid) };
  const question = { route: "explain", body, answer: explanationSchema, words: formatExplanation };
  return isKnown(await askAndTell(flags, question, output)) ? EX.OK : EX.NOINPUT;
}

/** What a daemon says is not written raw to a terminal. */
function line(words: string): string {
  return `${onOneLine(words)}\n`;
}

function numbered(count: number, one: string, more: string): string {
  return `${formatCount(count)} ${count === 1 ? one : more}`;
}
