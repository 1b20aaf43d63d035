/**
 * The whole command again on a pair that is equal already, its state kept: what a quiet night costs.
 */
import { type Contender, type Copying, makeContenders } from "../measure/contenders.js";
import { runToEnd } from "../measure/run-contender.js";
import { treeBytes } from "../measure/workspace.js";
import { runSideBySide, summarize } from "./side-by-side.js";
import { chosenSizes, mailsOf, type Result, type Workload, type WorkloadContext } from "./workload.js";

interface Size {
  readonly mails: number;
  readonly meanBytes: number;
  readonly rounds: number;
}

const SIZES: readonly Size[] = [
  { mails: 100_000, meanBytes: 23_000, rounds: 7 },
  { mails: 500_000, meanBytes: 1800, rounds: 7 },
];
const QUICK_SIZES: readonly Size[] = [{ mails: 500, meanBytes: 23_000, rounds: 2 }];

export const nothingChanged: Workload = {
  name: "nothing-changed",
  title: "the same command again, nothing changed, state kept",
  run: async (context) => {
    const results: Result[] = [];
    for (const size of chosenSizes(context, context.quick ? QUICK_SIZES : SIZES, ({ mails }) => mails))
      results.push(...(await runSize(context, size)));
    return results;
  },
};

async function runSize(context: WorkloadContext, { mails, meanBytes, rounds }: Size): Promise<readonly Result[]> {
  const { workspace, say } = context;
  const source = workspace.tree({ mails, meanBytes });
  workspace.needSpace(treeBytes({ mails, meanBytes }) * context.contenders.length);
  const contenders = makeContenders(context.contenders, { mailtwin: context.mailtwin, scratch: workspace.root });
  const copyings = new Map<Contender, Copying>();
  for (const contender of contenders) {
    const copying = {
      source,
      target: workspace.fresh(`${contender.name}-copy`),
      state: workspace.fresh(`${contender.name}-state`),
    };
    copyings.set(contender, copying);
    say(`  ${contender.name}: first copy, not measured`);
    await runToEnd(contender.command(copying).argv);
    await runToEnd(contender.command(copying).argv); // the caches are warm for everybody.
  }
  const copyingOf = (contender: Contender): Copying => {
    const copying = copyings.get(contender);
    if (copying === undefined) throw new RangeError(`no copy of ${contender.name}`);
    return copying;
  };
  const runs = await runSideBySide({
    contenders,
    rounds: context.rounds ?? rounds,
    copyingOf,
    synced: false,
    scratch: workspace.root,
    say,
  });
  return summarize({ workload: "nothing-changed", size: mailsOf(mails) }, runs);
}
