/**
 * The threads of a twin, started before the main thread loads what drives them: each loads its own code, and there is more than
 * one core.
 *
 * INVARIANT: each half of the twin ends its threads before it closes the database that they read. `await using` here is for
 * what did not get that far: ending a thread twice is no error.
 */
import type { ApplyMethods } from "../apply/apply-types.js";
import type { Disposer } from "../base/disposal.js";
import { startWorker, type WorkerClient } from "../base/worker-rpc.js";
import type { BodyMethods, KnownBodyMethods } from "../capture/body-types.js";
import type { CaptureMethods } from "../capture/capture-types.js";
import { type StateThread, startStateThread } from "../log/state-writer.js";

export interface Threads extends AsyncDisposable {
  /** Writes the state databases of both halves. */
  readonly state: StateThread;
  readonly capture: WorkerClient<CaptureMethods>;
  readonly bodies: WorkerClient<BodyMethods & KnownBodyMethods>;
  readonly apply: WorkerClient<ApplyMethods>;
}

/** Returns at once, as `startWorker`. What is needed first and takes longest to load is started first. */
export function startThreads(): Threads {
  const capture = startCapture();
  const state = startStateThread();
  const apply = startApply();
  const bodies = startBodies();
  return {
    ...{ state, capture, bodies, apply },
    async [Symbol.asyncDispose]() {
      await Promise.all([capture, state, apply, bodies].map((thread) => thread[Symbol.asyncDispose]()));
    },
  };
}

/** Of a source alone. `owner` ends the state thread; the others are adopted by whoever opens the source with them. */
export function startSourceThreads(owner: Disposer): Pick<Threads, "state" | "capture" | "bodies"> {
  return { capture: startCapture(), state: owner.adopt(startStateThread()), bodies: startBodies() };
}

/** Of a replica alone. */
export function startReplicaThreads(owner: Disposer): Pick<Threads, "state" | "apply"> {
  return { state: owner.adopt(startStateThread()), apply: startApply() };
}

function startCapture(): WorkerClient<CaptureMethods> {
  return startWorker({ url: new URL("../capture/capture-worker.js", import.meta.url), name: "capture" });
}

function startApply(): WorkerClient<ApplyMethods> {
  return startWorker({ url: new URL("../apply/apply-worker.js", import.meta.url), name: "apply" });
}

function startBodies(): WorkerClient<BodyMethods & KnownBodyMethods> {
  return startWorker({ url: new URL("../capture/body-worker.js", import.meta.url), name: "bodies" });
}
