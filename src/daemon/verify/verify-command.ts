/** `mailtwin verify`: are two stores equal, message by message? Two directories, or a source and the replicas of a running daemon. */
import * as z from "zod";
import { systemClock } from "../../base/clock.js";
import { Disposer } from "../../base/disposal.js";
import { EX } from "../../base/errors.js";
import { verifyStores } from "../../resync/verify-stores.js";
import { surroundingsOfProcess } from "../config/load-config.js";
import { onOneLine } from "../config/problem.js";
import { askDaemon } from "../control/control-client.js";
import { type ControlFlags, findControl } from "../control/find-control.js";
import { daemonError } from "../errors.js";
import { STOP_SIGNALS, stopReason } from "../interruption.js";
import type { Output } from "../output.js";
import { type RemoteFlags, remoteProgramOf } from "../remote-flags.js";
import { REPLICATED, type SideNames } from "./difference-words.js";
import { openSide } from "./sides.js";
import { type ToldVerdict, tellText, told } from "./verdict-told.js";

export interface VerifyFlags extends ControlFlags, RemoteFlags {
  readonly quiet?: boolean;
  /** Seconds. */
  readonly settle?: string;
  readonly store?: string;
  readonly replica?: string;
}

const SETTLE_S = 2;
const SETTLE_S_MAX = 3600;
/** Millions of messages that were never looked at take minutes. */
const ANSWER_MS_MAX = 6 * 3_600_000;
const DIRECTORIES: SideNames = { a: "A", b: "B" };

/** Returns the exit code: 0 equal, 1 not. */
export async function verify(
  a: string | undefined,
  b: string | undefined,
  flags: VerifyFlags,
  output: Output,
): Promise<number> {
  const settleMs = settleOf(flags.settle);
  const stop = new AbortController();
  const onSignal = (signal: NodeJS.Signals) => stop.abort(stopReason(signal));
  for (const signal of STOP_SIGNALS) process.once(signal, onSignal);
  try {
    const places = placesOf(a, b, flags);
    if (places === undefined) return await verifyReplicas(flags, settleMs, output, stop.signal);
    return await verifyDirectories(places, flags, settleMs, output, stop.signal);
  } finally {
    for (const signal of STOP_SIGNALS) process.off(signal, onSignal);
  }
}

/** Undefined where the daemon is meant. Throws: usage. */
function placesOf(a: string | undefined, b: string | undefined, flags: VerifyFlags) {
  const refuse = (why: string) => daemonError("usage", `reading the command line: ${why}`);
  if (a === undefined || b === undefined) {
    if (a === undefined) return undefined;
    throw refuse("verify takes two stores, or none for the replicas of the running daemon");
  }
  for (const flag of ["store", "replica", "control", "config"] as const)
    if (flags[flag] !== undefined) throw refuse(`--${flag} is for the replicas of the running daemon, without A and B`);
  for (const [use, path] of Object.entries({ A: a, B: b })) if (path === "") throw refuse(`${use} is empty ("")`);
  return { a, b };
}

async function verifyDirectories(
  { a, b }: { readonly a: string; readonly b: string },
  flags: VerifyFlags,
  settleMs: number,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  const startMs = systemClock.monotonicMs();
  await using owner = new Disposer();
  const program = remoteProgramOf(flags);
  const open = (text: string) => openSide(text, program, owner, signal);
  const [sideA, sideB] = await Promise.all([open(a), open(b)]);
  const sides = { a: sideA, b: sideB };
  const settle = (inner: AbortSignal) => systemClock.sleep(settleMs, inner);
  const verdict = told(await verifyStores({ sides, settle }, signal), DIRECTORIES);
  const elapsedMs = systemClock.monotonicMs() - startMs;
  if (flags.json !== true)
    return tellText(verdict, { isQuiet: flags.quiet === true, names: DIRECTORIES, elapsedMs }, output);
  output.out(`${JSON.stringify({ ...verdict, elapsedMs: Math.round(elapsedMs) })}\n`);
  return verdict.equal ? EX.OK : EX.PARTIAL;
}

const sum = z.looseObject({ mailboxes: z.number(), messages: z.number() });
const difference = z.looseObject({ mailbox: z.string(), words: z.array(z.string()), changing: z.boolean() });
const verified = z.looseObject({
  ...{ store: z.string(), replica: z.string(), kind: z.literal("verified"), equal: z.boolean(), looks: z.number() },
  ...{ a: sum, b: sum, differences: z.array(difference), elapsedMs: z.number() },
});
const unverified = z.looseObject({
  ...{ store: z.string(), replica: z.string(), kind: z.literal("unverified"), code: z.string(), words: z.string() },
});
const answer = z.looseObject({ replicas: z.array(z.discriminatedUnion("kind", [verified, unverified])) });

async function verifyReplicas(
  flags: VerifyFlags,
  settleMs: number,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  const place = findControl(flags, surroundingsOfProcess(), output);
  const body = { store: flags.store, replica: flags.replica, settleMs };
  const question = { method: "POST", route: "verify", body, answer, waitMsMax: ANSWER_MS_MAX } as const;
  const { replicas } = await askDaemon(place, question, signal);
  if (replicas.length === 0)
    throw daemonError("usage", "comparing the replicas of the running daemon: it has none that is meant");
  const isEqual = replicas.every((it) => it.kind === "verified" && it.equal);
  if (flags.json === true) output.out(`${JSON.stringify({ equal: isEqual, replicas })}\n`);
  for (const it of flags.json === true ? [] : replicas) {
    const of = `${it.store}/${it.replica}: `;
    if (it.kind === "unverified") output.out(onOneLine(`${of}not compared: ${it.words}`).concat("\n"));
    else
      tellText(safely(it), { isQuiet: flags.quiet === true, names: REPLICATED, elapsedMs: it.elapsedMs, of }, output);
  }
  return isEqual ? EX.OK : EX.PARTIAL;
}

/** What comes from the daemon goes to a terminal. */
function safely(it: z.infer<typeof verified>): ToldVerdict {
  const { equal, a, b, looks } = it;
  const differences = it.differences.map(({ mailbox, words, changing }) => {
    const lines = words.map(onOneLine);
    return { mailbox: onOneLine(mailbox), guid: undefined, words: lines, findings: [], further: 0, changing };
  });
  return { equal, a, b, differences, looks };
}

/** Throws: usage. */
function settleOf(text: string | undefined): number {
  const seconds = text === undefined ? SETTLE_S : Number(text);
  if (text === "" || !(seconds >= 0 && seconds <= SETTLE_S_MAX))
    throw daemonError("usage", `reading the command line: --settle takes seconds from 0 to ${SETTLE_S_MAX}`);
  return Math.round(seconds * 1000);
}
