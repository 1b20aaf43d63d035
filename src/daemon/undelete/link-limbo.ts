/** The limbo of a replica on another host, asked for over a link of this process's own, by ssh. */
import { RemoteLimbo } from "../../agent/remote-limbo.js";
import type { Disposer } from "../../base/disposal.js";
import type { RemotePath } from "../../wire/address.js";
import { fetchInto } from "../reject/fetched-copies.js";
import type { RemoteProgram } from "../remote-flags.js";
import { openRemoteLink } from "../verify/remote-side.js";
import type { FarLimbo } from "./far-limbo.js";
import { fetchLimbo } from "./fetch-limbo.js";

export interface LinkPlace {
  readonly destination: RemotePath;
  readonly program: RemoteProgram;
  /** Of the source: the replica's state is of that. */
  readonly id: string;
  /** The source's state directory. */
  readonly state: string;
}

const NEVER = new AbortController().signal;

/** `owner` ends the link. Throws: the codes of `openLink`. */
export async function openLinkLimbo(
  { destination, program, id, state }: LinkPlace,
  owner: Disposer,
): Promise<FarLimbo> {
  const { asker } = await openRemoteLink(destination, program, owner, NEVER, id);
  const limbo = new RemoteLimbo(asker);
  return {
    page: (after) => limbo.page(after, NEVER),
    files: (name, after) => limbo.files({ name, after }, NEVER),
    fetch: (wanted) => fetchInto(state, (scratch) => fetchLimbo(limbo, wanted, scratch, NEVER)),
  };
}
