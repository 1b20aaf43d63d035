/** The thread that looks at a store to compare it, beside the state of that store, where it keeps what it saw. */
import { join } from "node:path";
import type { Clock } from "../base/clock.js";
import type { Site } from "../base/disk.js";
import { rawFromText } from "../base/raw-name.js";
import { startSums } from "../resync/local-side.js";
import type { SumsMethods } from "../resync/sums-types.js";
import { WorkerOnDemand } from "./worker-on-demand.js";

export interface SummedPlace {
  /** A local twin has both in one state directory. */
  readonly half: "source" | "replica";
  readonly store: string;
  readonly site: Site | undefined;
  readonly stateDir: string;
  readonly clock: Pick<Clock, "setTimer">;
}

/** The caller disposes of it. */
export function sumsOnDemand({ half, store, site, stateDir, clock }: SummedPlace): WorkerOnDemand<SumsMethods> {
  const options = { storeRoot: rawFromText(store), storeSite: site, cachePath: join(stateDir, `${half}-sums.db`) };
  return new WorkerOnDemand(() => startSums(options), clock);
}
