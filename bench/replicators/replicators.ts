/**
 * Who can keep a second Dovecot's mail the same as the first one's, and how each is started.
 *
 * `nobody` is Dovecot's bare delivery beside a second Dovecot without work: what is subtracted from the CPU time of the others.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { CpuAccount } from "../measure/cpu-account.js";
import { startDaemonPair } from "../workloads/daemon-pair.js";
import { startLsyncd } from "./lsyncd.js";

export const REPLICATOR_NAMES = ["mailtwin", "replicator", "lsyncd-0", "lsyncd-1", "nobody"] as const;
export type ReplicatorName = (typeof REPLICATOR_NAMES)[number];

export const TITLE_OF: Readonly<Record<ReplicatorName, string>> = {
  mailtwin: "mailtwin: two daemons, TLS on loopback",
  replicator: "Dovecot's replicator, TCP on loopback",
  "lsyncd-0": "lsyncd + rsync, delay 0, local",
  "lsyncd-1": "lsyncd + rsync, delay 1 s, local",
  nobody: "nobody: bare delivery",
};

export interface Replicator extends AsyncDisposable {
  /** Ends it in order, where it is a program of its own. */
  readonly stop: () => Promise<void>;
  /** What it reported as warnings and worse. */
  readonly problems: () => readonly string[];
}

/** Two Maildirs of one user, of the same content, each with a Dovecot that runs. */
export interface Sites {
  readonly source: string;
  readonly target: string;
  /** A path that is not there yet, for whatever it keeps. */
  readonly scratch: string;
}

const LIVE_MS_MAX = 120_000;

/** Why this one cannot be measured here; undefined when it can. Dovecot itself is asked for elsewhere. */
export function whyNot(name: ReplicatorName): string | undefined {
  switch (name) {
    case "replicator":
      return whyNoReplicator();
    case "lsyncd-0":
    case "lsyncd-1":
      return missing("lsyncd") ?? missing("rsync");
    case "mailtwin":
    case "nobody":
      return undefined;
  }
}

/** Starts what runs beside the two Dovecots; Dovecot's own replicator is part of these (`replication` of their configuration). */
export async function startReplicator(
  name: ReplicatorName,
  { source, target, scratch }: Sites,
  { mailtwin, account }: { readonly mailtwin: readonly string[]; readonly account: CpuAccount },
): Promise<Replicator> {
  switch (name) {
    case "mailtwin": {
      const pair = await startDaemonPair(account.wrap(mailtwin), { source, target, state: scratch }, LIVE_MS_MAX);
      return { ...pair, problems: () => pair.problems().map((event) => JSON.stringify(event)) };
    }
    case "lsyncd-0":
    case "lsyncd-1": {
      const work = { source, target, configFile: `${scratch}.lua`, delayS: name === "lsyncd-0" ? 0 : 1 };
      return { ...startLsyncd(work, account.wrap), problems: () => [] };
    }
    case "replicator":
    case "nobody":
      return { stop: async () => {}, problems: () => [], [Symbol.asyncDispose]: async () => {} };
  }
}

const PLUGINS = ["lib15_notify_plugin.so", "lib20_replication_plugin.so"];

function whyNoReplicator(): string | undefined {
  const asked = spawnSync("doveconf", ["-d", "-h", "mail_plugin_dir"], { encoding: "utf8" });
  const directory = asked.status === 0 ? asked.stdout.trim() : "/usr/lib/dovecot/modules";
  const absent = PLUGINS.find((plugin) => !existsSync(join(directory, plugin)));
  return absent === undefined ? undefined : `Dovecot has no ${absent} in ${directory}`;
}

function missing(program: string): string | undefined {
  const { error } = spawnSync(program, ["--version"], { stdio: "ignore" });
  return error === undefined ? undefined : `${program} is not installed`;
}
