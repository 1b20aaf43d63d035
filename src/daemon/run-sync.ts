/**
 * One `sync`: makes the places, takes the state directory's lock, looks whether there is anything to do, and only then starts
 * and loads the machinery (threads and codecs cost more than the look at a store that is at rest).
 */
import { join } from "node:path";
import type { UndeleteLimits } from "../apply/purge-types.js";
import { systemClock } from "../base/clock.js";
import { errnoOf } from "../base/errors.js";
import { displayRaw } from "../base/raw-name.js";
import { LATE_ADOPTION } from "./adopt.js";
import { openIfCurrent, readStanding, WORK } from "./at-rest.js";
import { beginAnew, choiceAnew, endAnew, isBegunAnew } from "./begin-anew.js";
import { holdDestination } from "./hold-destination.js";
import { holdScratch } from "./hold-scratch.js";
import { holdStateDirectory, leaveState } from "./hold-state.js";
import { refuseUnwritable } from "./permissions.js";
import { scratchRefusal } from "./place-rules.js";
import {
  forgetHalfState,
  forgetState,
  hasAside,
  makePlaces,
  noteTwin,
  type Places,
  refuseVanished,
  type Sites,
  takeBack,
} from "./places.js";
import type { Reporter } from "./reporter.js";
import { areRecorded, compareStores } from "./same-stores.js";
import { startThreads } from "./threads.js";
import { tuneForRun } from "./tune-engine.js";
import type { TwinOptions } from "./twin.js";
import { isPurgeDue } from "./undelete/purge.js";
import { wordsOfLateForeign } from "./words.js";

const NOTHING_DONE = {
  ...{ adopted: 0, mailboxesFound: 0, remarked: 0, reused: 0, kept: 0, toLimbo: 0 },
  ...{ transactions: 0, saves: 0, marks: 0, expunges: 0, bodiesBytes: 0, problems: 0 },
  ...{ mailboxesMade: 0, mailboxesRenamed: 0, mailboxesDeleted: 0, messagesOfDeleted: 0, caughtBySweep: 0 },
  ...{ numberedInSource: 0, renumberedInSource: 0, identifiedInSource: 0, raisedInSource: 0 },
} as const;

export interface SyncOptions
  extends Omit<TwinOptions, "moved" | "gone" | "renumbered" | "sites" | "threads" | "onKept" | "isAnew"> {
  /** The state's stores may stand elsewhere than it says. */
  readonly acceptsMoved: boolean;
}

/** Returns the number of problems; throws what stops the whole. */
export async function runSyncIn(options: SyncOptions, reporter: Reporter, signal: AbortSignal): Promise<number> {
  const { places, watch, acceptsMoved } = options;
  const startMs = systemClock.monotonicMs();
  const stores = compareStores(places, acceptsMoved);
  if (stores === "same") refuseVanished(places);
  const { sites, made } = makePlaces(places);
  using _locked = holdStateDirectory(places.state);
  const orLeave = <T>(step: () => T): T => {
    try {
      return step();
    } catch (error) {
      leaveState(places.state, made);
      throw error;
    }
  };
  // Whatever the state directory: one writer.
  using _destinationLocked = orLeave(() => holdDestination(places.destination, () => takeBack(made)));
  // Also for two destinations, and where a directory cannot be locked.
  using _scratchLocked = orLeave(() => holdScratch(places.scratch, sites.scratch, scratchRefusal(places.scratch)));
  // Once more: another run may have used it until it was ours.
  if (stores === "unused" && compareStores(places, acceptsMoved) === "unused") forgetState(places);
  forgetHalfState(places);
  const standing = readStanding(places, options.acceptsUidValidity !== "all");
  const isAtRest = standing.kind === "at-rest" && !watch && !hasAside(places) && areRecorded(places);
  if (isAtRest && !options.resync && !isLimboDue(places, options.undelete)) {
    noteQuietly(places, sites);
    const { mailboxes, messages } = standing;
    const late = wordsOfLateForeign(options.foreign);
    if (late !== undefined) reporter.warning(late);
    if (options.adopts) reporter.warning(LATE_ADOPTION);
    reporter.summary({ ...NOTHING_DONE, mailboxes, messages, elapsedMs: systemClock.monotonicMs() - startMs });
    return 0;
  }
  orLeave(() => refuseUnwritable(places.destination));
  if (standing.kind === "outdated") {
    reporter.conflict({ path: "", words: standing.words });
    beginAnew(places);
  }
  const isAnew = isBegunAnew(places);
  const { moved, gone, renumbered } = standing.kind === "work" ? standing : WORK;
  tuneForRun();
  await using threads = startThreads();
  const [{ runTwin }, { describeGone, describeMoved }] = await Promise.all([
    import("./twin.js"),
    import("./put-back.js"),
  ]);
  for (const mailbox of moved) reporter.conflict({ path: displayRaw(mailbox.path), words: describeMoved(mailbox) });
  for (const mailbox of gone) reporter.conflict({ path: displayRaw(mailbox.path), words: describeGone(mailbox) });
  const foreign = choiceAnew(options.foreign, isAnew);
  const onKept = (words: string) => {
    if (foreign !== options.foreign) reporter.conflict({ path: "", words });
  };
  const twin = { ...options, foreign, onKept, isAnew, sites, threads, moved, gone, renumbered };
  const problems = await runTwin(twin, reporter, signal);
  if (isAnew) endAnew(places);
  return problems;
}

/** What is due in the limbo is removed by the run that is started for it. */
function isLimboDue(places: Places, limits: UndeleteLimits): boolean {
  using replica = openIfCurrent(join(places.state, "replica.db"));
  return replica !== undefined && isPurgeDue(replica, limits, systemClock.nowMs());
}

/** Where nothing is to be done a full or read-only disk is no failure: the next run notes it. */
function noteQuietly(places: Places, sites: Sites): void {
  try {
    noteTwin(places, sites)[Symbol.dispose]();
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
  }
}
