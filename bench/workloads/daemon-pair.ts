/**
 * Two `mailtwin run` on this host, one with the source and one with the replica, and TLS on loopback between them.
 *
 * SOURCE: the daemon logs one JSON object a line on standard error; `msg` is the event, as "replica-state" with `state`.
 */
import { spawn } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { unixMs as toUnixMs } from "../../src/base/clock.js";
import { openNodeDisk } from "../../src/base/disk-node.js";
import { createSiteKey } from "../../src/wire/keys.js";
import { unixMs } from "../measure/clock.js";
import type { Copying } from "../measure/contenders.js";
import { forgetPeak, readProcessStat } from "../measure/process-stat.js";
import type { TwinEvent, TwinProcess } from "./twin-process.js";

const STOP_MS_MAX = 30_000;
const STDERR_CHARS_MAX = 4000;

/** Resolves when all of the source is on the replica and changes are followed. Rejects when one ends before, or after `liveMsMax`. */
export async function startDaemonPair(
  mailtwin: readonly string[],
  copying: Copying,
  liveMsMax: number,
): Promise<TwinProcess> {
  await writeConfigs(copying);
  return restartDaemonPair(mailtwin, copying, liveMsMax);
}

/** As `startDaemonPair`, with the state that an earlier pair left. */
export async function restartDaemonPair(
  mailtwin: readonly string[],
  { state }: Pick<Copying, "state">,
  liveMsMax: number,
): Promise<TwinProcess> {
  const files = filesOf(state);
  const replica = startDaemon(mailtwin, files.replica);
  const source = startDaemon(mailtwin, files.source);
  const both = [source, replica];
  const kill = async (): Promise<void> => {
    await Promise.all(both.map((daemon) => daemon.end("SIGKILL")));
  };
  try {
    const isLive = ({ event, state }: TwinEvent) => event === "replica-state" && state === "live";
    await source.until(isLive, liveMsMax);
  } catch (error) {
    await kill();
    throw error;
  }
  const stop = async (): Promise<void> => {
    for (const daemon of both) {
      const ended = await daemon.end("SIGTERM");
      if (ended !== "well") throw new Error(`a daemon ended ${ended}\n${daemon.lastWords()}`);
    }
  };
  const problems = () => both.flatMap((daemon) => daemon.events().filter(({ level }) => Number(level) >= 40));
  return {
    stats: () => ({ source: readProcessStat(source.pid), replica: readProcessStat(replica.pid) }),
    forgetPeaks: () => {
      for (const { pid } of both) forgetPeak(pid);
    },
    ...{ problems, stop, events: () => both.flatMap((daemon) => daemon.events()) },
    [Symbol.asyncDispose]: kill,
  };
}

/** The configurations of the two sites, each in the directory that has all of its site. */
function filesOf(state: string): { readonly source: string; readonly replica: string } {
  return { source: join(`${state}-source`, "mailtwin.toml"), replica: join(`${state}-replica`, "mailtwin.toml") };
}

/** Both sites below the state directory of the pair, made anew. */
async function writeConfigs({ source, target, state }: Copying): Promise<void> {
  const files = filesOf(state);
  const [here, there] = [dirname(files.source), dirname(files.replica)];
  for (const dir of [here, there]) {
    rmSync(dir, { recursive: true, force: true });
    mkdirSync(dir, { recursive: true, mode: 0o700 });
  }
  const nowMs = toUnixMs(unixMs());
  const keyAt = (dir: string) => createSiteKey({ disk: openNodeDisk(), path: join(dir, "key") }, nowMs);
  const [hereKey, thereKey] = [await keyAt(here), await keyAt(there)];
  const port = await freePort();
  const common = (dir: string) =>
    `state_dir = "${dir}/state"\ncontrol = "${dir}/control.sock"\n[identity]\nkey = "${dir}/key"\n`;
  writeFileSync(
    files.source,
    `${common(here)}[peer.there]\nkey = "${thereKey.name}"\n[store.mail]\npath = "${source}"\n` +
      `[store.mail.replica.there]\nto = "tls://127.0.0.1:${port}"\npeer = "there"\nforeign = "keep"\n`,
  );
  writeFileSync(
    files.replica,
    `${common(there)}[listen]\ntls = ["127.0.0.1:${port}"]\n[peer.here]\nkey = "${hereKey.name}"\nmay_write = ["mail"]\n` +
      `[store.mail]\npath = "${target}"\n[store.mail.source]\npeer = "here"\n`,
  );
}

/** A port of 127.0.0.1 that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port is free");
  return address.port;
}

interface DaemonProcess {
  readonly pid: number;
  readonly events: () => readonly TwinEvent[];
  readonly lastWords: () => string;
  readonly until: (fits: (event: TwinEvent) => boolean, msMax: number) => Promise<void>;
  /** Resolves to how it ended. */
  readonly end: (signal: NodeJS.Signals) => Promise<string>;
}

function startDaemon(mailtwin: readonly string[], config: string): DaemonProcess {
  const [program = "", ...args] = [...mailtwin, "run", "--config", config];
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
  const events: TwinEvent[] = [];
  const waiting = new Set<() => void>();
  let [words, ended] = ["", ""];
  const wake = () => {
    for (const each of waiting) each();
  };
  createInterface({ input: child.stderr }).on("line", (line) => {
    words = `${words}${line}\n`.slice(-STDERR_CHARS_MAX);
    const event = parseLine(line);
    if (event !== undefined) events.push(event);
    wake();
  });
  const exited = new Promise<void>((resolve) => {
    child.once("error", (error) => {
      ended = error.message;
      resolve();
    });
    child.once("close", (code, signal) => {
      ended ||= code === 0 ? "well" : `with ${signal ?? code}`;
      resolve();
    });
  });
  void exited.then(wake);
  const until = async (fits: (event: TwinEvent) => boolean, msMax: number): Promise<void> => {
    const timeout = AbortSignal.timeout(msMax);
    timeout.addEventListener("abort", wake, { once: true });
    while (!events.some(fits)) {
      if (ended !== "") throw new Error(`a daemon ended ${ended}\n${words}`);
      if (timeout.aborted) throw new Error(`a daemon did not come so far within ${msMax / 1000} s\n${words}`);
      await new Promise<void>((resolve) => waiting.add(resolve));
      waiting.clear();
    }
  };
  const end = async (signal: NodeJS.Signals): Promise<string> => {
    if (ended === "") child.kill(signal);
    const last = setTimeout(() => child.kill("SIGKILL"), STOP_MS_MAX);
    await exited;
    clearTimeout(last);
    return ended;
  };
  return { pid: child.pid ?? 0, events: () => events, lastWords: () => words, until, end };
}

function parseLine(line: string): TwinEvent | undefined {
  try {
    const value = JSON.parse(line) as { readonly msg?: unknown };
    return typeof value.msg === "string" ? { ...value, event: value.msg } : undefined;
  } catch {
    return undefined; // no line of its log.
  }
}
