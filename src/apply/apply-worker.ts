/**
 * The worker thread that writes mail: serves a `ReplicaStore` to the main thread.
 */
import { assert } from "../base/assert.js";
import { systemClock } from "../base/clock.js";
import { crashPointsFromEnv } from "../base/crash-points.js";
import { openNodeDisk } from "../base/disk-node.js";
import { openHash } from "../base/hash.js";
import { serveWorker } from "../base/worker-host.js";
import { OwnWrites } from "../log/own-writes.js";
import { openStateReader } from "../log/state-reader.js";
import { StateDigester } from "../txn/digest.js";
import type { ApplyMethods, ApplyOptions } from "./apply-types.js";
import { type AtOncePorts, applyAtOnce } from "./at-once.js";
import { pinReplica } from "./pinned-root.js";
import { ReplicaStore } from "./replica-store.js";

let opened: (AtOncePorts & { readonly store: ReplicaStore }) | undefined;

function ports() {
  assert(opened !== undefined, "open comes first");
  return opened;
}

function store(): ReplicaStore {
  return ports().store;
}

async function open(options: ApplyOptions): Promise<void> {
  assert(opened === undefined, "open comes once");
  const digester = new StateDigester(await openHash());
  const reader = openStateReader(options.statePath);
  const reach = crashPointsFromEnv(options.crashAt);
  const disk = pinReplica(openNodeDisk(), options);
  const made = new ReplicaStore({ disk, reader, digester, clock: systemClock, crashPoint: reach }, options);
  opened = { store: made, writes: new OwnWrites(options.statePath), reach };
}

serveWorker<ApplyMethods>({
  open,
  recover: () => store().recover(),
  intentOfForeign: (request) => store().intentOfForeign(request),
  warm: () => store().warm(),
  prepare: (request) => store().prepare(request),
  applyAtOnce: (request) => applyAtOnce(ports(), request),
  stageMany: (request) => store().stageMany(request),
  stagePart: (part) => store().stagePart(part),
  adoptStaged: (request) => store().adoptStaged(request),
  hashHeld: (request) => store().hashHeld(request),
  confirmHeld: (request) => store().confirmHeld(request),
  gone: (request) => store().gone(request),
  syncStaged: (request) => store().syncStaged(request),
  execute: (request) => store().execute(request),
  drop: (request) => store().drop(request),
  mailboxes: (request) => store().mailboxes(request),
  inventory: (request) => store().inventory(request),
  compare: (request) => store().compare(request),
  tellHeld: (request) => store().tellHeld(request),
  standing: (request) => store().standing(request),
  endLooks: () => store().endLooks(),
  emptied: () => store().emptied(),
  foreign: (request) => store().foreign(request),
  yieldUids: (request) => store().yieldUids(request),
  forget: (request) => store().forget(request),
  purgeLimbo: (limits) => store().limboPurge.step(limits),
});
