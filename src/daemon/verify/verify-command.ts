/** `mailtwin verify`: are two stores equal, message by message? Two directories, or a source and the replicas of a running daemon. */
import { systemClock } from "../../base/clock.js";
import { Disposer } from "../../base/disposal.js";
import { EX } from "../../base/errors.js";
import { damagedIn, judgeDifferences, trustedIn } from "../../resync/judge-bodies.js";
import { verifyStores } from "../../resync/verify-stores.js";
import { daemonError } from "../errors.js";
import { STOP_SIGNALS, stopReason } from "../interruption.js";
import type { Output } from "../output.js";
import { canRedraw } from "../progress-line.js";
import { remoteAt, remoteProgramOf } from "../remote-flags.js";
import { countOf } from "../words.js";
import { isInSample } from "./deep.js";
import { openDeepProgress } from "./deep-progress.js";
import type { SideNames } from "./difference-words.js";
import { openSide } from "./sides.js";
import { underWayBetween } from "./under-way.js";
import { renumberedIn, type ToldVerdict, tellText, told } from "./verdict-told.js";
import { sampleIn, type VerifyFlags } from "./verify-flags.js";
import { NOBODY, noteTrusted, openWitnesses } from "./witnesses.js";

const SETTLE_S = 2;
const SETTLE_S_MAX = 3600;
const DIRECTORIES: SideNames = { a: "A", b: "B" };

/** Returns the exit code: 0 equal, 1 not. */
export async function verify(
  a: string | undefined,
  b: string | undefined,
  flags: VerifyFlags,
  output: Output,
): Promise<number> {
  const settleMs = settleOf(flags.settle);
  if (flags.trustSource === true && flags.repair !== true)
    throw daemonError("usage", "reading the command line: --trust-source is for --repair");
  if (flags.acceptUidvalidity === true && flags.repair !== true)
    throw daemonError("usage", "reading the command line: --accept-uidvalidity is for --repair");
  const stop = new AbortController();
  const onSignal = (signal: NodeJS.Signals) => stop.abort(stopReason(signal));
  for (const signal of STOP_SIGNALS) process.once(signal, onSignal);
  try {
    sampleIn(flags); // a wrong one is told before anything else.
    const places = placesOf(a, b, flags);
    if (places === undefined) {
      const { verifyReplicas } = await import("./verify-replicas.js"); // nobody else needs its schemas.
      return await verifyReplicas(flags, settleMs, output, stop.signal);
    }
    return await verifyDirectories(places, flags, settleMs, output, stop.signal);
  } finally {
    for (const signal of STOP_SIGNALS) process.off(signal, onSignal);
  }
}

/** Undefined where the daemon is meant. Throws: usage. */
function placesOf(a: string | undefined, b: string | undefined, flags: VerifyFlags) {
  const refuse = (why: string) => daemonError("usage", `reading the command line: ${why}`);
  if (a === undefined || b === undefined) {
    for (const flag of ["foreign", "state"] as const)
      if (flags[flag] !== undefined) throw refuse(`--${flag} is for A and B`);
    if (a === undefined) return undefined;
    throw refuse("verify takes two stores, or none for the replicas of the running daemon");
  }
  for (const flag of ["store", "replica", "control", "config"] as const)
    if (flags[flag] !== undefined) throw refuse(`--${flag} is for the replicas of the running daemon, without A and B`);
  if (flags.repair === true && remoteAt(a) !== undefined)
    throw refuse("--repair brings B in agreement with A, which has to be on this host");
  if (flags.repair !== true && flags.foreign !== undefined) throw refuse("--foreign is for --repair");
  for (const [use, path] of Object.entries({ A: a, B: b })) if (path === "") throw refuse(`${use} is empty ("")`);
  return { a, b };
}

/** What is written as JSON. */
interface VerifiedDirectories extends ToldVerdict {
  readonly elapsedMs: number;
  /** So many mailboxes differed before. */
  readonly repaired: number;
  /** So many of another UIDVALIDITY were left as they are, since nobody has accepted that. */
  readonly left: number;
}

interface Directories {
  readonly a: string;
  readonly b: string;
}

async function verifyDirectories(
  places: Directories,
  flags: VerifyFlags,
  settleMs: number,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  const comparing = { settleMs, signal, err: output.err };
  const first = await compareDirectories(places, flags, comparing);
  const toRepair = flags.repair === true ? mailboxesToRepair(first) : 0;
  const isRepaired = toRepair > 0 && (await repairDirectories(places, flags, { ...first, toRepair }, output));
  const { verdict } = isRepaired ? await compareDirectories(places, flags, comparing) : first;
  const { elapsedMs } = verdict;
  const left = isRepaired && flags.acceptUidvalidity !== true ? renumberedIn(verdict).length : 0;
  if (flags.json !== true)
    return tellText(verdict, { isQuiet: flags.quiet === true, names: DIRECTORIES, elapsedMs, left }, output);
  const written: VerifiedDirectories = { ...verdict, repaired: isRepaired ? Math.max(0, toRepair - left) : 0, left };
  output.out(`${JSON.stringify(written)}\n`);
  return verdict.equal ? EX.OK : EX.PARTIAL;
}

interface Comparing extends Pick<Output, "err"> {
  readonly settleMs: number;
  readonly signal: AbortSignal;
}

async function compareDirectories({ a, b }: Directories, flags: VerifyFlags, { settleMs, signal, err }: Comparing) {
  const startMs = systemClock.monotonicMs();
  await using owner = new Disposer();
  const program = remoteProgramOf(flags);
  const open = (text: string) => openSide(text, program, owner, signal);
  const [sideA, sideB] = await Promise.all([open(a), open(b)]);
  const sides = { a: sideA, b: sideB };
  const settle = (inner: AbortSignal) => systemClock.sleep(settleMs, inner);
  const sample = sampleIn(flags);
  const isShown = flags.json !== true && flags.quiet !== true && canRedraw([process.stderr], process.env["TERM"]);
  const progress = openDeepProgress({ err }, isShown, systemClock);
  const deep = sample === undefined ? undefined : { isChosen: isInSample(sample), onProgress: progress.onProgress };
  try {
    const underWay = underWayBetween(a, b, flags.state, owner);
    const found = await verifyStores({ sides, settle, underWay, deep }, signal);
    const hasBodies = found.differences.some(({ findings }) => findings.some(({ kind }) => kind === "body"));
    const witnesses = hasBodies ? await openWitnesses(a, b, flags.state, owner) : NOBODY;
    const { differences, judged } = await judgeDifferences({ sides, ...witnesses }, found.differences, signal);
    const elapsedMs = Math.round(systemClock.monotonicMs() - startMs);
    const damaged = damagedIn(judged, flags.trustSource === true);
    return { verdict: { ...told({ ...found, differences }, DIRECTORIES), elapsedMs }, damaged, judged };
  } finally {
    progress.end();
  }
}

/** Mailboxes of which something can be done: a body is written over only where it is known to be the bad one, or A is trusted. */
function mailboxesToRepair({ verdict, damaged }: Compared): number {
  const isBody = ({ kind }: { readonly kind: string }) => kind === "body";
  return verdict.differences.filter(({ guid, findings, further }) => {
    return further > 0 || !findings.every(isBody) || (guid !== undefined && damaged.has(guid));
  }).length;
}

type Compared = Awaited<ReturnType<typeof compareDirectories>>;

/** By a run of sync, which says on standard error what it cannot mend. */
async function repairDirectories(
  { a, b }: Directories,
  flags: VerifyFlags,
  { damaged, judged, toRepair }: Compared & { readonly toRepair: number },
  output: Output,
): Promise<boolean> {
  const { foreign, state, rsh, remoteMailtwin } = flags;
  if (flags.json !== true && flags.quiet !== true)
    output.out(`${countOf(toRepair, "mailbox")} differ${toRepair === 1 ? "s" : ""}: bringing B in agreement with A\n`);
  const { runSync } = await import("../sync-command.js");
  const chosen = { foreign, state, rsh, remoteMailtwin };
  const given = Object.fromEntries(Object.entries(chosen).filter(([, value]) => value !== undefined));
  const quietly = { ...output, out: () => undefined };
  const repair = { damaged, acceptsUidValidity: flags.acceptUidvalidity === true ? "all" : "none" } as const;
  const exitCode = await runSync(a, b, { ...given, resync: true, quiet: true }, quietly, repair);
  if (flags.trustSource === true) await noteTrusted(a, b, state, trustedIn(judged));
  return exitCode === EX.OK || exitCode === EX.PARTIAL;
}

/** Throws: usage. */
function settleOf(text: string | undefined): number {
  const seconds = text === undefined ? SETTLE_S : Number(text);
  if (text === "" || !(seconds >= 0 && seconds <= SETTLE_S_MAX))
    throw daemonError("usage", `reading the command line: --settle takes seconds from 0 to ${SETTLE_S_MAX}`);
  return Math.round(seconds * 1000);
}
