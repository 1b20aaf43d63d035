/**
 * `--dry-run`: says in words what a sync would do. Reads both stores and the state, writes nothing anywhere.
 */
import { existsSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { systemClock } from "../base/clock.js";
import { Disposer } from "../base/disposal.js";
import { displayRaw, type RawPath, rawFromText } from "../base/raw-name.js";
import { formatCount } from "../base/text-format.js";
import { startWorker, type WorkerClient } from "../base/worker-rpc.js";
import type { CaptureMethods, CaptureProblem } from "../capture/capture-types.js";
import { planStructure } from "../capture/plan-structure.js";
import { openStateReader } from "../log/state-reader.js";
import type { MailboxRow } from "../log/state-types.js";
import { compareAtFirstContact, type SourceMailbox } from "../resync/first-contact.js";
import { describeTransaction } from "../txn/describe.js";
import type { Transaction } from "../txn/transaction.js";
import { decodeTransaction } from "../txn/transaction-codec.js";
import type { Places } from "./places.js";
import type { Reporter } from "./reporter.js";

interface StoreReading {
  readonly transactions: number;
  readonly problems: readonly CaptureProblem[];
  /** Everything that would be sent, by mailbox; only asked for at first contact. */
  readonly mailboxes: ReadonlyMap<
    RawPath,
    { readonly guid: string; readonly uidValidity: number; readonly bases: string[] }
  >;
}

/** Returns the number of problems. */
export async function runDryRun(places: Places, reporter: Reporter, signal: AbortSignal): Promise<number> {
  await using owner = new Disposer();
  const statePath = join(places.state, "source.db");
  const known = existsSync(statePath) && hasMet(join(places.state, "replica.db"));
  const rows = known ? readRows(statePath) : [];
  const worker = await openWorker(places.source, known ? statePath : undefined, owner);
  const source = await readStore(
    worker,
    rows,
    (transaction) => reporter.plan(describeTransaction(transaction)),
    signal,
  );
  const foreign =
    known || !existsSync(places.destination)
      ? 0
      : await planFirstContact(places.destination, source, reporter, owner, signal);
  for (const problem of source.problems) reporter.problem({ ...problem, path: displayRaw(problem.path) });
  if (source.transactions === 0 && foreign === 0)
    reporter.plan("nothing to do: the source has not changed since the last run");
  return source.problems.length;
}

/** Something was written to the destination before: this is no first contact. */
function hasMet(replicaPath: string): boolean {
  return existsSync(replicaPath) && readRows(replicaPath).length > 0;
}

function readRows(statePath: string): readonly MailboxRow[] {
  using reader = openStateReader(statePath);
  return reader.mailboxes();
}

async function openWorker(
  store: string,
  statePath: string | undefined,
  owner: Disposer,
): Promise<WorkerClient<CaptureMethods>> {
  const worker = owner.adopt(
    startWorker<CaptureMethods>({ url: new URL("../capture/capture-worker.js", import.meta.url), name: "dry-run" }),
  );
  await worker.call("open", { storeRoot: rawFromText(store), statePath, hostname: hostname(), pid: process.pid });
  return worker;
}

async function readStore(
  worker: WorkerClient<CaptureMethods>,
  rows: readonly MailboxRow[],
  onTransaction: (transaction: Transaction) => void,
  signal: AbortSignal,
): Promise<StoreReading> {
  const { mailboxes, problems } = await worker.call("discover");
  const unread = problems.map((problem) => problem.path);
  const plan = planStructure(mailboxes, rows, unread);
  const found = new Map<RawPath, { guid: string; uidValidity: number; bases: string[] }>();
  const all = [...problems];
  let transactions = 0;
  const take = (bytes: Uint8Array) => {
    const transaction = decodeTransaction(bytes);
    transactions += 1;
    onTransaction(transaction);
    const mailbox = found.get(transaction.path) ?? {
      guid: transaction.mailbox,
      uidValidity: transaction.uidValidity,
      bases: [],
    };
    for (const change of transaction.changes) if (change.kind === "save") mailbox.bases.push(change.message.base);
    found.set(transaction.path, mailbox);
  };
  for (const { path } of plan.examine) {
    for (let more = true; more; ) {
      signal.throwIfAborted();
      const outcome = await worker.call("examine", {
        path,
        hints: { names: [], uidlist: false },
        full: true,
        nowMs: systemClock.nowMs(),
      });
      if (outcome.kind === "problem") all.push(outcome.problem);
      if (outcome.kind === "sealed") for (const { bytes } of outcome.commit.transactions) take(bytes);
      more = outcome.kind === "sealed" && outcome.more;
    }
  }
  for (const { guid } of plan.missing) {
    const outcome = await worker.call("vanished", { guid, nowMs: systemClock.nowMs() });
    if (outcome.kind === "sealed") for (const { bytes } of outcome.commit.transactions) take(bytes);
  }
  return { transactions, problems: all, mailboxes: found };
}

/** The destination read as if it were a source with no baseline: what is there, and what of it the source does not have. */
async function planFirstContact(
  destination: string,
  source: StoreReading,
  reporter: Reporter,
  owner: Disposer,
  signal: AbortSignal,
): Promise<number> {
  const worker = await openWorker(destination, undefined, owner);
  const replica = await readStore(worker, [], () => undefined, signal);
  const standing = [...replica.mailboxes].map(([path, mailbox]) => ({ path, ...mailbox }));
  const sources = new Map<string, SourceMailbox>();
  for (const [path, { guid, uidValidity, bases }] of source.mailboxes) {
    const mailbox = { path, guid, uidValidity, bases: new Set(bases) };
    sources.set(guid, mailbox);
    if (!sources.has(path)) sources.set(path, mailbox);
  }
  const findings = compareAtFirstContact(standing, (mailbox) => sources.get(mailbox.guid) ?? sources.get(mailbox.path));
  for (const { path, foreign, resent } of findings) {
    const name = path === "" ? "INBOX" : displayRaw(path);
    if (foreign.length > 0)
      reporter.plan(
        `${name}: ${formatCount(foreign.length)} messages only the destination has: refused unless --foreign says keep or limbo`,
      );
    if (resent.length > 0)
      reporter.plan(
        `${name}: another identity there: ${formatCount(resent.length)} messages are sent again, the copies there go to limbo`,
      );
  }
  return findings.length;
}
