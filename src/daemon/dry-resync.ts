/**
 * `sync --resync --dry-run`: compares DST with SRC as the run would, and tells what it would do, mailbox by mailbox. Nothing is written on
 * either side: what a run would capture first is found by a worker that records nothing (dry-capture.ts), and put on top of the source's
 * state in memory (dry-state.ts).
 */
import { existsSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import type { Questions } from "../agent/asker.js";
import { answerLook } from "../agent/looks.js";
import { type PlanPorts, planComparison } from "../agent/planned-comparison.js";
import type { UidValidityChoice } from "../agent/recovery.js";
import type { CompareMethods } from "../apply/compare-types.js";
import { openLooks } from "../apply/looks.js";
import { pinReplica } from "../apply/pinned-root.js";
import { systemClock } from "../base/clock.js";
import { openNodeDisk } from "../base/disk-node.js";
import { Disposer } from "../base/disposal.js";
import { openHash } from "../base/hash.js";
import { displayRaw, rawFromText } from "../base/raw-name.js";
import { BRAKE_LIMITS } from "../capture/brake.js";
import type { StateReader } from "../log/state-ports.js";
import { openStateReader } from "../log/state-reader.js";
import { StateDigester } from "../txn/digest.js";
import { readStanding } from "./at-rest.js";
import { openDryWorker, readSource } from "./dry-capture.js";
import { DryState } from "./dry-state.js";
import type { ForeignChoice } from "./first-contact.js";
import type { ReplicaPlaces, SourcePlaces } from "./half-places.js";
import { hasAside, hasParked, type Places, refuseVanished } from "./places.js";
import type { Reporter } from "./reporter.js";
import { PlanOfReplica, planBudget } from "./run/plan-of-replica.js";
import { compareStores } from "./same-stores.js";
import { countOf, mailboxName, wordsOfLateForeign } from "./words.js";

/** As the agent of a run calls it. */
const REPLICA = "destination";

export interface PlanChoices {
  /** The state's stores may stand elsewhere than it says. */
  readonly moved: boolean;
  readonly acceptsUidValidity: UidValidityChoice;
  /** What the brake holds back may go. */
  readonly approvesDeletions: boolean;
  /** What becomes of mail that only DST has. */
  readonly foreign: ForeignChoice;
  /** Mailboxes that are equal are named too. */
  readonly tellsEqual: boolean;
}

/**
 * Returns the number of problems; undefined where nothing was replicated there yet, or the state is outdated: the run would be a first
 * contact. Throws what would stop the run.
 */
export async function planLocalTwin(
  places: Places,
  choices: PlanChoices,
  reporter: Reporter,
  signal: AbortSignal,
): Promise<number | undefined> {
  await using owner = new Disposer();
  if (compareStores(places, choices.moved) === "same") refuseVanished(places);
  const standing = readStanding(places, choices.acceptsUidValidity !== "all");
  if (standing.kind === "outdated") return undefined;
  const paths = ["source.db", "replica.db"].map((file) => join(places.state, file));
  if (!paths.every((path) => existsSync(path))) return undefined;
  const { destination: store, scratch, state } = places;
  const looks = await openReplicaLooks({ store, scratch, state }, owner);
  if (looks.reader.mailboxes().length === 0) return undefined;
  if (looks.reader.intents().length > 0 || hasParked(places)) {
    reporter.plan(
      "an earlier run was cut off: the next one first brings to its end what was under way, which may be part of this",
    );
  }
  if (hasAside(places)) reporter.plan("put back the mail of DST that was set aside at first contact");
  const asker: Questions = { ask: (ask, inner) => answerLook(looks.methods, ask, inner) };
  const source = { store: places.source, site: places.sourceSite, state: places.state };
  return await planTwin({ source, asker, choices, reporter }, signal); // what it uses is released when this function ends.
}

/** Throws: the codes of the state database, destination-missing when it is asked. */
export async function openReplicaLooks(
  { store, scratch, state }: ReplicaPlaces,
  owner: Disposer,
): Promise<{ readonly reader: StateReader; readonly methods: CompareMethods }> {
  const statePath = join(state, "replica.db");
  const reader = owner.adopt(openStateReader(statePath));
  const roots = { storeRoot: rawFromText(store), scratchRoot: rawFromText(scratch) };
  const options = { ...roots, statePath, hostname: hostname(), pid: process.pid };
  const digester = new StateDigester(await openHash());
  const disk = pinReplica(openNodeDisk(), options);
  return { reader, methods: openLooks({ disk, reader, digester, clock: systemClock }, options) };
}

export interface PlannedTwin {
  readonly source: SourcePlaces;
  /** Of the replica. */
  readonly asker: Questions;
  readonly choices: Omit<PlanChoices, "moved">;
  readonly reporter: Reporter;
}

/** Its source's state is there. Returns the number of problems. Throws: source-emptied, replica-emptied, what ends a link. */
export async function planTwin(
  { source, asker, choices, reporter }: PlannedTwin,
  signal: AbortSignal,
): Promise<number> {
  await using owner = new Disposer();
  const { acceptsUidValidity: accepts, approvesDeletions, tellsEqual, foreign } = choices;
  const late = wordsOfLateForeign(foreign);
  if (late !== undefined) reporter.warning(late);
  const statePath = join(source.state, "source.db");
  const reader = owner.adopt(openStateReader(statePath));
  const state = new DryState(reader);
  const worker = await openDryWorker(source, { statePath, brake: approvesDeletions ? undefined : BRAKE_LIMITS }, owner);
  const telling = {
    onCommit: state.add.bind(state),
    tellUnnumbered: (path: Parameters<typeof mailboxName>[0], count: number) =>
      reporter.plan(`${mailboxName(path)}: give UIDs to ${countOf(count, "message")} of SRC without one, and deliver`),
  };
  const { problems, brake } = await readSource(worker, reader.mailboxes(), telling, signal);
  const ports: PlanPorts = {
    ...{ name: REPLICA, reader: state, asker, clock: systemClock, mayHave: undefined },
    source: {
      describe: (where) => worker.call("describe", where),
      whyHeld: (of) => worker.call("whyHeld", of),
      pathOf: (guid) => state.mailboxByGuid(guid)?.path,
      uidNextOf: (guid) => state.mailboxByGuid(guid)?.uidNext ?? 1,
    },
    renumbers: () => ({ source: true, replica: accepts === "all", nobody: accepts !== "none" }),
    // Nothing is on its way.
    line: { has: () => false },
    mender: { isMending: () => false },
    sender: { sentLsn: state.lastLsn() },
    rejections: { rows: reader.rejections(REPLICA) },
    foreignGoes: foreign === "limbo",
  };
  const plan = new PlanOfReplica({ brake, whoLetsGo: "--approve-deletions" }, planBudget(tellsEqual));
  await planComparison(ports, "all", (planned) => plan.add(planned), signal);
  for (const problem of problems) reporter.problem({ ...problem, path: displayRaw(problem.path) });
  const told = plan.told(false);
  reporter.planned(told);
  return problems.length + told.failed;
}
