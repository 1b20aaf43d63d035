/**
 * Two stores compared, and made equal again where they differ: what a proof of equality costs, and what travels for a difference.
 */
import { makeCarriers } from "../measure/carriers.js";
import { makeRsyncBridge } from "../measure/contenders.js";
import { runToEnd } from "../measure/run-contender.js";
import { treeBytes } from "../measure/workspace.js";
import { MailtwinCalls } from "./mailtwin-calls.js";
import { measureChanges } from "./verify-changes.js";
import { measureLooks } from "./verify-looks.js";
import type { Result, Workload, WorkloadContext } from "./workload.js";

interface Size {
  readonly mails: number;
  readonly meanBytes: number;
}

/** What all measurements of one size stand on. */
export interface Ground {
  readonly mails: number;
  readonly mailboxes: number;
  /** Nobody may change it. */
  readonly source: string;
  /** By `rsync -a`. */
  readonly copy: string;
  readonly calls: MailtwinCalls;
  readonly bridge: string;
  readonly withRsync: boolean;
  readonly scratch: string;
  readonly fresh: (name: string) => string;
  /** Nobody pays for what others left unwritten. */
  readonly settle: () => Promise<unknown>;
  readonly say: (line: string) => void;
}

const SIZES: readonly Size[] = [
  { mails: 100_000, meanBytes: 23_000 },
  { mails: 500_000, meanBytes: 1800 },
];
const QUICK_SIZES: readonly Size[] = [{ mails: 500, meanBytes: 2000 }];
/** Mails up to here have the mean size of real stores; what many changes take is measured here only. */
const FULL_BODIES_MAILS_MAX = 100_000;
const MAILBOXES = 5;
const ROUNDS = { looks: 7, changes: 5 };
const QUICK_ROUNDS = 1;
/** rsync's copy, the changing source, and two twins. */
const COPIES = 4;

export const verify: Workload = {
  name: "verify",
  title: "two stores compared, and made equal again after changes",
  run: async (context) => {
    const results: Result[] = [];
    for (const size of sizesOf(context)) results.push(...(await runSize(context, size)));
    return results;
  },
};

/** Takes any number of mails. */
function sizesOf({ mails, quick }: WorkloadContext): readonly Size[] {
  if (mails === undefined) return quick ? QUICK_SIZES : SIZES;
  const meanBytesOf = (count: number): number => {
    const [real, small] = SIZES.map(({ meanBytes }) => meanBytes);
    return (count <= FULL_BODIES_MAILS_MAX ? real : small) ?? 0;
  };
  return mails.map((count) => ({ mails: count, meanBytes: meanBytesOf(count) }));
}

async function runSize(context: WorkloadContext, { mails, meanBytes }: Size): Promise<readonly Result[]> {
  const { workspace, say, quick } = context;
  const scratch = workspace.root;
  const source = workspace.tree({ mails, mailboxes: MAILBOXES, meanBytes });
  workspace.needSpace(treeBytes({ mails, meanBytes }) * COPIES);
  const copy = workspace.fresh("copy");
  await runToEnd(["rsync", "-a", `${source}/`, `${copy}/`]);
  const ground: Ground = {
    ...{ mails, mailboxes: MAILBOXES, source, copy, scratch, say },
    calls: new MailtwinCalls(context.mailtwin, makeCarriers(scratch)),
    bridge: makeRsyncBridge(scratch),
    withRsync: context.contenders.includes("rsync"),
    fresh: (name) => workspace.fresh(name),
    settle: () => runToEnd(["sync", "-f", scratch]),
  };
  const rounds = context.rounds ?? (quick ? QUICK_ROUNDS : undefined);
  return [
    ...(await measureLooks(ground, rounds ?? ROUNDS.looks)),
    ...(await measureChanges(ground, {
      rounds: rounds ?? ROUNDS.changes,
      many: mails <= FULL_BODIES_MAILS_MAX,
    })),
  ];
}
