/**
 * `mailtwin serve --stdio`: the end of a link that ssh starts. A directory that is asked for is served here and now; a store of the
 * configuration by the daemon of this host, to which the bytes are passed on. As a forced command with `--peer` it pins who the other
 * end is, and lets it have nothing but stores of the configuration, by the rights of that peer.
 *
 * INVARIANT: standard output belongs to the link.
 */

import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import { farewellOf } from "../../agent/farewell.js";
import type { LimboSide } from "../../agent/limbo-side.js";
import { serveSums } from "../../agent/sums-link.js";
import { systemClock } from "../../base/clock.js";
import { crashAtOfEnvironment } from "../../base/crash-points.js";
import { Disposer } from "../../base/disposal.js";
import { EX, MailtwinError, recordOfError, reviveError } from "../../base/errors.js";
import { rawFromText } from "../../base/raw-name.js";
import type { StateReader } from "../../log/state-ports.js";
import { openStateReader } from "../../log/state-reader.js";
import { resyncError } from "../../resync/errors.js";
import { onHangUp, untilEvent } from "../../wire/carrier.js";
import { wireError } from "../../wire/errors.js";
import { type Agreement, greet } from "../../wire/greeting.js";
import {
  askToOpen,
  letOpen,
  type OpenedSource,
  type Opening,
  type PathTarget,
  readOpening,
  refuseToOpen,
} from "../../wire/opening.js";
import type { MessagePorts } from "../../wire/prefixed.js";
import { dialUnix } from "../../wire/unix-carrier.js";
import { writtenIn } from "../body-notes.js";
import { loadConfig, surroundingsOfProcess, tellingRefusalOf } from "../config/load-config.js";
import { daemonError } from "../errors.js";
import { STOP_SIGNALS, stopReason } from "../interruption.js";
import type { Output } from "../output.js";
import { refuseLostDirectory, refuseTooFewFiles } from "../permissions.js";
import { findScratch, homeOf, realDestination } from "../place-rules.js";
import { forgetState, stateFor } from "../places.js";
import { watchState } from "../state-watch.js";
import { UNDELETE_DEFAULT } from "../undelete/limits.js";
import { purgeOnce, schedulePurges } from "../undelete/purge.js";
import { limboOnDemand, ToldLimbo } from "../undelete/told-limbo.js";
import { openLocalSide } from "../verify/sides.js";
import { asSentence } from "../words.js";
import { isOfAnother } from "./note-taker.js";
import { greetingPassedOn, OUR_GREETING, openAgreedLink, streamOf } from "./open-link.js";
import { type OpenedReplica, openReplicaStore } from "./replica-store.js";

/** A link that is closed does not keep its stream for longer. */
const LAST_WORDS_MS_MAX = 5_000;

export interface ServeFlags {
  readonly stdio?: boolean;
  readonly peer?: string;
  readonly config?: string;
}

/** Returns the exit code. */
export async function serve(flags: ServeFlags, output: Output): Promise<number> {
  if (flags.stdio !== true)
    throw daemonError("usage", "reading the command line: serve needs --stdio; what listens is `mailtwin run`");
  const stop = new AbortController();
  const onSignal = (signal: NodeJS.Signals) => stop.abort(stopReason(signal));
  for (const signal of STOP_SIGNALS) process.once(signal, onSignal);
  try {
    await serveStream(Duplex.from({ readable: process.stdin, writable: process.stdout }), flags, stop.signal);
    return EX.OK;
  } catch (error) {
    const known = error instanceof MailtwinError ? error : reviveError(recordOfError(error));
    if (known.disposition === "bug") throw error;
    output.err(`mailtwin serve: ${asSentence(known.message)}\n`);
    return known.exitCode;
  } finally {
    for (const signal of STOP_SIGNALS) process.off(signal, onSignal);
    process.stdin.destroy(); // a client that says nothing more, and does not hang up, would keep the process.
  }
}

async function serveStream(stream: Duplex, flags: ServeFlags, signal: AbortSignal): Promise<void> {
  const ports = { stream, clock: systemClock, peer: flags.peer ?? "the other end" };
  const agreement = await greet(ports, OUR_GREETING, signal);
  const opening = await readOpening(ports, signal);
  await using owner = new Disposer();
  const served = { ...ports, agreement };
  const serving = await whileThere(ports, (both) => prepare(served, opening, flags, owner, both), signal);
  try {
    await serving();
  } finally {
    await untilSaid(ports);
  }
}

/** What was said last may still be compressed: it is on its way before this process closes its pipes. */
async function untilSaid({ stream, clock }: MessagePorts): Promise<void> {
  if (stream.destroyed || stream.writableFinished) return;
  const late = clock.setTimer(LAST_WORDS_MS_MAX, () => stream.destroy());
  try {
    await untilEvent(stream, ["finish", "close"], new AbortController().signal);
  } catch {
    // It could not be said.
  } finally {
    late.cancel();
  }
}

/** A store takes its time to be opened, and another daemon to answer: nobody does that for an end that is gone. */
async function whileThere<T>(
  ports: MessagePorts,
  step: (signal: AbortSignal) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const gone = new AbortController();
  const forget = onHangUp(ports.stream, () =>
    gone.abort(wireError("link-closed", `serving ${ports.peer}: it hung up before it was answered`)),
  );
  try {
    const both = AbortSignal.any([signal, gone.signal]);
    return await orRefuse(ports, async () => {
      const result = await step(both);
      both.throwIfAborted();
      return result;
    });
  } finally {
    forget();
  }
}

/** Whom this end serves, and what both can. */
interface Served extends MessagePorts {
  readonly agreement: Agreement;
}

/** Resolves to what is to be done once the other end has been let in. */
async function prepare(
  ports: Served,
  opening: Opening,
  flags: ServeFlags,
  owner: Disposer,
  signal: AbortSignal,
): Promise<() => Promise<void>> {
  const { target, role } = opening;
  if (target.kind === "store")
    return passOn(ports, { ...opening, peer: flags.peer ?? opening.peer }, { flags, owner }, signal);
  if (flags.peer !== undefined)
    throw daemonError(
      "no-right",
      `serving "${flags.peer}": it asks for a directory, and may have stores of the configuration only`,
    );
  if (role === "verifier") return serveVerifier(ports, target, owner, signal);
  if (role === "planner") return servePlanner(ports, { ...target, ...opening }, owner, signal);
  if (role === "replica")
    throw daemonError(
      "usage",
      "serving a directory: it is written to, and not read: run sync on the host of the source",
    );
  return serveDirectory(ports, { ...target, ...opening }, owner, signal);
}

/** The daemon of this host serves its stores itself: it holds them. */
async function passOn(
  ports: Served,
  opening: Opening,
  { flags: { config: file }, owner }: { readonly flags: ServeFlags; readonly owner: Disposer },
  signal: AbortSignal,
): Promise<() => Promise<void>> {
  const loaded = loadConfig(file, surroundingsOfProcess());
  if (loaded.kind === "wrong") throw tellingRefusalOf(loaded.files[0] ?? "", loaded.problems);
  const [path] = loaded.config.listen.unix;
  if (path === undefined)
    throw daemonError(
      "store-not-ready",
      "passing a link on to the daemon of this host: it listens at no unix socket ([listen] unix)",
    );
  const daemon = await dialUnix({ address: { kind: "unix", path }, clock: systemClock }, signal);
  owner.defer(() => void daemon.destroy());
  const there = { stream: daemon, clock: systemClock, peer: "the daemon of this host" };
  await greet(there, greetingPassedOn(ports.agreement), signal);
  const source = await askToOpen(there, opening, signal);
  return async () => {
    letOpen(ports, source);
    const stream = streamOf(ports, ports.agreement);
    // A daemon that has ended says nothing more, and hears nothing; what it said last may still be compressed.
    daemon.once("end", () => stream.unpipe(daemon).resume());
    stream.pipe(daemon);
    await pipeline(daemon, stream, { signal }).catch(() => undefined); // which of the three was cut is no matter.
    stream.destroy(); // who waits for a daemon that has ended is not to find out by its silence.
  };
}

async function serveDirectory(
  ports: Served,
  { path: raw, foreign, live, sourceId, root, logId, lineage }: PathTarget & Opening,
  owner: Disposer,
  signal: AbortSignal,
): Promise<() => Promise<void>> {
  refuseTooFewFiles();
  refuseLostDirectory();
  const path = pathOf(raw);
  const stateDir = stateFor(sourceId, path, basename(path));
  const crashAt = crashAtOfEnvironment();
  const options = {
    path,
    scratch: undefined,
    stateDir,
    crashAt,
    live,
    foreign: foreign === "refuse" ? undefined : foreign,
  };
  const { side } = await openOfThis(options, { root, logId, lineage }, owner);
  return async () => {
    letOpen(ports);
    const link = openAgreedLink({ ...ports, peer: `the source on ${ports.peer}` }, ports.agreement);
    const gone = new AbortController();
    const onGone = (error: Error) => {
      link.close(farewellOf(error));
      gone.abort(error);
    };
    using _watch = watchState({ state: stateDir, databases: ["replica.db"], clock: systemClock, onGone });
    const both = AbortSignal.any([signal, gone.signal]);
    const purge = (inner: AbortSignal) => side.purge(UNDELETE_DEFAULT, inner);
    const turn = { purge, onPurged: unsaid, onFailed: unsaid };
    await using _purges = live ? schedulePurges(systemClock, turn) : undefined;
    await side.serve(link, both);
    gone.signal.throwIfAborted();
    if (!live) await purgeOnce(turn, both);
  };
}

/** Nobody reads it here: the next purge tries again. */
function unsaid(): void {}

/** A directory is read to be compared, or its limbo, and nothing is written but what was seen, for the next time. */
function serveVerifier(
  ports: Served,
  { path: raw, sourceId }: PathTarget,
  owner: Disposer,
  signal: AbortSignal,
): () => Promise<void> {
  const path = pathOf(raw);
  const state = recordOf(sourceId, path, owner);
  const side = openLocalSide(path, owner, state === undefined ? undefined : writtenIn(state));
  const limbo = state === undefined ? NO_LIMBO : limboBeside(path, state, owner);
  return async () => {
    letOpen(ports);
    await serveSums(openAgreedLink({ ...ports, peer: "whoever compares" }, ports.agreement), side, signal, limbo);
  };
}

/** What this host knows of what that source has sent to that directory; undefined: nothing. */
function recordOf(sourceId: string, path: string, owner: Disposer): StateReader | undefined {
  const file = join(stateFor(sourceId, path, basename(path)), "replica.db");
  return existsSync(file) ? owner.adopt(openStateReader(file)) : undefined;
}

function limboBeside(path: string, state: StateReader, owner: Disposer): LimboSide {
  const scratchRoot = rawFromText(findScratch(undefined, realDestination(path), undefined));
  const thread = owner.adopt(limboOnDemand({ scratchRoot, site: undefined }, systemClock));
  return new ToldLimbo({ rows: state, thread });
}

const NO_LIMBO: LimboSide = { page: refuseLimbo, files: refuseLimbo, parts: refuseLimbo };

async function refuseLimbo(): Promise<never> {
  const words = "reading the limbo of the replica: it has no record of what this source has sent";
  throw resyncError("compared-unsupported", words);
}

/** A twin is looked at, and nothing is written. */
async function servePlanner(
  ports: Served,
  { path, sourceId, logId }: PathTarget & Opening,
  owner: Disposer,
  signal: AbortSignal,
): Promise<() => Promise<void>> {
  const { openPlanned } = await import("./planned-store.js");
  const answer = await openPlanned(pathOf(path), { sourceId, logId }, owner);
  return async () => {
    letOpen(ports);
    await answer(openAgreedLink({ ...ports, peer: "whoever plans" }, ports.agreement), signal);
  };
}

/** No shell has seen it. */
function pathOf(raw: string): string {
  const written = Buffer.from(raw, "latin1").toString();
  return written.startsWith("~/") ? join(homeOf() ?? "", written.slice(2)) : written;
}

/** What it keeps of a log that the source has lost is of no use: both begin anew, with the questions of a first contact. */
async function openOfThis(
  options: Omit<Parameters<typeof openReplicaStore>[0], "source">,
  source: OpenedSource,
  owner: Disposer,
): Promise<OpenedReplica> {
  const first = owner.adopt(new Disposer());
  const opened = await openReplicaStore({ ...options, source }, source.root, first);
  if (!isOfAnother(opened.side, source.logId)) return opened;
  await first.dispose();
  forgetState({ state: options.stateDir });
  return openReplicaStore({ ...options, source }, source.root, owner);
}

async function orRefuse<T>(ports: MessagePorts, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    refuseToOpen(ports, error);
    throw error;
  }
}
