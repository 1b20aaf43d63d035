/** `mailtwin resync --dry-run`: what the running daemon would do, in words or as JSON. */
import * as z from "zod";
import { EX } from "../../base/errors.js";
import { surroundingsOfProcess } from "../config/load-config.js";
import { onOneLine } from "../config/problem.js";
import type { Output } from "../output.js";
import { countOf } from "../words.js";
import { askDaemon } from "./control-client.js";
import { type ControlFlags, findControl } from "./find-control.js";
import { linesOfTwinPlan } from "./plan-text.js";

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
    return linesOfTwinPlan(it, of, "mailtwin deletions list");
  });
  const less = limited.map(
    ({ name, mailboxes, why }) => `${name} may not have ${countOf(mailboxes, "mailbox")} of that (${why})`,
  );
  const nobody = replicas.length + limited.length === 0 ? ["there is no replica to be compared"] : [];
  return [...lines, ...less, ...nobody].map(onOneLine);
}
