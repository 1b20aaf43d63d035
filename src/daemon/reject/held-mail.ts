/**
 * What the brake holds back of a source, message by message: found by a look at the store that writes nothing, as the capture itself looks,
 * whether a run goes on or not.
 */
import { hostname } from "node:os";
import { join } from "node:path";
import { type Clock, systemClock } from "../../base/clock.js";
import { openHash } from "../../base/hash.js";
import { rawFromText } from "../../base/raw-name.js";
import { BRAKE_LIMITS } from "../../capture/brake.js";
import type { CaptureProblem } from "../../capture/capture-types.js";
import { captureError, SOURCE_EMPTIED } from "../../capture/errors.js";
import { planStructure, type StructurePlan, VANISH_MS } from "../../capture/plan-structure.js";
import { openSourceStore, type SourceStore } from "../../capture/source-store.js";
import { parseUids } from "../../capture/uid-set.js";
import { MailboxBaseline } from "../../log/baseline.js";
import { openStateReader } from "../../log/state-reader.js";
import type { BaselineRecord, MailboxRow } from "../../log/state-types.js";
import type { MailboxGuid } from "../../maildir/ids.js";
import { StateDigester } from "../../txn/digest.js";
import type { RejectPlace } from "./find-source.js";

export interface HeldMail {
  readonly row: MailboxRow;
  /** The mailbox is gone. */
  readonly isWhole: boolean;
  /** Ascending by UID. */
  readonly records: readonly BaselineRecord[];
  /** UIDs of those that are back, and of which the log knows. */
  readonly back: ReadonlySet<number>;
}

export interface HeldFound {
  /** By path. */
  readonly held: readonly HeldMail[];
  /** What could not be looked at. */
  readonly problems: readonly CaptureProblem[];
  readonly logId: string;
}

/** One mailbox may need a second look, or one at another moment. */
const LOOKS_MAX = 50;
const AGAIN_MS = 50;
/** Of a mailbox in the place of one that is held back: there is nothing the matter with it. */
const HELD = "deletions-held";

/** Throws: store-missing, store-unreadable, source-emptied, the codes of the state database. */
export async function findHeld({ source, site, sentinel, state }: RejectPlace): Promise<HeldFound> {
  const statePath = join(state, "source.db");
  using reader = openStateReader(statePath);
  using store = await openSourceStore({
    ...{ storeRoot: rawFromText(source), storeSite: site, sentinel, statePath, brake: BRAKE_LIMITS },
    ...{ hostname: hostname(), pid: process.pid, limits: { listingSliceMs: Number.POSITIVE_INFINITY } },
  });
  const problems = await look(store, reader.mailboxes(), systemClock);
  const uidsByGuid = new Map(store.broughtBack().map(({ guid, uids }) => [guid, uids]));
  const sources = { reader, digester: new StateDigester(await openHash()) };
  const held = store.held.flatMap(({ row, uids }): readonly HeldMail[] => {
    const logged = reader.mailboxByGuid(row.guid);
    if (logged === undefined) return []; // let go meanwhile.
    const records = recordsOf(new MailboxBaseline(sources, logged), uids);
    const back = uidsByGuid.get(row.guid);
    const isBack = back === undefined ? new Set<number>() : new Set(backOf(back, records));
    return [{ row: { ...logged, path: row.path }, isWhole: uids === undefined, records, back: isBack }];
  });
  return { held: held.sort(byPath), problems, logId: reader.meta("log-id") ?? "" };
}

function backOf(uids: string, records: readonly BaselineRecord[]): Iterable<number> {
  return uids === "*" ? records.map(({ uid }) => uid) : parseUids(uids).uids();
}

function recordsOf(baseline: MailboxBaseline, uids: ReadonlySet<number> | undefined): readonly BaselineRecord[] {
  const all = baseline.looks().flatMap(({ chunk }) => baseline.records(chunk));
  return uids === undefined ? all : all.filter(({ uid }) => uids.has(uid));
}

function byPath(a: HeldMail, b: HeldMail): number {
  return a.row.path < b.row.path ? -1 : 1;
}

/** Two looks at the whole store: one that is renamed just now is not gone. */
async function look(store: SourceStore, rows: readonly MailboxRow[], clock: Clock): Promise<CaptureProblem[]> {
  const first = planOf(store, rows, false);
  await clock.sleep(VANISH_MS + AGAIN_MS, NEVER);
  const second = planOf(store, rows, true);
  const problems = [...second.problems];
  for (const { path } of second.plan.examine) {
    for (let round = 0; round < LOOKS_MAX; round++) {
      const request = { path, hints: { names: [], uidlist: false }, full: true, nowMs: clock.nowMs() };
      const outcome = store.examine(request);
      if (outcome.kind === "problem" && outcome.problem.code !== HELD) problems.push(outcome.problem);
      if (outcome.kind === "problem" || outcome.kind === "absent") break;
      const { more, needListing, recheckInMs } = outcome;
      if (!more && !needListing && recheckInMs === undefined) break;
      if (!more) await clock.sleep(recheckInMs ?? AGAIN_MS, NEVER);
    }
  }
  const missed = new Set(first.plan.missing.map(({ guid }) => guid));
  for (const { guid } of second.plan.missing)
    if (missed.has(guid) && !second.uncertain.has(guid)) store.vanished({ guid, nowMs: clock.nowMs() });
  return problems;
}

const NEVER = new AbortController().signal;

interface Looked {
  readonly plan: StructurePlan;
  readonly problems: readonly CaptureProblem[];
  readonly uncertain: ReadonlySet<MailboxGuid>;
}

function planOf(store: SourceStore, rows: readonly MailboxRow[], twice: boolean): Looked {
  const { mailboxes, problems, uncertain = [] } = store.discover({ twice });
  const unread = problems.map(({ path }) => path);
  const plan = planStructure(mailboxes, rows, unread);
  if (plan.emptied) throw captureError("source-emptied", SOURCE_EMPTIED);
  return { plan, problems, uncertain: new Set(uncertain) };
}
