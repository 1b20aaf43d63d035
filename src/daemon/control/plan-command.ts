/** `mailtwin resync --dry-run`: what the running daemon would do, in words or as JSON. */
import * as z from "zod";
import { EX } from "../../base/errors.js";
import { formatCount, formatDuration } from "../../base/text-format.js";
import { surroundingsOfProcess } from "../config/load-config.js";
import { onOneLine } from "../config/problem.js";
import type { Output } from "../output.js";
import { countOf, withoutMiddle } from "../words.js";
import { askDaemon } from "./control-client.js";
import { type ControlFlags, findControl } from "./find-control.js";

export interface PlanFlags extends ControlFlags {
  readonly user?: string;
  readonly mailbox?: string;
  readonly store?: string;
  readonly replica?: string;
  readonly verbose?: boolean;
}

/** Millions of messages take minutes. */
const ANSWER_MS_MAX = 6 * 3_600_000;

const count = z.number().nonnegative();
const sum = z.looseObject({ kind: z.string(), count, words: z.string() });
const action = sum.extend({
  why: z.string(),
  messages: z.array(z.looseObject({ uid: count, words: z.string() })),
});
const plan = z.looseObject({
  ...{ mailbox: z.string(), changing: z.boolean(), actions: z.array(action) },
  failure: z.looseObject({ code: z.string(), words: z.string() }).optional(),
});
const planned = z.looseObject({
  ...{ store: z.string(), replica: z.string(), kind: z.literal("planned") },
  ...{ mailboxes: count, messages: count, equal: count, toChange: count, failed: count, heldBack: count },
  ...{ comparing: z.boolean(), sums: z.array(sum), plans: z.array(plan), further: count, elapsedMs: count },
});
const unplanned = z.looseObject({
  ...{ store: z.string(), replica: z.string(), kind: z.literal("unplanned"), code: z.string(), words: z.string() },
});
const answer = z.looseObject({
  replicas: z.array(z.discriminatedUnion("kind", [planned, unplanned])),
  limited: z.array(z.looseObject({ name: z.string(), mailboxes: count, why: z.string() })),
});

type Planned = z.infer<typeof planned>;
type Plan = z.infer<typeof plan>;
type Action = z.infer<typeof action>;

/**
 * Exit code 0 where all that was meant was compared, whatever differs; 1 where a replica or a mailbox was not, 69 where no replica was, 77
 * where none may have what was named.
 */
export async function planResync(
  { user, mailbox, replica, store, verbose, ...flags }: PlanFlags,
  output: Output,
): Promise<number> {
  const place = findControl(flags, surroundingsOfProcess(), output);
  const body = { user, mailbox, replica, store, verbose };
  const question = { method: "POST", route: "resync/plan", body, answer, waitMsMax: ANSWER_MS_MAX } as const;
  const told = await askDaemon(place, question);
  const { replicas, limited } = told;
  if (flags.json === true) output.out(`${JSON.stringify(told)}\n`);
  else for (const line of linesOf(told)) output.out(`${line}\n`);
  if (replicas.length === 0) return limited.length > 0 ? EX.NOPERM : EX.OK;
  const done = replicas.flatMap((it) => (it.kind === "planned" ? [it] : []));
  if (done.length === 0) return EX.UNAVAILABLE;
  return done.length === replicas.length && done.every(({ failed }) => failed === 0) ? EX.OK : EX.PARTIAL;
}

/** What a daemon says is not written raw to a terminal. */
function linesOf({ replicas, limited }: z.infer<typeof answer>): readonly string[] {
  const lines = replicas.flatMap((it) => {
    const of = `${it.store}/${it.replica}: `;
    if (it.kind === "unplanned") return [`${of}not compared: ${it.words}`];
    const further = it.further > 0 ? [`${of}and ${countOf(it.further, "mailbox")} more`] : [];
    return [...it.plans.flatMap((each) => linesOfPlan(each, of)), ...further, ...lastLines(it, of)];
  });
  const less = limited.map(
    ({ name, mailboxes, why }) => `${name} may not have ${countOf(mailboxes, "mailbox")} of that (${why})`,
  );
  const nobody = replicas.length + limited.length === 0 ? ["there is no replica to be compared"] : [];
  return [...lines, ...less, ...nobody].map(onOneLine);
}

function linesOfPlan({ mailbox, changing, failure, actions }: Plan, of: string): readonly string[] {
  const name = `${of}${withoutMiddle(mailbox)}`;
  if (failure === undefined && actions.length === 0) return [`${name}: equal`];
  return [
    `${name}${changing ? " (something of it is on its way, and may be part of this)" : ""}`,
    ...(failure === undefined ? [] : [`  not compared: ${failure.words}`]),
    ...actions.flatMap(linesOfAction),
  ];
}

function linesOfAction({ words, why, count: all, messages }: Action): readonly string[] {
  const more =
    messages.length > 0 && all > messages.length ? [`    and ${formatCount(all - messages.length)} more`] : [];
  return [`  ${words}: ${why}`, ...messages.map((each) => `    ${each.words}`), ...more];
}

function lastLines(it: Planned, of: string): readonly string[] {
  const { mailboxes, messages, equal, toChange, failed, sums, heldBack, comparing, elapsedMs } = it;
  const all = `${countOf(messages, "message")} in ${countOf(mailboxes, "mailbox")}`;
  const took = `(${formatDuration(elapsedMs)})`;
  const unread = failed === 0 ? "" : `, ${countOf(failed, "mailbox")} could not be compared`;
  const whole = equal === mailboxes ? `${all} are equal` : `of ${all} nothing is to be changed`;
  const verdict =
    toChange === 0
      ? `nothing to do: ${whole}`
      : `${countOf(toChange, "mailbox")} of ${formatCount(mailboxes)} would be changed`;
  const held = `${of}of the store, ${countOf(heldBack, "message")} that went at the source are held back, and stay (mailtwin deletions list)`;
  return [
    ...(comparing ? [`${of}it is being compared now: what that has done already is not told`] : []),
    ...(heldBack > 0 ? [held] : []),
    ...(sums.length === 0 ? [] : [`${of}in all: ${sums.map(({ words }) => words).join(", ")}`]),
    `${of}${verdict}${unread} ${took}`,
  ];
}
