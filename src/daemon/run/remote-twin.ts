/**
 * `mailtwin sync SRC HOST:DST`: the source's half of a twin here, its replica's half in a `mailtwin serve --stdio` that ssh starts over
 * there. What each half keeps, it keeps on its own host.
 */
import { hostname } from "node:os";
import { basename } from "node:path";
import type { DamagedBodies, UidValidityChoice } from "../../agent/recovery.js";
import { systemClock } from "../../base/clock.js";
import { Disposer } from "../../base/disposal.js";
import { randomFraction } from "../../base/random.js";
import { rawFromText } from "../../base/raw-name.js";
import { BRAKE_LIMITS } from "../../capture/brake.js";
import { formatAddress, type RemotePath } from "../../wire/address.js";
import type { Opening } from "../../wire/opening.js";
import type { ForeignChoice } from "../first-contact.js";
import { findSourcePlaces, makeSourcePlaces, rootOfSource, type SourcePlaces, sourceIdOf } from "../half-places.js";
import { holdStateDirectory } from "../hold-state.js";
import { lineageOf, refuseMetHalfway } from "../lineage.js";
import { stateFor } from "../places.js";
import type { Reporter } from "../reporter.js";
import { claimStore } from "../same-stores.js";
import { openSourceSide } from "../source-side.js";
import { watchState } from "../state-watch.js";
import { Tally } from "../tally.js";
import { startSourceThreads } from "../threads.js";
import { TwinRun } from "../twin-run.js";
import { openLink } from "./open-link.js";

export interface RemoteTwinOptions {
  readonly source: string;
  readonly destination: RemotePath;
  readonly state: string | undefined;
  readonly watch: boolean;
  readonly foreign: ForeignChoice;
  readonly adopts: boolean;
  /** As of a local twin. */
  readonly resync: boolean;
  readonly damaged: DamagedBodies;
  readonly acceptsUidValidity: UidValidityChoice;
  readonly crashAt: string | undefined;
  readonly approvesDeletions: boolean;
  /** ssh, and the program over there, word by word; undefined: "ssh", "mailtwin serve --stdio". */
  readonly program: readonly string[] | undefined;
  readonly remoteCommand: readonly string[] | undefined;
}

export interface RemotePlaces extends SourcePlaces {
  /** As the operator wrote it. */
  readonly shown: string;
}

/** Makes nothing. Throws: source-missing, source-unreadable, store-in-scratch, state-inside-store, state-unusable. */
export function findRemotePlaces({
  source,
  destination,
  state,
}: Pick<RemoteTwinOptions, "source" | "destination" | "state">): RemotePlaces {
  const { user, host } = destination.address;
  const shown = `${user === undefined ? "" : `${user}@`}${host}:${destination.path}`;
  const found = findSourcePlaces(source, state ?? stateFor(source, shown, basename(destination.path)));
  return { ...found, shown };
}

/** As `runTwin`. */
export async function runRemoteTwin(
  options: RemoteTwinOptions,
  places: RemotePlaces,
  reporter: Reporter,
  signal: AbortSignal,
): Promise<number> {
  await using owner = new Disposer();
  makeSourcePlaces(places);
  owner.adopt(holdStateDirectory(places.state));
  const stop = new AbortController();
  owner.defer(() => stop.abort(new Error("the twin has ended")));
  const threads = startSourceThreads(owner);
  const { watch, foreign, adopts, crashAt, approvesDeletions, acceptsUidValidity } = options;
  const common = { stateDir: places.state, threads, hostname: hostname(), crashAt, clock: systemClock };
  const onCommitted = () => agent.wake();
  const brake = watch && approvesDeletions ? undefined : BRAKE_LIMITS; // as in a local twin.
  const opening = { store: places.store, storeSite: places.site, gone: [], onCommitted, brake };
  const source = await openSourceSide({ ...common, ...opening }, owner);
  await claimStore(source, "source", { path: places.store, site: places.site });
  const { reader, writer } = source;
  const logId = reader.meta("log-id") ?? "";
  const lineage = lineageOf(places.store);
  const dialled = AbortSignal.any([signal, stop.signal]);
  const { link } = await dialTwin(options, { ...places, logId, lineage }, "source", dialled);
  owner.defer(() => link.close());
  refuseMetHalfway(places.store, lineage);
  const setAside = (value: "" | "1") => writer.setMeta(ASIDE, value);
  const run = new TwinRun(
    {
      ...{
        source,
        stores: { source: places.store, destination: places.shown },
        watch,
        foreign,
        adopts,
        isAnew: false,
        approvesDeletions,
        acceptsUidValidity,
        renumbered: [], // the replica tells of them.
      },
      tally: new Tally(new Map(reader.mailboxes().map(({ guid, messages }) => [guid, messages]))),
      recovery: {
        compares: true,
        mustCompare: options.resync,
        damaged: options.damaged,
        acceptsUidValidity,
        asksStanding: true,
        random: randomFraction,
      },
      onKept: () => undefined,
      hasAside: () => (reader.meta(ASIDE) ?? "") !== "",
      onMeeting: () => setAside("1"),
      onRestored: () => setAside(""),
    },
    reporter,
  );
  const agent = run.makeAgent(link);
  const ends = [agent.run((welcome, inner) => run.meet(welcome.firstContact, inner), stop.signal)];
  owner.defer(async () => {
    stop.abort(new Error("the twin has ended"));
    await Promise.allSettled(ends);
  });
  const onGone = (error: Error) => stop.abort(error);
  owner.adopt(watchState({ state: places.state, databases: ["source.db"], clock: systemClock, onGone })); // last: it ends first.
  return await run.live(ends, owner, stop, signal);
}

const ASIDE = "aside-destination";

/** "planner": nothing of what is there is changed. Throws: the codes of `openLink`. */
export function dialTwin(
  {
    destination,
    foreign,
    watch: live,
    program,
    remoteCommand,
  }: Pick<RemoteTwinOptions, "destination" | "foreign" | "watch" | "program" | "remoteCommand">,
  places: RemotePlaces & { readonly logId: string; readonly lineage: readonly string[] },
  role: "source" | "planner",
  signal: AbortSignal,
) {
  const { mode, uid, gid } = rootOfSource(places);
  const opening: Opening = {
    ...{ role, peer: "" },
    ...{ logId: places.logId, lineage: places.lineage },
    root: { mode: mode & 0o7777, uid, gid },
    target: {
      ...{ kind: "path", path: rawFromText(destination.path), foreign, live },
      sourceId: sourceIdOf(places),
    },
  };
  const { address } = destination;
  const dial = { address, peer: formatAddress(address), key: undefined, peerKey: undefined, clock: systemClock };
  return openLink({ ...dial, opening, program, remoteCommand }, signal);
}
