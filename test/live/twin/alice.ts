/**
 * A mail user who owns the directory that her mail and its twin lie in, and does there what the kernel lets her, while mailtwin runs
 * as root. Her id is a number that no account of this machine has.
 */
import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { runTwin, startTwin, type Twin, type TwinRun } from "../lab/mailtwin.js";
import { openBench } from "./small-store.js";

export const ALICE = { uid: 71_001, gid: 71_001 } as const;

export interface AliceBench extends Disposable {
  /** Root's; anybody may pass. */
  readonly dir: string;
  /** Hers: source, twin and scratch directory lie in it. */
  readonly home: string;
  readonly source: string;
  readonly replica: string;
  readonly scratch: string;
  readonly state: string;
  /** A command of hers, in her home. Throws when it fails. */
  as(command: string, ...args: readonly string[]): void;
  sync(...args: readonly string[]): Promise<TwinRun>;
  /** Returns when it is live. */
  watch(): Promise<Twin>;
}

export function openAliceBench(): AliceBench {
  const bench = openBench();
  chmodSync(bench.dir, 0o755);
  const home = join(bench.dir, "alice");
  mkdirSync(home, { mode: 0o755 });
  chownSync(home, ALICE.uid, ALICE.gid);
  const [source, replica] = [join(home, "Maildir"), join(home, "twin")];
  const { state } = bench;
  return {
    ...{ dir: bench.dir, home, source, replica, state, scratch: join(home, ".twin.mailtwin") },
    as: (command, ...args) => {
      const ids = [`--reuid=${ALICE.uid}`, `--regid=${ALICE.gid}`, "--clear-groups"];
      execFileSync("setpriv", [...ids, command, ...args], { cwd: home, stdio: "pipe" });
    },
    sync: (...args) => runTwin(["sync", source, replica, "--json", "--state", state, ...args]),
    watch: () => startTwin({ source, replica, state }),
    [Symbol.dispose]: () => bench[Symbol.dispose](),
  };
}

/** Gives all that is in it to a user. */
export function giveAll(path: string, { uid, gid }: { readonly uid: number; readonly gid: number }): void {
  execFileSync("chown", ["-R", `${uid}:${gid}`, path]);
}
