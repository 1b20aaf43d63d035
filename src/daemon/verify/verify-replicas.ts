/** `mailtwin verify` without directories: the replicas of the running daemon, which compares them itself. */
import * as z from "zod";
import { EX } from "../../base/errors.js";
import { surroundingsOfProcess } from "../config/load-config.js";
import { onOneLine } from "../config/problem.js";
import { askDaemon } from "../control/control-client.js";
import { findControl } from "../control/find-control.js";
import { daemonError } from "../errors.js";
import type { Output } from "../output.js";
import { countOf } from "../words.js";
import { REPLICATED } from "./difference-words.js";
import { type ToldVerdict, tellText } from "./verdict-told.js";
import { sampleIn, type VerifyFlags } from "./verify-flags.js";

/** Millions of messages that were never looked at take minutes. */
const ANSWER_MS_MAX = 6 * 3_600_000;

const sum = z.looseObject({ mailboxes: z.number(), messages: z.number() });
const difference = z.looseObject({ mailbox: z.string(), words: z.array(z.string()), changing: z.boolean() });
const verified = z.looseObject({
  ...{
    store: z.string(),
    replica: z.string(),
    kind: z.literal("verified"),
    equal: z.boolean(),
    looks: z.number(),
    read: z.number(),
  },
  ...{
    a: sum,
    b: sum,
    differences: z.array(difference),
    elapsedMs: z.number(),
    repaired: z.number(),
    left: z.number(),
  },
});
const unverified = z.looseObject({
  ...{ store: z.string(), replica: z.string(), kind: z.literal("unverified"), code: z.string(), words: z.string() },
});
const answer = z.looseObject({ replicas: z.array(z.discriminatedUnion("kind", [verified, unverified])) });

/** Returns the exit code. */
export async function verifyReplicas(
  flags: VerifyFlags,
  settleMs: number,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  const place = findControl(flags, surroundingsOfProcess(), output);
  const { store, replica, repair, trustSource, acceptUidvalidity: acceptsUidValidity } = flags;
  const wish = { repair, trustSource, acceptsUidValidity };
  const body = { store, replica, settleMs, sample: sampleIn(flags), ...wish };
  const question = { method: "POST", route: "verify", body, answer, waitMsMax: ANSWER_MS_MAX } as const;
  const { replicas } = await askDaemon(place, question, signal);
  if (replicas.length === 0)
    throw daemonError("usage", "comparing the replicas of the running daemon: it has none that is meant");
  const isEqual = replicas.every((it) => it.kind === "verified" && it.equal);
  if (flags.json === true) output.out(`${JSON.stringify({ equal: isEqual, replicas })}\n`);
  for (const it of flags.json === true ? [] : replicas) {
    const of = `${it.store}/${it.replica}: `;
    if (it.kind === "unverified") {
      output.out(`${onOneLine(`${of}not compared: ${it.words}`)}\n`);
      continue;
    }
    if (it.repaired > 0 && flags.quiet !== true)
      output.out(`${of}${countOf(it.repaired, "mailbox")} differed, and the replica was brought in agreement\n`);
    const { elapsedMs, left } = it;
    tellText(safely(it), { isQuiet: flags.quiet === true, names: REPLICATED, elapsedMs, left, of }, output);
  }
  return isEqual ? EX.OK : EX.PARTIAL;
}

/** What comes from the daemon goes to a terminal. */
function safely(it: z.infer<typeof verified>): ToldVerdict {
  const { equal, a, b, looks, read } = it;
  const differences = it.differences.map(({ mailbox, words, changing }) => {
    const lines = words.map(onOneLine);
    return { mailbox: onOneLine(mailbox), guid: undefined, words: lines, findings: [], further: 0, changing };
  });
  return { equal, a, b, differences, looks, read };
}
