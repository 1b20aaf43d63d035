/** The way to the limbo of a replica on another host: over a link of this process's own, or that of the running daemon. */
import type { Disposer } from "../../base/disposal.js";
import { surroundingsOfProcess } from "../config/load-config.js";
import { findControl } from "../control/find-control.js";
import type { Output } from "../output.js";
import type { FarLimbo, FarPlace } from "./far-limbo.js";
import type { LimboFlags } from "./find-limbos.js";

/** `owner` ends the link. Throws: the codes of `openLink`, of asking a daemon. */
export async function openFar(
  { from, state }: FarPlace,
  flags: LimboFlags,
  { owner, output }: { readonly owner: Disposer; readonly output: Output },
): Promise<FarLimbo> {
  if (from.kind === "link") {
    const { openLinkLimbo } = await import("./link-limbo.js"); // links take long to load.
    return openLinkLimbo({ ...from, state }, owner);
  }
  const { openDaemonLimbo } = await import("./daemon-limbo.js"); // nobody else needs its schemas.
  return openDaemonLimbo(findControl(flags, surroundingsOfProcess(), output), from);
}
