/**
 * The replica's half of a twin: state database, the worker that writes mail, and the session that serves a link.
 */
import { join } from "node:path";
import { Session } from "../agent/session.js";
import type { SessionSinks } from "../agent/session-sinks.js";
import type { ApplyMethods } from "../apply/apply-types.js";
import type { ReplicaSites } from "../apply/pinned-root.js";
import type { UndeleteLimits } from "../apply/purge-types.js";
import type { StageMethods } from "../apply/stage-types.js";
import type { Clock } from "../base/clock.js";
import { crashPointsFromEnv } from "../base/crash-points.js";
import type { Disposer } from "../base/disposal.js";
import { GroupSync } from "../base/group-sync.js";
import { type RawPath, rawFromText } from "../base/raw-name.js";
import { FileSystemSync } from "../base/sync-fs.js";
import { startWorker, type WorkerClient } from "../base/worker-rpc.js";
import type { StateReader, StateWriter } from "../log/state-ports.js";
import { openStateReader } from "../log/state-reader.js";
import { type MailboxRow, NO_EFFECT } from "../log/state-types.js";
import { openStateWriter } from "../log/state-writer.js";
import type { MailboxGuid } from "../maildir/ids.js";
import { LocalSide } from "../resync/local-side.js";
import type { Link } from "../wire/link.js";
import { writtenIn } from "./body-notes.js";
import { adoptLater } from "./open-together.js";
import { sumsOnDemand } from "./sums-on-demand.js";
import type { Threads } from "./threads.js";
import { type Purged, purgeLimbo } from "./undelete/purge.js";
import { limboOnDemand, ToldLimbo } from "./undelete/told-limbo.js";
import { WorkerOnDemand } from "./worker-on-demand.js";

export interface ReplicaOptions {
  readonly store: string;
  readonly scratch: string;
  readonly sites: ReplicaSites;
  readonly stateDir: string;
  readonly threads: Pick<Threads, "state" | "apply">;
  readonly hostname: string;
  readonly crashAt: string | undefined;
  readonly clock: Clock;
  readonly foreign: "keep" | "limbo" | undefined;
  /** Changes will come one by one: the large uidlists are read before. */
  readonly live: boolean;
}

interface ServeOptions {
  /** To which mailboxes the source may write; undefined: all. */
  readonly mayWrite?: ((path: RawPath) => boolean) | undefined;
  /** What the store takes and refuses. */
  readonly sinks?: SessionSinks | undefined;
}

export interface ReplicaSide {
  readonly reader: StateReader;
  readonly writer: StateWriter;
  /** Resolves when the thread that writes mail has ended, with why. */
  readonly ended: WorkerClient<ApplyMethods>["ended"];
  /** Whether all that was written to the store is gone. Cheap while it is not. Throws: destination-missing, system errors. */
  isEmptied(): Promise<boolean>;
  /** What is applied: the messages of each mailbox, by GUID, but for those that are gone. */
  messageCounts(gone: readonly Pick<MailboxRow, "guid">[]): Map<string, number>;
  /** Removes from the limbo what has been there for long enough. Not twice at a time. */
  purge(limits: UndeleteLimits, signal: AbortSignal): Promise<Purged>;
  /** Serves the link until it closes. */
  serve(link: Link, signal: AbortSignal, options?: ServeOptions): Promise<void>;
}

/** Opens it and mends what a crash left. `owner` releases everything. */
export async function openReplicaSide(options: ReplicaOptions, owner: Disposer): Promise<ReplicaSide> {
  const statePath = join(options.stateDir, "replica.db");
  const { threads } = options;
  const opening = adoptLater(owner, openStateWriter(statePath, { create: true, thread: threads.state }));
  const store = owner.adopt(threads.apply);
  const writer = await opening;
  const reader = owner.adopt(openStateReader(statePath));
  const { hostname, crashAt, clock, foreign } = options;
  await store.call("open", {
    storeRoot: rawFromText(options.store),
    scratchRoot: rawFromText(options.scratch),
    sites: options.sites,
    statePath,
    hostname,
    pid: process.pid,
    ...(crashAt === undefined ? {} : { crashAt }),
    ...(foreign === undefined ? {} : { foreign }),
  });
  const recovered = await store.call("recover");
  const { limbo, intentIds: settles } = recovered;
  if (limbo.length > 0 || settles.length > 0) {
    await writer.recordEffect({ ...NO_EFFECT, settles, limbo });
  }
  if (options.live) await store.call("warm");
  const reach = crashPointsFromEnv(crashAt);
  const sums = owner.adopt(sumsOnDemand({ ...options, half: "replica", site: options.sites.store }));
  const scratch = { scratchRoot: rawFromText(options.scratch), site: options.sites.scratch };
  const limboThread = owner.adopt(limboOnDemand(scratch, clock));
  return {
    reader,
    writer,
    ended: store.ended,
    isEmptied: () => store.call("emptied"),
    messageCounts: (gone) => {
      const counts = new Map(reader.mailboxes().map(({ guid, messages }) => [guid, messages]));
      for (const { guid } of gone) counts.delete(guid);
      return counts;
    },
    purge: (limits, inner) => purgeLimbo({ store, writer }, limits, inner),
    async serve(link, signal, { mayWrite, sinks } = {}) {
      using fileSystem = new FileSystemSync(rawFromText(options.scratch), options.sites.scratch);
      const group = new GroupSync(() => fileSystem.run(signal));
      const syncAll = async () => (await group.run()).kind === "synced";
      const appliedLsn = (logId: string) => {
        const lsn = reader.appliedLsn(logId);
        return lsn === 0 && reader.mailboxes().length === 0 ? undefined : lsn;
      };
      const pathOf = (mailbox: MailboxGuid) => reader.mailboxByGuid(mailbox)?.path;
      const rights = mayWrite === undefined ? undefined : { mayWrite, pathOf };
      await using stager = new WorkerOnDemand(startStager, clock);
      const ports = {
        link,
        store,
        stager,
        writer,
        clock,
        reach,
        syncAll,
        appliedLsn,
        sinks,
        rights,
        sums: new LocalSide(sums, mayWrite, undefined, writtenIn(reader)),
        limbo: new ToldLimbo({ rows: reader, thread: limboThread, mayKnow: mayWrite }),
      };
      await new Session(ports).run(signal);
    },
  };
}

function startStager() {
  return startWorker<StageMethods>({ url: new URL("../apply/stage-worker.js", import.meta.url), name: "stage" });
}
