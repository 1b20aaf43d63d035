/**
 * What connects the sites of a lab, and how a line between two of them is cut.
 *
 * Namespaces (root, iproute2): each site's daemon has a network of its own, with one line to each other site. A line leads through a bridge
 * in a namespace that belongs to nobody, and is cut there: either end still has its carrier and hears nothing more, as when a router
 * in between is lost. Nothing of it is seen in the network of this machine, so addresses are the same in each lab.
 * Loopback (elsewhere, or where a test plays a peer itself): each line is a proxy of this process, which falls silent.
 */
import { openLoopback } from "./loopback.js";
import { openNamespaces } from "./namespaces.js";

export interface Network extends AsyncDisposable {
  readonly kind: "namespaces" | "loopback";
  /** What is written in front of a command, so that it runs where that site is. */
  commandAt(site: string): readonly string[];
  /** HOST:PORT, for `listen.tls`. */
  listenAt(site: string): string;
  /** HOST:PORT by which `from` reaches the listener of `to`. */
  addressOf(from: string, to: string): string;
  /** From now on nothing passes between the two, and neither is told. */
  cut(one: string, other: string): Promise<void>;
  heal(one: string, other: string): Promise<void>;
}

export type NetworkWish = "namespaces" | "loopback";

let told = false;

/** `wish`: "namespaces" becomes "loopback" where they cannot be had; the reason is told on stderr. */
export async function openNetwork(sites: readonly string[], wish: NetworkWish): Promise<Network> {
  if (wish === "loopback") return openLoopback(sites);
  const opened = await openNamespaces(sites);
  if (opened.kind === "opened") return opened.network;
  if (!told) process.stderr.write(`sites of the live tests share one network: ${opened.reason}\n`);
  told = true;
  return openLoopback(sites);
}

/** Each pair once. */
export function pairsOf(sites: readonly string[]): readonly (readonly [string, string])[] {
  return sites.flatMap((one, i) => sites.slice(i + 1).map((other) => [one, other] as const));
}
