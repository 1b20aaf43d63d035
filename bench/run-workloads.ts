/**
 * Runs workloads one after another, prints their tables, and keeps every result as a JSON line.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { unixMs } from "./measure/clock.js";
import type { ContenderName } from "./measure/contenders.js";
import { Workspace } from "./measure/workspace.js";
import type { ReplicatorName } from "./replicators/replicators.js";
import { describeMachine } from "./report/machine.js";
import { formatReport } from "./report/markdown.js";
import { replaceResults } from "./report/readme.js";
import { bursts } from "./workloads/bursts.js";
import { daemons, live } from "./workloads/live.js";
import { memory } from "./workloads/memory.js";
import { nothingChanged } from "./workloads/nothing-changed.js";
import { replicate } from "./workloads/replicate.js";
import { seed } from "./workloads/seed.js";
import { verify } from "./workloads/verify.js";
import { isRight, type Result, type Workload } from "./workloads/workload.js";

export const WORKLOADS: readonly Workload[] = [seed, nothingChanged, live, daemons, replicate, bursts, memory, verify];

export interface RunRequest {
  /** Names; none = all. */
  readonly workloads: readonly string[];
  readonly contenders: readonly ContenderName[];
  readonly replicators: readonly ReplicatorName[];
  readonly mailtwin: readonly string[];
  readonly quick: boolean;
  readonly mails?: readonly number[] | undefined;
  readonly rounds?: number | undefined;
  readonly keep: boolean;
  /** Where trees are made; default: the system's temporary directory. */
  readonly work?: string | undefined;
  /** A directory whose trees stay and are used again. */
  readonly lasting?: string | undefined;
  readonly repository: string;
  readonly writeReadme: boolean;
}

/**
 * Returns whether every result was equal and nothing was lost. Throws when a contender fails, when mailtwin is wanted and not
 * built, and when a run that measures nothing (`quick`) or something unequal is to be published.
 */
export async function runWorkloads(request: RunRequest): Promise<boolean> {
  const chosen = request.workloads.length === 0 ? WORKLOADS : request.workloads.map(workloadNamed);
  if (request.writeReadme && request.quick)
    throw new Error("a quick run measures nothing: it is not for bench/README.md");
  refuseMissingProgram(request);
  const say = (line: string): void => {
    process.stderr.write(`${line}\n`);
  };
  using workspace = new Workspace({ parent: request.work, lasting: request.lasting, keep: request.keep, say });
  const machine = describeMachine({ workPath: workspace.root, repository: request.repository });
  const { contenders, replicators, mailtwin, quick, mails, rounds } = request;
  const startedMs = unixMs();
  const results: Result[] = [];
  const lines = join(
    request.repository,
    "bench/out",
    `${new Date(startedMs).toISOString().replaceAll(/[:.]/g, "-")}.jsonl`,
  );
  mkdirSync(join(request.repository, "bench/out"), { recursive: true });
  for (const workload of chosen) {
    say(`${workload.name}: ${workload.title}`);
    const found = await workload.run({ workspace, contenders, replicators, mailtwin, quick, mails, rounds, say });
    for (const result of found) {
      results.push(result);
      appendFileSync(lines, `${JSON.stringify({ ...result, quick, mailtwin, startedMs, machine })}\n`);
      if (result.kind !== "skipped") for (const difference of result.differences) say(`  DIFFERENT: ${difference}`);
    }
  }
  const report = formatReport(results, machine);
  process.stdout.write(report);
  const allRight = results.every(isRight);
  if (request.writeReadme && !allRight)
    throw new Error("bench/README.md stays as it is: not every result is equal and complete");
  if (request.writeReadme) {
    const readme = join(request.repository, "bench/README.md");
    writeFileSync(readme, replaceResults(readFileSync(readme, "utf8"), report));
  }
  return allRight;
}

/** Better now than after minutes of making trees. */
function refuseMissingProgram({ contenders, mailtwin }: RunRequest): void {
  const script = mailtwin.find((word) => word.endsWith(".js"));
  if (!contenders.includes("mailtwin") || script === undefined || existsSync(script)) return;
  throw new Error(`${script} is not there: build the program first (npm run build)`);
}

function workloadNamed(name: string): Workload {
  const found = WORKLOADS.find((workload) => workload.name === name);
  if (found === undefined)
    throw new Error(`no workload ${name}: there are ${WORKLOADS.map((workload) => workload.name).join(", ")}`);
  return found;
}
