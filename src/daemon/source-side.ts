/**
 * The source's half of a twin: state database, capture worker, body worker, capture loop and watchers, opened in order and
 * closed in reverse.
 */
import { join } from "node:path";
import { assert } from "../base/assert.js";
import type { Clock } from "../base/clock.js";
import type { Site } from "../base/disk.js";
import type { Disposer } from "../base/disposal.js";
import { errnoOf } from "../base/errors.js";
import { isRawPath, rawFromText } from "../base/raw-name.js";
import type { WorkerClient } from "../base/worker-rpc.js";
import type { BodyMethods } from "../capture/body-types.js";
import type { BrakeLimits } from "../capture/brake.js";
import type { CaptureMethods } from "../capture/capture-types.js";
import { Capturer, type CapturerPorts } from "../capture/capturer.js";
import { BRAKE_KEY } from "../capture/deletion-brake.js";
import { MessageWatch } from "../capture/message-watch.js";
import { CAPTURER_LIMITS } from "../capture/ration.js";
import { StructureWatch } from "../capture/structure-watch.js";
import { KNOWN_BODIES } from "../log/known-bodies.js";
import type { StateReader, StateWriter } from "../log/state-ports.js";
import { openStateReader } from "../log/state-reader.js";
import type { MailboxRow } from "../log/state-types.js";
import { openStateWriter } from "../log/state-writer.js";
import { BodyNotes } from "./body-notes.js";
import { adoptLater, together } from "./open-together.js";
import { logMadeAnew } from "./put-back.js";
import type { Threads } from "./threads.js";

export interface SourceSide {
  readonly reader: StateReader;
  readonly writer: StateWriter;
  readonly capturer: Capturer;
  readonly bodies: WorkerClient<BodyMethods>;
  /** What bodies were when they were first read. */
  readonly notes: BodyNotes;
  readonly worker: WorkerClient<CaptureMethods>;
}

export interface SourceOptions {
  readonly store: string;
  readonly storeSite: Site;
  /** Path of a file in the store without which it is not captured; absent: none is needed. */
  readonly sentinel?: string | undefined;
  readonly stateDir: string;
  readonly threads: Pick<Threads, "state" | "capture" | "bodies">;
  readonly hostname: string;
  readonly crashAt: string | undefined;
  readonly clock: Clock;
  /** Mailboxes that are gone from the destination: they are captured as if they were new. */
  readonly gone: readonly MailboxRow[];
  readonly onCommitted: CapturerPorts["onCommitted"];
  /** Undefined: no deletion is held back. */
  readonly brake: BrakeLimits | undefined;
}

/** Mailboxes with a message-tier watch: three inotify watches each. */
const HOT_MAILBOXES_MAX = 128;

/** `owner` releases everything. */
export async function openSourceSide(options: SourceOptions, owner: Disposer): Promise<SourceSide> {
  const statePath = join(options.stateDir, "source.db");
  const { threads, hostname, crashAt, clock, onCommitted, brake, sentinel } = options;
  const opening = adoptLater(owner, openStateWriter(statePath, { create: true, thread: threads.state }));
  const place = { storeRoot: rawFromText(options.store), storeSite: options.storeSite, statePath };
  const worker = owner.adopt(threads.capture);
  const bodies = owner.adopt(threads.bodies);
  const notes = owner.adopt(new BodyNotes(bodies, clock));
  const writer = await opening;
  const reader = owner.adopt(openStateReader(statePath));
  await logMadeAnew({ reader, writer }, options.gone, clock.nowMs());
  if (brake === undefined) await releaseBrake({ reader, writer });
  const needed = sentinel === undefined ? undefined : rawFromText(sentinel);
  assert(needed === undefined || isRawPath(needed), "a sentinel is named by its path below the store");
  const captures = { ...place, records: true, hostname, pid: process.pid, crashAt, brake, sentinel: needed };
  await together(
    worker.call("open", captures),
    bodies.call("open", { ...place, knownPath: join(options.stateDir, KNOWN_BODIES) }),
  );
  const capturer = new Capturer({ worker, clock, onCommitted }, CAPTURER_LIMITS, reader.mailboxes());
  return { reader, writer, capturer, bodies, notes, worker };
}

/** What it held goes; nobody has said so of what a brake may hold that is there again one day. */
async function releaseBrake({ reader, writer }: Pick<SourceSide, "reader" | "writer">): Promise<void> {
  if ((reader.meta(BRAKE_KEY) ?? "") !== "") await writer.setMeta(BRAKE_KEY, "");
}

export interface WatchSinks {
  /** The system refuses watches: changes are found by sweeps only. */
  readonly onDegraded: (error: Error) => void;
}

export type WatchedCapturer = Pick<
  Capturer,
  "onMessageHint" | "onUidlistHint" | "onName" | "onActive" | "onMoved" | "onDirectories" | "markFull" | "sweepSoon"
>;

export interface StoreWatch {
  readonly hot: MessageWatch;
  readonly structure: Pick<StructureWatch, "failure">;
}

/**
 * Sets both tiers, which each look at the whole store brings up to date: call it before the first one. What the system refuses ends
 * nothing: it is tried again.
 */
export function watchStore(store: string, capturer: WatchedCapturer, sinks: WatchSinks, owner: Disposer): StoreWatch {
  const root = rawFromText(store);
  const hot = new MessageWatch(
    { root, mailboxesMax: HOT_MAILBOXES_MAX },
    {
      onMessage: (path, hint) => capturer.onMessageHint(path, hint),
      onUidlist: (path) => capturer.onUidlistHint(path),
      onEnd: (_path, error) => {
        if (error !== undefined && !hasVanished(error)) sinks.onDegraded(error);
        capturer.sweepSoon();
      },
    },
  );
  owner.defer(() => hot.close());
  const onName = capturer.onName.bind(capturer);
  const structure = new StructureWatch(root, { onName, onFailure: sinks.onDegraded });
  owner.defer(() => structure.close());
  capturer.onActive = (path) => {
    const wasWatched = hot.has(path);
    // What happened before the watch stood was not named: list it.
    if (hot.promote(path)) capturer.markFull(path, "first");
    return wasWatched;
  };
  capturer.onMoved = (from, to) => {
    hot.demote(from);
    if (to !== undefined && hot.promote(to)) capturer.markFull(to, "first");
  };
  capturer.onDirectories = (directories) => structure.cover(directories);
  return { hot, structure };
}

/** The mailbox went away before it was watched: the sweep finds out. */
function hasVanished(error: Error): boolean {
  return ["ENOENT", "ENOTDIR"].includes(errnoOf(error) ?? "");
}
