/** A `sync` to HOST:DST, with a program in the place of ssh that runs here what ssh would run there. */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runTwin } from "../../../live/lab/mailtwin.js";
import { type Bench, openBench } from "../../../live/twin/small-store.js";

export const CLI = fileURLToPath(new URL("../../../../dist/daemon/cli.js", import.meta.url));

export interface OverSsh {
  readonly destination: string;
  readonly rsh: string;
  readonly remoteMailtwin: string;
}

/** The other host keeps its state below `there`. */
export function overSsh({ dir, replica }: Pick<Bench, "dir" | "replica">, there = "there"): OverSsh {
  const ssh = join(dir, `ssh-${there}`);
  mkdirSync(join(dir, there), { recursive: true, mode: 0o700 });
  const drop = "while case $1 in -*) true ;; *) false ;; esac; do shift; done; shift 2";
  writeFileSync(ssh, `#!/bin/sh\n${drop}\nXDG_STATE_HOME=${join(dir, there)} exec sh -c "$*"\n`);
  chmodSync(ssh, 0o755);
  return { destination: `b.example.org:${replica}`, rsh: ssh, remoteMailtwin: `node ${CLI}` };
}

/** As `openBench`, and its `sync` goes over that. */
export function openBenchOverSsh(): Bench {
  const bench = openBench();
  const { destination, rsh, remoteMailtwin } = overSsh(bench);
  const stores = [bench.source, destination, "-e", rsh, "--remote-mailtwin", remoteMailtwin, "--state", bench.state];
  return { ...bench, sync: (...args) => runTwin(["sync", ...stores, "--json", ...args]) };
}
