/**
 * The other thread that stages bodies, as the session sees it: there from `take` to `giveBack`, and perhaps not in between.
 */
import type { StageMethods } from "../apply/stage-types.js";
import type { WorkerClient } from "../base/worker-rpc.js";

export interface StagerPort {
  /** Once for each transaction; the client is the caller's until `giveBack`. */
  take(): WorkerClient<StageMethods>;
  /** As often as `take`. */
  giveBack(): void;
}
