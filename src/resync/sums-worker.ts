/** The worker thread that looks at a store to compare it: serves a `StoreSums` of the store that its `workerData` names. */
import { workerData } from "node:worker_threads";
import { systemClock } from "../base/clock.js";
import { openNodeDisk } from "../base/disk-node.js";
import { openHash } from "../base/hash.js";
import { pinRoots } from "../base/pinned-roots.js";
import { displayRaw } from "../base/raw-name.js";
import { serveWorker } from "../base/worker-host.js";
import { StateDigester } from "../txn/digest.js";
import { resyncError } from "./errors.js";
import { StoreSums } from "./store-sums.js";
import type { SumsMethods, SumsOptions } from "./sums-types.js";

async function open(options: SumsOptions): Promise<StoreSums> {
  const { storeRoot: path, storeSite: site } = options;
  const refuse = (why: string, cause?: unknown) =>
    resyncError("compared-missing", `comparing the store ${displayRaw(path)}: ${why}`, cause);
  const disk = pinRoots(openNodeDisk(), [{ path, site, refuse }]);
  const hash = await openHash();
  return new StoreSums({ disk, hash, digester: new StateDigester(hash), clock: systemClock }, options);
}

const opening = open(workerData as SumsOptions);

serveWorker<SumsMethods>({
  look: async () => (await opening).look(),
  ranges: async (request) => (await opening).ranges(request),
  marks: async (request) => (await opening).marks(request),
  states: async (request) => (await opening).states(request),
  hashes: async (request) => (await opening).hashes(request),
  parts: async (request) => (await opening).parts(request),
});
