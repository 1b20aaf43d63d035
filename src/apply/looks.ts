/** A replica's store of which nothing is wanted but how it stands: nothing is mended, and nothing written. */

import type { Clock } from "../base/clock.js";
import { noCrashPoint } from "../base/crash-points.js";
import type { Disk } from "../base/disk.js";
import type { StateReader } from "../log/state-ports.js";
import { isProcessAlive } from "../maildir/dotlock-stale.js";
import type { StateDigester } from "../txn/digest.js";
import type { ApplyOptions } from "./apply-types.js";
import { Whereabouts } from "./astray.js";
import { ComparePages } from "./compare-pages.js";
import type { CompareMethods } from "./compare-types.js";
import { Limbo } from "./limbo.js";
import { MailboxCache } from "./mailbox-cache.js";
import { openStore } from "./mailbox-place.js";
import { readStanding } from "./standing.js";
import { Life, type StoreContext } from "./store-context.js";

export interface LooksPorts {
  /** Pinned (pinned-root.ts). */
  readonly disk: Disk;
  readonly reader: StateReader;
  readonly digester: StateDigester;
  readonly clock: Pick<Clock, "nowMs" | "monotonicMs">;
}

/** Its methods throw: destination-missing, system errors. */
export function openLooks({ disk, reader, digester, clock }: LooksPorts, options: ApplyOptions): CompareMethods {
  const { storeRoot, scratchRoot } = options;
  const context: StoreContext = {
    ...{ disk, options, clock, reader, life: new Life(noCrashPoint), isAlive: isProcessAlive },
    cache: new MailboxCache({ reader, digester }),
    limbo: new Limbo({ disk, scratchRoot, clock, reader }),
    whereabouts: new Whereabouts(storeRoot, clock, () => reader.mailboxes()),
  };
  const pages = new ComparePages(context);
  const inStore = <T>(use: (root: ReturnType<typeof openStore>) => T): T => {
    const root = openStore(disk, storeRoot);
    try {
      return use(root);
    } finally {
      root.close();
    }
  };
  return {
    compare: (request) => inStore((root) => pages.compare(root, request)),
    tellHeld: (request) => inStore((root) => pages.tell(root, request)),
    standing: (request) => inStore((root) => readStanding(context, root, request)),
  };
}
