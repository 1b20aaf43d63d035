/** `mailtwin deletions list|approve`: what the brake of the running daemon holds back, and that it may go. Each returns the exit code. */
import * as z from "zod";
import { EX } from "../../base/errors.js";
import { formatCount } from "../../base/text-format.js";
import { wordsOfWhy } from "../brake-words.js";
import { surroundingsOfProcess } from "../config/load-config.js";
import { onOneLine } from "../config/problem.js";
import type { Output } from "../output.js";
import { countOf, withoutMiddle } from "../words.js";
import { askDaemon } from "./control-client.js";
import { type ControlFlags, findControl } from "./find-control.js";

export interface DeletionsFlags extends ControlFlags {
  readonly store?: string;
}

/** It waits for what is being captured. */
const WAIT_MS_MAX = 120_000;

const count = z.number().nonnegative();
const answerSchema = z.looseObject({
  stores: z.array(
    z.looseObject({
      ...{ store: z.string(), sinceMs: z.number(), why: z.enum(["messages", "deleted-mailboxes", "mount-missing"]) },
      ...{ messages: count, limit: count, held: count, mailboxes: count, mounts: z.array(z.string()).default([]) },
      named: z.array(
        z.looseObject({ mailbox: z.string(), messages: count, isWhole: z.boolean(), uids: z.array(count) }),
      ),
    }),
  ),
});
type Held = z.infer<typeof answerSchema>["stores"][number];

/** Exit code 1 where something is held back. */
export async function listDeletions(flags: DeletionsFlags, output: Output): Promise<number> {
  const stores = await ask("deletions", flags, output, wordsOfPlan);
  return stores.length === 0 ? EX.OK : EX.PARTIAL;
}

export async function approveDeletions(flags: DeletionsFlags, output: Output): Promise<number> {
  await ask("deletions/approve", flags, output, (held) => [
    `${held.store}: ${countOf(held.held, "message")} in ${countOf(held.mailboxes, "mailbox")} may go, and go now; what goes later is judged anew`,
  ]);
  return EX.OK;
}

async function ask(
  route: string,
  flags: DeletionsFlags,
  output: Output,
  words: (held: Held) => readonly string[],
): Promise<readonly Held[]> {
  const place = findControl(flags, surroundingsOfProcess(), output);
  const question = { method: "POST", route, body: { store: flags.store }, answer: answerSchema } as const;
  const answer = await askDaemon(place, { ...question, waitMsMax: WAIT_MS_MAX });
  const lines = answer.stores.length === 0 ? ["no deletion is held back"] : answer.stores.flatMap(words);
  output.out(
    flags.json === true ? `${JSON.stringify(answer)}\n` : lines.map((line) => `${onOneLine(line)}\n`).join(""),
  );
  return answer.stores;
}

function wordsOfPlan(plan: Held): readonly string[] {
  const { store, sinceMs, held, mailboxes, named } = plan;
  const since = new Date(sinceMs).toISOString().replace(/\.\d+Z$/, "Z");
  const more = mailboxes - named.length;
  return [
    `${store}: since ${since}, as ${wordsOfWhy(plan).join(", and as ")}`,
    `  held back: ${countOf(held, "message")} in ${countOf(mailboxes, "mailbox")}${held === 0 ? ": all came back, or was not looked for yet" : ""}`,
    ...named.map(wordsOfMailbox),
    ...(more > 0 ? [`  and ${formatCount(more)} more`] : []),
  ];
}

function wordsOfMailbox({ mailbox, messages, isWhole, uids }: Held["named"][number]): string {
  const name = withoutMiddle(mailbox);
  if (isWhole) return `  ${name}: the mailbox is gone, with ${countOf(messages, "message")}`;
  const shown = `UID ${uids.join(", ")}${messages > uids.length ? ", ..." : ""}`;
  return `  ${name}: ${countOf(messages, "message")} (${shown})`;
}
