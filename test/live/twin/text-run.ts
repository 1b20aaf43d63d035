/** Runs the built command line for what it prints to people, where `lab/mailtwin.ts` reads JSON. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const CLI = fileURLToPath(new URL("../../../dist/daemon/cli.js", import.meta.url));
const RUN_MS_MAX = 60_000;

export interface TextRun {
  readonly code: number | null;
  /** Bytes as latin1: nothing that is no text is lost in decoding. */
  readonly stdout: string;
  readonly stderr: string;
}

export function runText(args: readonly string[]): TextRun {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...args], {
    encoding: "latin1",
    timeout: RUN_MS_MAX,
    killSignal: "SIGKILL",
  });
  return { code: status, stdout, stderr };
}
