/**
 * A local twin: source side, replica side and the in-process link between them. Opened, mended, run (twin-run.ts), closed.
 */
import { hostname } from "node:os";
import type { DamagedBodies, UidValidityChoice } from "../agent/recovery.js";
import type { UndeleteLimits } from "../apply/purge-types.js";
import { systemClock } from "../base/clock.js";
import { Disposer } from "../base/disposal.js";
import { recordOfError } from "../base/errors.js";
import { BRAKE_LIMITS } from "../capture/brake.js";
import type { MailboxRow } from "../log/state-types.js";
import { openMemoryLink } from "../wire/memory-link.js";
import type { RenumberedMailbox } from "./at-rest.js";
import type { ForeignChoice } from "./first-contact.js";
import { together } from "./open-together.js";
import { hasAside, noteTwin, type Places, type Sites } from "./places.js";
import { logPutBack, type MovedMailbox } from "./put-back.js";
import { openReplicaSide } from "./replica-side.js";
import type { Reporter } from "./reporter.js";
import { recordStores } from "./same-stores.js";
import { openSourceSide } from "./source-side.js";
import { watchState } from "./state-watch.js";
import { Tally } from "./tally.js";
import type { Threads } from "./threads.js";
import { TwinRun } from "./twin-run.js";
import { type PurgeTurn, purgeOnce, schedulePurges } from "./undelete/purge.js";

export interface TwinOptions {
  readonly places: Places;
  readonly sites: Sites;
  /** They end with the twin. */
  readonly threads: Threads;
  readonly watch: boolean;
  readonly foreign: ForeignChoice;
  /** The destination is meant to be a copy already: an empty one is refused. */
  readonly adopts: boolean;
  /** What a first contact says of mail that it keeps. */
  readonly onKept: (words: string) => void;
  /** A first contact is one of a destination that was written to before (begin-anew.ts). */
  readonly isAnew: boolean;
  /** What stays in the limbo. */
  readonly undelete: UndeleteLimits;
  readonly crashAt: string | undefined;
  /** Deletions that are held back may go. */
  readonly approvesDeletions: boolean;
  /** Mailboxes that were renamed on the destination: they get their names back. */
  readonly moved: readonly MovedMailbox[];
  /** Mailboxes that are gone from the destination: they are made anew. */
  readonly gone: readonly MailboxRow[];
  /** All of the destination is compared with the source, whatever the state says. */
  readonly resync: boolean;
  /** Of these the bytes are sent again, where all is compared. */
  readonly damaged: DamagedBodies;
  readonly acceptsUidValidity: UidValidityChoice;
  /** Mailboxes that have another UIDVALIDITY on the destination than was written there: they are compared, unless all is. */
  readonly renumbered: readonly RenumberedMailbox[];
}

/**
 * The caller has made the places and holds the state directory's lock.
 * Returns the number of problems (mailboxes that need a person); throws what stops the whole. With `watch` it returns when
 * `signal` aborts, after everything captured has been shipped. Where that was not so, or it was not live yet, it throws the reason
 * of `signal`, with what was done or is left.
 */
export async function runTwin(options: TwinOptions, reporter: Reporter, signal: AbortSignal): Promise<number> {
  const { places, sites, threads, gone } = options;
  await using owner = new Disposer();
  owner.adopt(threads.state);
  const common = {
    stateDir: places.state,
    threads,
    hostname: hostname(),
    crashAt: options.crashAt,
    clock: systemClock,
  };
  const onCommitted = () => agent.wake();
  // Nobody is asked twice in a run that goes on: what he has said is true of all that comes.
  const brake = options.watch && options.approvesDeletions ? undefined : BRAKE_LIMITS;
  const foreign = options.foreign === "refuse" ? undefined : options.foreign;
  const [source, replica] = await together(
    openSourceSide({ ...common, store: places.source, storeSite: sites.source, gone, onCommitted, brake }, owner),
    openReplicaSide(
      {
        ...common,
        ...{ store: places.destination, scratch: places.scratch, foreign, live: options.watch },
        sites: { store: sites.destination, scratch: sites.scratch },
      },
      owner,
    ),
  );
  await recordStores(source, places, sites);
  await logPutBack(source, options.moved, systemClock.nowMs());
  const link = openMemoryLink();
  const { watch } = options;
  const tally = new Tally(replica.messageCounts(gone));
  // What is aside lies in the scratch directory, and tells of itself.
  const aside = { hasAside: () => hasAside(places), onMeeting: nothing, onRestored: nothing };
  // What no transaction leads on from: a comparison of an earlier run was refused, or a person has asked for one.
  const isHeld = source.reader.rejections().some(({ lsn }) => lsn < 1);
  const run = new TwinRun({ source, stores: places, tally, ...aside, ...choicesOf(options, isHeld) }, reporter);
  const agent = run.makeAgent(link.source);
  const stop = new AbortController();
  let noted: Disposable | undefined;
  const ends = [
    replica.serve(link.replica, stop.signal),
    agent.run(async (welcome, inner) => {
      await run.meet(welcome.firstContact, inner);
      noted = noteTwin(places, sites); // before the first offer.
    }, stop.signal),
  ];
  owner.defer(() => noted?.[Symbol.dispose]());
  // Closed before what they use: both ends let go of their workers and databases first.
  owner.defer(async () => {
    stop.abort(new Error("the twin has ended"));
    await Promise.allSettled(ends);
  });
  const onGone = (error: Error) => stop.abort(error);
  owner.adopt(watchState({ state: places.state, databases: ["source.db", "replica.db"], clock: systemClock, onGone })); // last: it ends first.
  const turn = { purge: (inner: AbortSignal) => replica.purge(options.undelete, inner), ...tellingOf(reporter) };
  if (watch) owner.adopt(schedulePurges(systemClock, turn));
  const problems = await run.live(ends, owner, stop, signal); // awaited here: what it uses is released when this function ends.
  if (!watch) await purgeOnce(turn, signal);
  return problems;
}

/** What the operator has chosen, as the run takes it. */
function choicesOf(options: TwinOptions, isHeld: boolean) {
  const { watch, foreign, adopts, onKept, isAnew, approvesDeletions, resync, damaged } = options;
  const { acceptsUidValidity } = options;
  const renumbered = resync ? [] : options.renumbered.map(({ row }) => row.guid); // else all is compared.
  const choices = { watch, foreign, adopts, onKept, isAnew, approvesDeletions, acceptsUidValidity, renumbered };
  if (!resync && !isHeld && renumbered.length === 0) return choices;
  return { ...choices, recovery: { compares: true, mustCompare: resync, damaged, acceptsUidValidity } as const };
}

function tellingOf(reporter: Reporter): Omit<PurgeTurn, "purge"> {
  const tell = (words: string) => reporter.warning(`not all of the limbo that is due could be removed: ${words}`);
  return {
    onPurged: ({ failed }) => {
      if (failed !== undefined) tell(failed);
    },
    onFailed: (error) => tell(recordOfError(error).message),
  };
}

async function nothing(): Promise<void> {}
