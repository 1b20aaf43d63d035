/**
 * Several sites, each a Dovecot and a daemon, with lines between them that can be cut: what the tests of the daemon start from.
 *
 * `settle` is the measure of success everywhere, as in twin/pair.ts: equal as files and through IMAP, nothing left over, and no warning
 * of either Dovecot.
 */
import { onTestFailed } from "vitest";
import { startDovecot } from "../lab/dovecot.js";
import type { WaitOptions } from "../lab/wait-equal.js";
import { Pair, type Views } from "../twin/pair.js";
import { type Network, type NetworkWish, openNetwork } from "./network.js";
import { Site } from "./site.js";
import type { SiteConfig, Table } from "./site-config.js";

export interface SitesOptions {
  /** One small letter each. The first one gets homes; the stores of the others are empty. */
  readonly names: readonly string[];
  readonly users: readonly string[];
  /** Default: namespaces where they can be had. */
  readonly network?: NetworkWish;
  /** Lines of the replicas' logs that are what Dovecot has to say of what the test does. Default: none. */
  readonly expected?: RegExp;
}

export interface SettleOptions extends WaitOptions {
  /** Default: all. */
  readonly users?: readonly string[];
}

/** The name of the one store of each site. */
const STORE = "mail";
const SETTLE_MS_MAX = 60_000;

/** Dovecots run, daemons do not. */
export async function openSites(options: SitesOptions): Promise<Sites> {
  const { names, users } = options;
  const network = await openNetwork(names, options.network ?? "namespaces");
  const started = names.map(async (name, i) => {
    const dovecot = await startDovecot({ name: name.toUpperCase(), users, homes: i === 0 });
    return Site.open(name, dovecot, network);
  });
  const settled = await Promise.allSettled(started);
  const sites = settled.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  const lab = new Sites(sites, network, options.expected);
  const failure = settled.find((each) => each.status === "rejected");
  if (failure === undefined) return lab;
  await lab[Symbol.asyncDispose]();
  throw failure.reason;
}

export class Sites implements AsyncDisposable {
  readonly network: Network;
  readonly #sites: ReadonlyMap<string, Site>;
  readonly #expected: RegExp | undefined;
  readonly #pairs = new Map<string, Pair>();

  constructor(sites: readonly Site[], network: Network, expected: RegExp | undefined) {
    this.network = network;
    this.#sites = new Map(sites.map((site) => [site.name, site]));
    this.#expected = expected;
  }

  site(name: string): Site {
    const site = this.#sites.get(name);
    if (site === undefined) throw new Error(`there is no site ${name}`);
    return site;
  }

  /** The test that is running tells what the daemons said, should it fail. */
  tellWhenFailed(): void {
    onTestFailed(() => {
      for (const site of this.#sites.values()) {
        const words = site.hasDaemon ? site.daemon.tail() : "was not started";
        process.stderr.write(`the daemon of ${site.name}: ${words}\n`);
      }
    });
  }

  /** The source's configuration, which dials its replicas. `more` replaces whole tables. */
  configureSource(source: string, replicas: readonly string[], more: SiteConfig = {}): void {
    const replicaOf = (name: string): Table => ({ to: this.addressOf(source, name), peer: name });
    this.site(source).configure({
      peer: this.peers(replicas),
      store: this.store(source, { replica: tableOf(replicas, replicaOf) }),
      ...more,
    });
  }

  /** The configuration of a replica that waits for its source. `more` replaces whole tables. */
  configureReplica(replica: string, source: string, more: SiteConfig = {}): void {
    this.site(replica).configure({
      listen: { tls: [this.network.listenAt(replica)] },
      peer: this.peers([source], { may_write: [STORE] }),
      store: this.store(replica, { source: { peer: source } }),
      ...more,
    });
  }

  /** Starts the daemons, the replicas' first, and returns when all replicas are live. */
  async startAll(source: string, replicas: readonly string[]): Promise<void> {
    await Promise.all(replicas.map((name) => this.site(name).start()));
    await this.site(source).start();
    await Promise.all(replicas.map((name) => this.site(source).untilReplica(name, "live")));
  }

  addressOf(from: string, to: string): string {
    return `tls://${this.network.addressOf(from, to)}`;
  }

  /** Tables of peers by name. */
  peers(names: readonly string[], rights: Table = {}): Table {
    return tableOf(names, (name) => ({ key: this.site(name).key.name, ...rights }));
  }

  /** The table of a site's store. */
  store(site: string, role: Table): Table {
    return { [STORE]: { path: this.site(site).dovecot.store, ...role } };
  }

  /** Returns the replica's views by user. */
  async settle(source: string, replica: string, options: SettleOptions = {}): Promise<Views> {
    const { users, ...wait } = options;
    return this.pair(source, replica).settle(users, { deadlineMs: SETTLE_MS_MAX, ...wait });
  }

  pair(source: string, replica: string): Pair {
    const name = `${source} ${replica}`;
    const sites = [this.site(source).dovecot, this.site(replica).dovecot] as const;
    const pair = this.#pairs.get(name) ?? new Pair(...sites, { hasOwners: false, expected: this.#expected });
    this.#pairs.set(name, pair);
    return pair;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(Array.from(this.#sites.values(), (site) => site.dispose()));
    await this.network[Symbol.asyncDispose]();
  }
}

function tableOf(names: readonly string[], make: (name: string) => Table): Table {
  return Object.fromEntries(names.map((name) => [name, make(name)]));
}
