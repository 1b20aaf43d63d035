/**
 * `mailtwin run`: the daemon in the foreground. HUP reloads, TERM and INT end it, USR1 logs the status.
 */

import { systemClock } from "../../base/clock.js";
import { crashAtOfEnvironment } from "../../base/crash-points.js";
import { openNodeDisk } from "../../base/disk-node.js";
import { EX, recordOfError, reviveError } from "../../base/errors.js";
import { Gate } from "../../base/gate.js";
import { randomFraction } from "../../base/random.js";
import { Waiter } from "../../base/waiter.js";
import { readSiteKey, type SiteKey } from "../../wire/keys.js";
import type { Config } from "../config/config.js";
import { judgeOwnKey } from "../config/judge-own-key.js";
import {
  type LoadedConfig,
  loadConfig,
  refusalOf,
  surroundingsOfProcess,
  tellingRefusalOf,
} from "../config/load-config.js";
import { type ConfigProblem, formatProblem } from "../config/problem.js";
import { openControlServer } from "../control/control-server.js";
import type { DaemonControl } from "../control/daemon-control.js";
import { withLevels } from "../control/status.js";
import { holdStateDirectory } from "../hold-state.js";
import type { LogLevel } from "../log-reporter.js";
import type { Output } from "../output.js";
import { refuseLostDirectory, refuseTooFewFiles } from "../permissions.js";
import { realOrWished } from "../place-rules.js";
import { makeState } from "../places.js";
import { watchState } from "../state-watch.js";
import { tuneForDaemon } from "../tune-engine.js";
import { VERSION } from "../version.js";
import { asSentence } from "../words.js";
import { controlOf } from "./control-of.js";
import { Daemon } from "./daemon.js";
import { inDaemon } from "./daemon-hints.js";
import { type EventLog, fieldsOfError, openEventLog } from "./event-log.js";
import { troubleOf } from "./troubles.js";

export interface RunFlags {
  readonly config?: string;
  readonly logLevel?: LogLevel;
}

type Wish = "reload" | "tell" | "stop";

/** What signals ask for: of each kind once, until it is taken. */
class Wishes {
  readonly #gate = new Gate();
  readonly #asked = new Set<Wish>();

  ask(wish: Wish): void {
    this.#asked.add(wish);
    this.#gate.wake();
  }

  /** The most urgent one, when there is one. */
  async next(): Promise<Wish> {
    const never = new AbortController().signal;
    for (;;) {
      const wish = (["stop", "reload", "tell"] as const).find((each) => this.#asked.delete(each));
      if (wish !== undefined) return wish;
      await this.#gate.wait(never);
    }
  }
}

/** Returns the exit code. What keeps it from starting is a line of its log too, unless a person reads it at a terminal. */
export async function runDaemon(flags: RunFlags, output: Output): Promise<number> {
  tuneForDaemon();
  const wishes = new Wishes();
  const release = listenToSignals(wishes); // before anything else: USR1 would end the program, HUP too.
  try {
    return await runUntilStopped(flags, wishes, output);
  } catch (error) {
    return reportEnd(error, output);
  } finally {
    release();
  }
}

function reportEnd(error: unknown, output: Output): number {
  if (process.stderr.isTTY) throw inDaemon(error);
  const { exitCode } = recordOfError(error);
  openEventLog("error", output.err).write("daemon-failed", { ...fieldsOfError(error), exitCode });
  return exitCode;
}

async function runUntilStopped(flags: RunFlags, wishes: Wishes, output: Output): Promise<number> {
  refuseTooFewFiles();
  refuseLostDirectory();
  const loaded = loadConfig(flags.config, surroundingsOfProcess());
  if (loaded.kind === "wrong") return reportWrong(loaded, output);
  const ofKey = judgeOwnKey(loaded, systemClock, { isDaemon: true }); // before anything is opened, or dialled in vain.
  if (ofKey.length > 0) return reportWrong({ ...loaded, problems: ofKey }, output);
  const { config } = loaded;
  const log = openEventLog(flags.logLevel ?? config.logLevel, (line) => output.err(line));
  const stateDir = realOrWished(config.stateDir);
  makeState(stateDir, []);
  using _held = holdStateDirectory(stateDir);
  const crashAt = crashAtOfEnvironment();
  const daemon = new Daemon(config, keyOf(config), { log, clock: systemClock, random: randomFraction, crashAt });
  const startedMs = systemClock.nowMs();
  const stop = new AbortController();
  // A defect in the part of one store: to end all stores for it would be worse. It is an error in the log, and in the status.
  const onDefect = (error: unknown) => {
    log.write("defect", fieldsOfError(error));
    daemon.troubles.note("defect", { ...troubleOf(error), level: "needs-you" }, systemClock.nowMs());
  };
  process.on("unhandledRejection", onDefect);
  const nowMs = () => systemClock.nowMs();
  const control = controlOf({ daemon, startedMs, nowMs, reload: () => reload(daemon, flags, log) });
  try {
    await daemon.start();
    await using _answering = await openControlServer(
      config.control,
      { control, clock: systemClock, onDefect },
      stop.signal,
    );
    const { files } = loaded;
    log.write("daemon-started", { version: VERSION, files, stores: [...config.stores.keys()] });
    await Promise.race([serveWishes(control, wishes, log), untilStateGone(stateDir, stop.signal)]);
    log.write("daemon-stopping");
  } finally {
    stop.abort(new Error("the daemon has ended"));
    await daemon.stop();
    process.off("unhandledRejection", onDefect);
  }
  log.write("daemon-stopped");
  return EX.OK;
}

async function serveWishes(control: DaemonControl, wishes: Wishes, log: EventLog): Promise<void> {
  for (;;) {
    const wish = await wishes.next();
    if (wish === "stop") return;
    if (wish === "reload")
      await control.reload().catch(() => undefined); // it was logged.
    else log.write("status-asked", { status: withLevels(control.status()) });
  }
}

/** Rejects with state-gone: another daemon can begin with these stores then. */
async function untilStateGone(state: string, signal: AbortSignal): Promise<void> {
  const waiter = new Waiter<void>(signal);
  using _watch = watchState({ state, databases: [], clock: systemClock, onGone: (error) => waiter.fail(error) });
  await waiter.promise.catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}

/** All or nothing: what is wrong is logged, and the daemon goes on as it was. Throws: config-wrong, restart-needed, and others. */
async function reload(
  daemon: Daemon,
  flags: RunFlags,
  log: EventLog,
): Promise<{ readonly changes: readonly string[] }> {
  let problems: readonly string[] | undefined;
  try {
    const loaded = loadConfig(flags.config, surroundingsOfProcess());
    if (loaded.kind === "wrong") {
      problems = loaded.problems.map(formatProblem);
      throw tellingRefusalOf(loaded.files[0] ?? "", loaded.problems);
    }
    const ofKey = judgeOwnKey(loaded, systemClock, { isDaemon: true });
    if (ofKey.length > 0) {
      problems = ofKey.map(formatProblem);
      throw tellingRefusalOf(loaded.files[0] ?? "", ofKey);
    }
    const changes = await daemon.reload(loaded.config, keyOf(loaded.config));
    daemon.troubles.over("config");
    log.write("config-reloaded", { files: loaded.files, changes });
    return { changes };
  } catch (caught) {
    const error = sayingItGoesOn(caught);
    log.write("config-refused", { ...fieldsOfError(error), ...(problems === undefined ? {} : { problems }) });
    daemon.troubles.note("config", { ...troubleOf(error), level: "needs-you" }, systemClock.nowMs());
    throw inDaemon(error);
  }
}

/** Of an address or a key that is refused: its own hint does not say what became of the rest of the configuration. */
const OF_LISTENERS: ReadonlySet<string> = new Set(["address-in-use", "listen-failed", "key-expired", "key-unusable"]);

function sayingItGoesOn(error: unknown): unknown {
  const record = recordOfError(error);
  if (!OF_LISTENERS.has(record.code)) return error;
  const goesOn =
    "Nothing of the new configuration is in force: the daemon goes on with the one that it had, and does not try this one again before the next `mailtwin reload`.";
  return reviveError({ ...record, hint: `${record.hint} ${goesOn}` });
}

function keyOf({ identityKey }: Config): SiteKey | undefined {
  return identityKey === undefined ? undefined : readSiteKey({ disk: openNodeDisk(), path: identityKey });
}

/** Said as `config check` says it. `code` of a problem: the log has it, where a program looks for the reason. */
function reportWrong(
  {
    files,
    problems,
  }: Pick<LoadedConfig, "files"> & { readonly problems: readonly (ConfigProblem & { code?: string })[] },
  output: Output,
): number {
  const refusal = refusalOf(files[0] ?? "", problems);
  if (process.stderr.isTTY) {
    for (const problem of problems) output.err(`${formatProblem(problem)}\n`);
    output.err(`mailtwin: ${asSentence(refusal.message)}\n${refusal.hint}\n`);
  } else {
    const { exitCode } = refusal;
    const code = problems.find((problem) => problem.code !== undefined)?.code ?? refusal.code;
    const told = { code, problems: problems.map(formatProblem), exitCode };
    openEventLog("error", output.err).write("daemon-failed", { ...fieldsOfError(refusal), ...told });
  }
  return refusal.exitCode;
}

/** Returns what takes the handlers off again. */
function listenToSignals(wishes: Wishes): () => void {
  const on = (wish: Wish) => () => wishes.ask(wish);
  const onSignal = { SIGHUP: on("reload"), SIGUSR1: on("tell"), SIGTERM: on("stop"), SIGINT: on("stop") } as const;
  for (const [signal, act] of Object.entries(onSignal)) process.on(signal, act);
  return () => {
    for (const [signal, act] of Object.entries(onSignal)) process.off(signal, act);
  };
}
