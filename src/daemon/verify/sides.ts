/** The two sides of `mailtwin verify A B`, opened. */
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { systemClock } from "../../base/clock.js";
import { openNodeDisk } from "../../base/disk-node.js";
import type { Disposer } from "../../base/disposal.js";
import { rawFromText } from "../../base/raw-name.js";
import { lookAtKept } from "../../resync/kept-sums.js";
import { type AreWritten, LocalSide, startSums } from "../../resync/local-side.js";
import type { ReadSide, SummedSide } from "../../resync/sums-types.js";
import { siteAt } from "../own-directory.js";
import { realSource, sourceRefusal } from "../place-rules.js";
import { sumsFileFor } from "../places.js";
import { type RemoteProgram, remoteAt } from "../remote-flags.js";
import { WorkerOnDemand } from "../worker-on-demand.js";

/** A store of this host. `areWritten`: which of its messages may be had. Throws: source-missing, source-unreadable. */
export function openLocalSide(path: string, owner: Disposer, areWritten?: AreWritten): ReadSide {
  const real = realSource(path);
  const storeSite = siteAt(real, sourceRefusal(real));
  const options = { storeRoot: rawFromText(real), storeSite, cachePath: cacheFor(real) };
  const sums = owner.adopt(new WorkerOnDemand(() => startSums(options), systemClock));
  const kept = () => lookAtKept({ disk: openNodeDisk(), clock: systemClock }, options);
  return new LocalSide(sums, () => true, kept, areWritten);
}

/** A side that is a directory here or, as HOST:PATH, elsewhere. Throws: source-missing, address-invalid, the codes of `openLink`. */
export async function openSide(
  text: string,
  program: RemoteProgram,
  owner: Disposer,
  signal: AbortSignal,
): Promise<SummedSide> {
  const remote = remoteAt(text);
  if (remote === undefined) return openLocalSide(text, owner);
  const { openRemoteSide } = await import("./remote-side.js"); // links take long to load.
  return openRemoteSide(remote, program, owner, signal);
}

/** Where nothing can be kept, more is looked at the next time. */
function cacheFor(real: string): string | undefined {
  try {
    const file = sumsFileFor(real);
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    return file;
  } catch {
    return undefined;
  }
}
