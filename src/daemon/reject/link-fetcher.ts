/** What a replica on another host has, fetched over a link of this process's own, by ssh. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Disposer } from "../../base/disposal.js";
import { KNOWN_BODIES, KnownBodies } from "../../log/known-bodies.js";
import type { RemotePath } from "../../wire/address.js";
import type { RemoteProgram } from "../remote-flags.js";
import { openRemoteSide } from "../verify/remote-side.js";
import { type Fetcher, fetchInto } from "./fetched-copies.js";
import { ReplicaMail } from "./replica-mail.js";

export interface LinkPlace {
  readonly destination: RemotePath;
  readonly program: RemoteProgram;
  /** The replica's state is of that source. */
  readonly sourceId: string;
  /** The source's state directory. */
  readonly state: string;
}

/** `owner` ends the link. Throws: the codes of `openLink`. */
export async function openLinkFetcher(
  { destination, program, sourceId, state }: LinkPlace,
  owner: Disposer,
  signal: AbortSignal,
): Promise<Fetcher> {
  const file = join(state, KNOWN_BODIES);
  const bodies = owner.adopt(new KnownBodies(existsSync(file) ? file : undefined, "read"));
  const mail = new ReplicaMail(await openRemoteSide(destination, program, owner, signal, sourceId));
  const known = async (...[mailbox, names]: Parameters<KnownBodies["read"]>) => bodies.read(mailbox, names);
  return {
    whyLacking: (mailbox, records) => mail.whyLacking(mailbox, records, signal),
    fetch: (mailbox, records) =>
      fetchInto(state, (scratch) => mail.fetch(mailbox, records, { scratch, known }, signal)),
  };
}
