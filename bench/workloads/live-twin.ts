/**
 * The seeded pair of one INBOX that a live workload delivers into: made anew, or taken again from a lasting workspace.
 *
 * A pair that is taken again has the deliveries of earlier runs in it. It is taken only while these are few beside its own
 * mails, so that "an INBOX of 500,000" stays true; what is reported is the number that is there.
 */
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Copying, mailtwinSync } from "../measure/contenders.js";
import { runToEnd } from "../measure/run-contender.js";
import { treeBytes } from "../measure/workspace.js";
import type { WorkloadContext } from "./workload.js";

const MEAN_BYTES = 1800;
const GROWTH_MAX = 0.05;

export interface LiveTwin {
  readonly copying: Copying;
  /** Mails in the source before the first delivery. */
  readonly mails: number;
}

/** A pair that is equal, with nothing of it left unwritten. `deliveries`: how many this run will add. */
export async function prepareTwin(context: WorkloadContext, mails: number, deliveries: number): Promise<LiveTwin> {
  const { workspace, say } = context;
  const shape = { mails, mailboxes: 1, meanBytes: MEAN_BYTES };
  const lasting = workspace.lasting(`live-${mails}`);
  const there = lasting === undefined ? undefined : pairIn(lasting);
  const isSeeded = lasting !== undefined && existsSync(join(lasting, "seeded"));
  const canLast = growthAllows(mails, isSeeded && there !== undefined ? countMails(there.source) : mails, deliveries);
  let copying: Copying;
  if (isSeeded && there !== undefined && canLast) {
    say(`using ${lasting} again`);
    copying = there;
  } else {
    workspace.needSpace(2 * treeBytes(shape));
    const isLasting = !isSeeded && canLast && lasting !== undefined && !existsSync(lasting);
    copying = pairIn(isLasting ? lasting : workspace.fresh("live"));
    workspace.makeTree(copying.source, shape);
  }
  // A new pair is seeded here; one that is taken again is brought to where an interrupted run should have left it.
  say("twinning it, not measured");
  const [program = "", ...args] = mailtwinSync(context.mailtwin, copying);
  await runToEnd([program, ...args]);
  await runToEnd(["sync", "-f", workspace.root]);
  if (lasting !== undefined && copying.source.startsWith(`${lasting}/`)) writeFileSync(join(lasting, "seeded"), "");
  return { copying, mails: countMails(copying.source) };
}

/** May an INBOX of nominally `mails` that holds `present` take so many deliveries more and still be called that? Pure. */
export function growthAllows(mails: number, present: number, deliveries: number): boolean {
  return present + deliveries <= mails * (1 + GROWTH_MAX);
}

function pairIn(directory: string): Copying {
  return { source: join(directory, "src"), target: join(directory, "dst"), state: join(directory, "state") };
}

function countMails(source: string): number {
  return readdirSync(join(source, "cur")).length + readdirSync(join(source, "new")).length;
}
