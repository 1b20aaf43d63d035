/**
 * Seeding: a whole tree to a new, empty place, with everything synced to disk at the end.
 */
import { makeContenders } from "../measure/contenders.js";
import { treeBytes } from "../measure/workspace.js";
import { runSideBySide, summarize } from "./side-by-side.js";
import { chosenSizes, mailsOf, type Result, type Workload, type WorkloadContext } from "./workload.js";

const SIZES = [
  { mails: 10_000, rounds: 5 },
  { mails: 100_000, rounds: 3 },
];
const QUICK_SIZES = [{ mails: 500, rounds: 2 }];

export const seed: Workload = {
  name: "seed",
  title: "first copy of a whole tree, synced to disk at the end",
  run: async (context) => {
    const results: Result[] = [];
    for (const size of chosenSizes(context, context.quick ? QUICK_SIZES : SIZES, ({ mails }) => mails))
      results.push(...(await runSize(context, size)));
    return results;
  },
};

async function runSize(
  context: WorkloadContext,
  size: { readonly mails: number; readonly rounds: number },
): Promise<readonly Result[]> {
  const { workspace, say } = context;
  const rounds = context.rounds ?? size.rounds;
  const source = workspace.tree({ mails: size.mails });
  workspace.needSpace(treeBytes({ mails: size.mails }) * rounds * context.contenders.length);
  const contenders = makeContenders(context.contenders, { mailtwin: context.mailtwin, scratch: workspace.root });
  const runs = await runSideBySide({
    contenders,
    rounds,
    copyingOf: ({ name }) => ({
      source,
      target: workspace.fresh(`${name}-copy`),
      state: workspace.fresh(`${name}-state`),
    }),
    synced: true,
    scratch: workspace.root,
    say,
  });
  return summarize({ workload: "seed", size: mailsOf(size.mails) }, runs);
}
