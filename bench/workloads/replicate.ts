/**
 * The same deliveries by each who replicates: real LMTP into a real Dovecot, a second Dovecot beside it, and the lag and the CPU
 * time of all that runs. They take turns within one run, so ratios are of runs next to each other.
 */
import { chmodSync } from "node:fs";
import { runToEnd } from "../measure/run-contender.js";
import { treeBytes } from "../measure/workspace.js";
import { whyNoDovecot } from "../replicators/dovecot-site.js";
import { type ReplicatorName, TITLE_OF, whyNot } from "../replicators/replicators.js";
import { composeBodies } from "./deliveries.js";
import { numbered } from "./numbered-mails.js";
import { type Phase, runReplicator } from "./replicate-run.js";
import type { ReplicateResult, Result, SkippedResult, Workload } from "./workload.js";

const MAILS = 10_000;
const QUICK_MAILS = 300;
const MEAN_BYTES = 8000;
const PHASES: readonly Phase[] = [
  { perSecond: 5, seconds: 40 },
  { perSecond: 100, seconds: 60 },
];
const QUICK_PHASES: readonly Phase[] = [
  { perSecond: 5, seconds: 2 },
  { perSecond: 50, seconds: 1 },
];
/** Before anything is measured: connections are made and code is loaded. */
const WARM_UP: Phase = { perSecond: 10, seconds: 3 };
const QUICK_WARM_UP: Phase = { perSecond: 10, seconds: 1 };
const SEED = 78;

export const replicate: Workload = {
  name: "replicate",
  title: "LMTP deliveries through Dovecot, to a second site, by each who replicates",
  run: async (context) => {
    const { quick, workspace, say, rounds = 1 } = context;
    const { able, skipped } = sortOut(context.replicators);
    for (const { contender, reason } of skipped) say(`  ${contender} is left out: ${reason}`);
    const results: Result[] = [...skipped];
    if (able.length === 0) return results;
    const warmUp = quick ? QUICK_WARM_UP : WARM_UP;
    const phases = quick ? QUICK_PHASES : PHASES;
    const count = [warmUp, ...phases].reduce((sum, { perSecond, seconds }) => sum + perSecond * seconds, 0);
    const messages = composeBodies(count, SEED).map(numbered);
    for (const mails of context.mails ?? [quick ? QUICK_MAILS : MAILS]) {
      workspace.needSpace(2 * treeBytes({ mails, meanBytes: MEAN_BYTES }) * able.length * rounds);
      const tree = workspace.tree({ mails, mailboxes: 1, meanBytes: MEAN_BYTES });
      chmodSync(workspace.root, 0o711); // the mail's owner passes through.
      for (let round = 1; round <= rounds; round++)
        for (const name of able) {
          await runToEnd(["sync", "-f", workspace.root]); // nobody pays for what others left unwritten.
          const measured = await runReplicator(context, { name, tree, warmUp, phases, messages });
          const rows = measured.map(
            (row): ReplicateResult => ({ kind: "replicate", contender: name, round, mails, ...row }),
          );
          for (const row of rows) say(`  ${TITLE_OF[name]}, round ${round}: ${inWords(row)}`);
          results.push(...rows);
        }
    }
    return results;
  },
};

function sortOut(names: readonly ReplicatorName[]): {
  readonly able: readonly ReplicatorName[];
  readonly skipped: readonly SkippedResult[];
} {
  const noDovecot = whyNoDovecot();
  const judged = names.map((name) => ({ name, reason: noDovecot ?? whyNot(name) }));
  return {
    able: judged.filter(({ reason }) => reason === undefined).map(({ name }) => name),
    skipped: judged.flatMap(({ name, reason }) =>
      reason === undefined ? [] : [{ kind: "skipped", workload: "replicate", contender: TITLE_OF[name], reason }],
    ),
  };
}

function inWords(row: ReplicateResult): string {
  const lag = row.lagMs === undefined ? "" : `p50 ${row.lagMs.p50} ms, p99 ${row.lagMs.p99} ms, lost ${row.lost}, `;
  const cpu = `Dovecots ${row.dovecotCpuMsPerDelivery.toFixed(2)} ms, own ${row.ownCpuMsPerDelivery.toFixed(2)} ms a mail`;
  return `${row.perSecond} a second: ${lag}${cpu}`;
}
