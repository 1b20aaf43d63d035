/** The two sides of `mailtwin verify A B`, opened. */
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { askOver } from "../../agent/sums-link.js";
import { systemClock } from "../../base/clock.js";
import { openNodeDisk } from "../../base/disk-node.js";
import type { Disposer } from "../../base/disposal.js";
import { rawFromText } from "../../base/raw-name.js";
import { LocalSide, startSums } from "../../resync/local-side.js";
import { lookAtKept } from "../../resync/store-sums.js";
import type { SummedSide } from "../../resync/sums-types.js";
import { formatAddress } from "../../wire/address.js";
import { NO_SOURCE, type Opening } from "../../wire/opening.js";
import { siteAt } from "../own-directory.js";
import { realSource, sourceRefusal } from "../place-rules.js";
import { sumsFileFor } from "../places.js";
import { type RemoteProgram, remoteAt } from "../remote-flags.js";
import { openLink } from "../run/open-link.js";
import { WorkerOnDemand } from "../worker-on-demand.js";

/** A store of this host. Throws: source-missing, source-unreadable. */
export function openLocalSide(path: string, owner: Disposer): SummedSide {
  const real = realSource(path);
  const storeSite = siteAt(real, sourceRefusal(real));
  const options = { storeRoot: rawFromText(real), storeSite, cachePath: cacheFor(real) };
  const sums = owner.adopt(new WorkerOnDemand(() => startSums(options), systemClock));
  const kept = () => lookAtKept({ disk: openNodeDisk(), clock: systemClock }, options);
  return new LocalSide(sums, () => true, kept);
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
  const { address, path } = remote;
  const target = { kind: "path", path: rawFromText(path), foreign: "refuse", live: false, sourceId: NO_ID } as const;
  const opening: Opening = { role: "verifier", peer: "", ...NO_SOURCE, target };
  const peer = formatAddress(address);
  const dial = { address, peer, key: undefined, peerKey: undefined, clock: systemClock, opening, ...program };
  const { link } = await openLink(dial, signal);
  return owner.adopt(askOver(link, peer, systemClock)).side;
}

/** Nothing is kept of it over there. */
const NO_ID = "0".repeat(32);

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
