/** A side of `mailtwin verify` on another host, where ssh starts `mailtwin serve --stdio`. */
import { type AskedLink, askOver } from "../../agent/sums-link.js";
import { systemClock } from "../../base/clock.js";
import type { Disposer } from "../../base/disposal.js";
import { rawFromText } from "../../base/raw-name.js";
import type { ReadSide } from "../../resync/sums-types.js";
import { formatAddress, type RemotePath } from "../../wire/address.js";
import { NO_SOURCE, type Opening } from "../../wire/opening.js";
import type { RemoteProgram } from "../remote-flags.js";
import { openLink } from "../run/open-link.js";

/** Nothing is kept of it over there. */
const NO_ID = "0".repeat(32);

/** `sourceId`: whose twin it is, for whoever is to have back what it has sent. Throws: the codes of `openLink`. */
export async function openRemoteSide(
  { address, path }: RemotePath,
  program: RemoteProgram,
  owner: Disposer,
  signal: AbortSignal,
  sourceId = NO_ID,
): Promise<ReadSide> {
  return (await openRemoteLink({ address, path }, program, owner, signal, sourceId)).side;
}

/** As `openRemoteSide`: all that can be asked. */
export async function openRemoteLink(
  { address, path }: RemotePath,
  program: RemoteProgram,
  owner: Disposer,
  signal: AbortSignal,
  sourceId: string,
): Promise<AskedLink> {
  const target = { kind: "path", path: rawFromText(path), foreign: "refuse", live: false, sourceId } as const;
  const opening: Opening = { role: "verifier", peer: "", ...NO_SOURCE, target };
  const peer = formatAddress(address);
  const dial = { address, peer, key: undefined, peerKey: undefined, clock: systemClock, opening, ...program };
  const { link } = await openLink(dial, signal);
  return owner.adopt(askOver(link, peer, systemClock));
}
