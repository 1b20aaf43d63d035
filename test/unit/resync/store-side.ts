/** A side of a comparison that is a directory on disk, looked at in this thread. */
import { systemClock } from "../../../src/base/clock.js";
import { openNodeDisk } from "../../../src/base/disk-node.js";
import { openHash } from "../../../src/base/hash.js";
import type { WorkerClient } from "../../../src/base/worker-rpc.js";
import { type AreWritten, LocalSide } from "../../../src/resync/local-side.js";
import { StoreSums } from "../../../src/resync/store-sums.js";
import type { SumsMethods } from "../../../src/resync/sums-types.js";
import { StateDigester } from "../../../src/txn/digest.js";

const hash = await openHash();
const ports = { disk: openNodeDisk(), hash, digester: new StateDigester(hash), clock: systemClock };

interface StoreSideOptions {
  readonly isForgetful?: boolean;
  readonly cachePath?: string;
  readonly areWritten?: AreWritten;
}

/** `isForgetful`: each question is asked of a thread that has seen nothing, as after a pause. */
export function storeSide(
  storeRoot: string,
  { isForgetful = false, cachePath = "", areWritten }: StoreSideOptions = {},
): LocalSide {
  const options = { storeRoot, storeSite: undefined, cachePath: cachePath === "" ? undefined : cachePath };
  let sums = new StoreSums(ports, options);
  const client = {
    call: async (method: keyof SumsMethods, args: never) => {
      if (isForgetful) sums = new StoreSums(ports, options);
      return sums[method](args);
    },
  };
  const port = { take: () => client as unknown as WorkerClient<SumsMethods>, giveBack: () => undefined };
  return new LocalSide(port, undefined, undefined, areWritten);
}
