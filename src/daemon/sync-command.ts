/**
 * `mailtwin sync SRC DST`: reads the flags, listens for signals, runs the twin or the dry run.
 */

import { existsSync } from "node:fs";
import type { DamagedBodies, UidValidityChoice } from "../agent/recovery.js";
import type { UndeleteLimits } from "../apply/purge-types.js";
import { crashAtOfEnvironment } from "../base/crash-points.js";
import { EX, MailtwinError, recordOfError, reviveError } from "../base/errors.js";
import { refuseSeed } from "./adopt.js";
import { daemonError } from "./errors.js";
import { STOP_SIGNALS, stopReason } from "./interruption.js";
import { openJsonReporter } from "./json-reporter.js";
import type { LogLevel } from "./log-reporter.js";
import type { Output } from "./output.js";
import { refuseLostDirectory, refuseTooFewFiles } from "./permissions.js";
import { findPlaces } from "./places.js";
import { canRedraw } from "./progress-line.js";
import { type RemoteFlags, remoteAt, remoteProgramOf } from "./remote-flags.js";
import type { Reporter } from "./reporter.js";
import type { RemoteTwinOptions } from "./run/remote-twin.js";
import { openTextReporter } from "./text-reporter.js";
import { readUndeleteLimits } from "./undelete/limits.js";

export interface SyncFlags extends RemoteFlags {
  /** It is called `adopt`. */
  readonly adopts?: boolean;
  readonly watch?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly foreign?: "keep" | "limbo";
  readonly moved?: boolean;
  readonly approveDeletions?: boolean;
  readonly resync?: boolean;
  readonly acceptUidvalidity?: boolean;
  readonly state?: string;
  readonly scratch?: string;
  readonly undeleteFor?: string;
  readonly undeleteMaxSize?: string;
  readonly logLevel?: LogLevel;
}

/** What a comparison has found, and what of it may be mended: with --resync. */
export interface Repair {
  readonly damaged: DamagedBodies;
  /** Which mailboxes of DST that have another UIDVALIDITY take SRC's; the others are left as they are, and are problems. */
  readonly acceptsUidValidity: UidValidityChoice;
}

/** Returns the exit code. Reports operating failures itself. */
export async function runSync(
  source: string,
  destination: string,
  given: SyncFlags,
  output: Output,
  repair = repairOf(given),
): Promise<number> {
  const flags = given.acceptUidvalidity === true ? { ...given, resync: true } : given; // what was refused has to be compared.
  const reporter = await openReporter(flags, output);
  const stop = new AbortController();
  let state = "";
  const onSignal = (signal: NodeJS.Signals) => stop.abort(stopReason(signal));
  for (const signal of STOP_SIGNALS) process.once(signal, onSignal);
  try {
    if (flags.dryRun === true && flags.watch === true)
      throw daemonError("usage", "reading the command line: --dry-run and --watch exclude each other");
    refuseEmpty({ SRC: source, DST: destination, "--state": flags.state, "--scratch": flags.scratch });
    refuseTooFewFiles();
    refuseLostDirectory();
    const remote = remoteOf(source, destination, flags);
    if (remote !== undefined) {
      const { findRemotePlaces, runRemoteTwin } = await import("./run/remote-twin.js");
      const places = findRemotePlaces(remote);
      ({ state } = places);
      const options = { ...remote, ...repair };
      const { planRemoteTwin } = await import("./run/remote-plan.js");
      const problems = await (flags.dryRun === true
        ? planRemoteTwin(options, { places, tellsEqual: flags.verbose === true }, reporter, stop.signal)
        : runRemoteTwin(options, places, reporter, stop.signal));
      return problems === 0 ? EX.OK : EX.PARTIAL;
    }
    const undelete = readUndeleteLimits(flags);
    const places = findPlaces(source, destination, { state: flags.state, scratch: flags.scratch });
    ({ state } = places);
    if (flags.adopts === true && !existsSync(places.destination)) refuseSeed([], [], places.destination);
    const problems = await runIt(places, { ...flags, ...repair, undelete }, reporter, stop.signal);
    return problems === 0 ? EX.OK : EX.PARTIAL;
  } catch (error) {
    const known = error instanceof MailtwinError ? error : reviveError(recordOfError(error));
    if (known.disposition === "bug") throw error;
    reporter.error(withPlace(known, state));
    return known.exitCode;
  } finally {
    reporter.close();
    for (const signal of STOP_SIGNALS) process.off(signal, onSignal);
  }
}

/** What was never written may be DST's own numbering of a copy; what was written changed there, and only a person knows why. */
function repairOf({ acceptUidvalidity }: SyncFlags): Repair {
  return { damaged: new Map(), acceptsUidValidity: acceptUidvalidity === true ? "all" : "unwritten" };
}

/** Who is told to move the state directory away has to know which one it is. */
function withPlace(error: MailtwinError, state: string): MailtwinError {
  const what = "move the state directory away";
  const record = recordOfError(error);
  if (state === "" || !record.hint.includes(what)) return error;
  return reviveError({ ...record, hint: record.hint.replace(what, () => `move the state directory ${state} away`) });
}

/** An empty name (an unset variable of a shell) would be the working directory. */
function refuseEmpty(nameByUse: Readonly<Record<string, string | undefined>>): void {
  for (const [use, name] of Object.entries(nameByUse))
    if (name === "") throw daemonError("usage", `reading the command line: ${use} is empty ("")`);
}

/** Undefined where both are paths of this host. Throws: usage, address-invalid. */
function remoteOf(
  source: string,
  destination: string,
  flags: SyncFlags,
): Omit<RemoteTwinOptions, keyof Repair> | undefined {
  const [from, to] = [remoteAt(source), remoteAt(destination)];
  if (from !== undefined) {
    const why = `SRC is "${source}", on another host: run it there, with HOST:PATH as DST, or let \`mailtwin run\` fetch`;
    throw daemonError("usage", `reading the command line: ${why} (write ./${source} for a directory of that name)`);
  }
  if (to === undefined) {
    for (const [flag, value] of Object.entries({ "--rsh": flags.rsh, "--remote-mailtwin": flags.remoteMailtwin }))
      if (value !== undefined)
        throw daemonError("usage", `reading the command line: ${flag} is for a DST on another host`);
    return undefined;
  }
  for (const [flag, shown] of HERE_ALONE) {
    if (flags[flag] === undefined || (flag === "dryRun" && flags.resync === true)) continue;
    throw daemonError("usage", `reading the command line: ${shown} is for a DST on this host`);
  }
  return {
    ...{ source, destination: to, state: flags.state, watch: flags.watch === true, foreign: flags.foreign ?? "refuse" },
    ...{ adopts: flags.adopts === true, resync: flags.resync === true },
    crashAt: crashAtOfEnvironment(),
    approvesDeletions: flags.approveDeletions === true,
    ...remoteProgramOf(flags),
  };
}

/** They say what is done in DST's own directories. */
const HERE_ALONE = [
  ["dryRun", "--dry-run"], // of a comparison it is for any.
  ["moved", "--moved"],
  ["scratch", "--scratch"],
  ["undeleteFor", "--undelete-for"],
  ["undeleteMaxSize", "--undelete-max-size"],
] as const satisfies readonly (readonly [keyof SyncFlags, string])[];

/** Imported late: a command that is refused must not pay for the database and the watchers. */
async function runIt(
  places: ReturnType<typeof findPlaces>,
  flags: SyncFlags & Repair & { readonly undelete: UndeleteLimits },
  reporter: Reporter,
  signal: AbortSignal,
): Promise<number> {
  if (flags.dryRun === true) {
    const [{ planLocalTwin }, { runDryRun }] = await Promise.all([import("./dry-resync.js"), import("./dry-run.js")]);
    const [foreign, moved, adopts] = [flags.foreign ?? "refuse", flags.moved === true, flags.adopts === true] as const;
    const choices = { foreign, moved, adopts, acceptsUidValidity: flags.acceptsUidValidity };
    const planning = { approvesDeletions: flags.approveDeletions === true, tellsEqual: flags.verbose === true };
    const planned =
      flags.resync === true ? await planLocalTwin(places, { ...choices, ...planning }, reporter, signal) : undefined;
    return planned ?? runDryRun(places, choices, reporter, signal);
  }
  const { runSyncIn } = await import("./run-sync.js");
  const crashAt = crashAtOfEnvironment();
  return runSyncIn(
    {
      ...{ places, watch: flags.watch === true, foreign: flags.foreign ?? "refuse", crashAt },
      ...{ adopts: flags.adopts === true, resync: flags.resync === true, damaged: flags.damaged },
      acceptsUidValidity: flags.acceptsUidValidity,
      ...{ acceptsMoved: flags.moved === true, undelete: flags.undelete },
      approvesDeletions: flags.approveDeletions === true,
    },
    reporter,
    signal,
  );
}

async function openReporter(flags: SyncFlags, output: Output): Promise<Reporter> {
  const shown = await openShown(flags, output);
  if (flags.logLevel === undefined) return shown;
  const { logBeside } = await import("./log-reporter.js");
  return logBeside(shown, flags.logLevel, output.err);
}

async function openShown(flags: SyncFlags, output: Output): Promise<Reporter> {
  if (flags.json === true) return openJsonReporter(output.out);
  const quiet = flags.quiet === true;
  const { stdout, stderr, env } = process;
  const bar = !quiet && canRedraw([stdout, stderr], env["TERM"]) ? await openBar() : undefined; // it is drawn on stderr.
  return openTextReporter({
    out: (line) => output.out(`${line}\n`),
    err: (line) => output.err(`${line}\n`),
    ...{ bar, quiet, verbose: flags.verbose === true },
    columns: () => (stderr.columns > 0 ? stderr.columns : 80), // 0 or none where the terminal does not say.
  });
}

async function openBar() {
  const { default: progress } = await import("cli-progress");
  return new progress.SingleBar(
    {
      format: "{line}",
      hideCursor: true,
      clearOnComplete: true,
      stopOnComplete: false,
    },
    progress.Presets.shades_classic,
  );
}
