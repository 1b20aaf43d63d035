/**
 * The daemon: what a configuration says, running. Stores, their links, the listeners; reloaded as a whole.
 *
 * INVARIANT: a configuration that is wrong changes nothing. One that is right changes only what differs.
 */
import { join } from "node:path";
import type { Clock } from "../../base/clock.js";
import { formatAddress } from "../../wire/address.js";
import type { SiteKey } from "../../wire/keys.js";
import { NO_SOURCE, type Opening } from "../../wire/opening.js";
import type { Config, Peer, Replica, ReplicaRole, SourceRole, Store } from "../config/config.js";
import { daemonError } from "../errors.js";
import { Arrivals, type Proof, type Welcome } from "./arrivals.js";
import { BreachCounts } from "./breaches.js";
import { changedPeers, changesOf, changesOfKey } from "./config-changes.js";
import { DialledSource } from "./dialled-source.js";
import type { EventLog } from "./event-log.js";
import { Listeners } from "./listeners.js";
import { type OpenedLink, openLink } from "./open-link.js";
import { PeerRefusals } from "./peer-refusals.js";
import { RefusalLog } from "./refusal-log.js";
import type { ReplicaLink } from "./replica-runner.js";
import { ReplicaStore } from "./replica-store.js";
import { type Route, routeOf } from "./route.js";
import { SourceKeeper } from "./source-keeper.js";
import type { SourceStore } from "./source-store.js";
import { Troubles, troubleOf } from "./troubles.js";
import { maySee } from "./user-rights.js";

const LOST_HINT =
  "It was closed for a reload that was refused, and could not be opened again: find out who listens there (ss -lp), and run `mailtwin reload` with the configuration put right; nothing tries it before that.";

export interface DaemonPorts {
  readonly log: EventLog;
  readonly clock: Clock;
  readonly random: () => number;
  readonly crashAt: string | undefined;
}

/** One store of the configuration, running. */
export type Kept =
  | {
      readonly kind: "source";
      readonly config: Store;
      readonly keeper: SourceKeeper;
      readonly end: () => Promise<void>;
    }
  | {
      readonly kind: "replica";
      readonly config: Store;
      readonly store: ReplicaStore;
      readonly dialled: DialledSource | undefined;
      readonly end: () => Promise<void>;
    };

export class Daemon {
  readonly #ports: DaemonPorts;
  readonly #kept = new Map<string, Kept>();
  readonly #arrivals: Arrivals;
  readonly #listeners: Listeners;
  readonly #stop = new AbortController();
  /** Of no store. */
  readonly troubles = new Troubles();
  readonly refusals: PeerRefusals;
  readonly breaches: BreachCounts;
  #config: Config;
  #key: SiteKey | undefined;
  readonly #stopping = new AbortController();
  /** Reloads take turns. */
  #turn: Promise<void> = Promise.resolve();

  constructor(config: Config, key: SiteKey | undefined, ports: DaemonPorts) {
    this.#config = config;
    this.#key = key;
    this.#ports = ports;
    const { log, clock } = ports;
    const [strangers, peers] = [new RefusalLog({ log, clock }), new RefusalLog({ log, clock })];
    const onRefused = (error: unknown, peer: string) => peers.note(error, peer);
    this.refusals = new PeerRefusals(clock);
    this.breaches = new BreachCounts(clock);
    this.#arrivals = new Arrivals({
      ...{ clock, onRefused },
      route: (opening, proof) => this.#route(opening, proof),
      storesOf: (peer) => storesOf(this.#peerNamed(peer)),
      onCrowded: (error, peer) => {
        const news = this.refusals.noteCrowd(error, peer);
        if (news === undefined) return;
        const { code, words: message, hint, level } = news;
        log.write(level === "needs-you" ? "peer-needs-you" : "peer-crowds", { peer, code, message, hint });
      },
    });
    this.#listeners = new Listeners({
      ...{ log, clock },
      onRefused: (error, shown) => {
        strangers.note(error);
        if (shown !== undefined) this.refusals.noteShown(error, shown);
      },
      onLost: (error) =>
        this.troubles.note("listening", { ...troubleOf(error), hint: LOST_HINT, level: "needs-you" }, clock.nowMs()),
      onArrival: (stream, proof) => void this.#arrivals.receive(stream, proof, this.#stop.signal),
      peerNameOf: (name) => [...this.#config.peers.values()].find((peer) => peer.key === name)?.name,
    });
  }

  get config(): Config {
    return this.#config;
  }

  get kept(): ReadonlyMap<string, Kept> {
    return this.#kept;
  }

  /** Throws: address-in-use, listen-failed, key-expired, key-unusable: at the start, what cannot be listened at ends the program. */
  async start(): Promise<void> {
    const listeners = await this.#listeners.prepare(this.#config.listen, this.#key, this.#stop.signal);
    await listeners.commit();
    this.#adjust(new Set(), new Map());
  }

  /** Only what differs ends or begins. Returns that, a line each. Rejects, with the former one in force, when a listener cannot be opened. */
  async reload(config: Config, key: SiteKey | undefined): Promise<readonly string[]> {
    const turn = this.#turn.then(async () => {
      if (this.#isStopping())
        throw daemonError("store-not-ready", "reloading the configuration: the daemon is being stopped");
      if (config.stateDir !== this.#config.stateDir || config.control !== this.#config.control)
        throw daemonError(
          "restart-needed",
          "reloading the configuration: state_dir and control are the same for as long as the daemon runs",
        );
      const listeners = await this.#listeners.prepare(config.listen, key, this.#stop.signal);
      const nowMs = this.#ports.clock.nowMs();
      const changes = [...changesOf(this.#config, config), ...changesOfKey(this.#key, key, nowMs)];
      const peers = changedPeers(this.#config, config);
      this.#config = config;
      this.#key = key;
      try {
        const former = await this.#endChanged(peers);
        if (!this.#isStopping()) this.#adjust(peers, former);
      } finally {
        await listeners.commit();
      }
      this.troubles.over("listening");
      this.refusals.judgeAnew(config);
      return changes;
    });
    this.#turn = turn.then(
      () => undefined,
      () => undefined,
    );
    return turn;
  }

  /** Ships for a while what is captured, and closes everything. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error("the daemon is being stopped"));
    await this.#turn;
    await Promise.allSettled(Array.from(this.#kept.values(), ({ end }) => end()));
    this.#kept.clear();
    this.#stop.abort(new Error("the daemon has ended"));
    await this.#listeners.close(); // last: it cuts the links of those who dialled in, which were served until now.
  }

  #isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  /**
   * `peers`: those whose keys or rights are others now: links that they have are judged anew. Returns the replicas that ended for that alone:
   * they begin anew as what they were.
   */
  async #endChanged(peers: ReadonlySet<string | undefined>): Promise<ReadonlyMap<string, ReplicaStore>> {
    const former = new Map<string, ReplicaStore>();
    const ending = [...this.#kept].filter(([name, kept]) => {
      const stores: ReadonlyMap<string, Store> = this.#config.stores;
      const store = stores.get(name);
      const isTheirs = kept.config.role.kind === "replica" && peers.has(kept.config.role.peer);
      return store === undefined || isTheirs || !mayStay(kept.config, store);
    });
    await Promise.all(
      ending.map(async ([name, kept]) => {
        await kept.end();
        this.#kept.delete(name);
        const store = (this.#config.stores as ReadonlyMap<string, Store>).get(name);
        if (kept.kind === "replica" && store !== undefined && mayStay(kept.config, store)) former.set(name, kept.store);
      }),
    );
    return former;
  }

  #adjust(peers: ReadonlySet<string | undefined>, former: ReadonlyMap<string, ReplicaStore>): void {
    for (const store of this.#config.stores.values()) {
      const kept = this.#kept.get(store.name);
      const { role } = store;
      if (kept === undefined) this.#kept.set(store.name, this.#begin(store, former.get(store.name)));
      else if (kept.kind === "source" && role.kind === "source") {
        kept.keeper.setReplicas(role.replicas, peers);
        this.#kept.set(store.name, { ...kept, config: store });
      }
    }
  }

  #begin(store: Store, former: ReplicaStore | undefined): Kept {
    const { role } = store;
    return role.kind === "source" ? this.#beginSource(store, role) : this.#beginReplica(store, role, former);
  }

  #beginSource(store: Store, role: SourceRole): Kept {
    const { clock, random, crashAt } = this.#ports;
    const ports = {
      ...{
        path: store.path,
        scratch: store.scratch,
        stateDir: this.#stateOf(store),
        log: this.#logOf(store),
        sentinel: store.sentinel,
        brake: store.brake,
      },
      ...{ clock, random, crashAt },
      limits: () => this.#config.log,
      scrub: () => this.#config.stores.get(store.name)?.scrub,
      usersOf: (replica: Replica) => this.#usersOf(replica.peer),
      dialOf: (replica: Replica, opened: SourceStore) => this.#dialOf(replica, opened),
      breachesOf: (replica: string) => this.breaches.ofReplica(store.name, replica),
    };
    const keeper = new SourceKeeper(ports, role.replicas);
    const stop = new AbortController();
    const running = keeper.run(stop.signal);
    const end = async () => {
      stop.abort(new Error("the store is served no longer"));
      await running;
    };
    return { kind: "source", config: store, keeper, end };
  }

  #beginReplica(config: Store, role: ReplicaRole, former: ReplicaStore | undefined): Kept {
    const { clock, random, crashAt } = this.#ports;
    const log = this.#logOf(config);
    const { path, scratch } = config;
    const mayWrite = () => {
      const users = this.#usersOf(role.peer);
      return users === undefined ? undefined : maySee(users);
    };
    const undelete = () => this.#config.stores.get(config.name)?.undelete ?? config.undelete;
    const breaches = this.breaches.ofSource(config.name);
    const how = { path, scratch, stateDir: this.#stateOf(config), log, crashAt, mayWrite, undelete, breaches };
    const store = new ReplicaStore(how, former);
    const stop = new AbortController();
    const { from, storeThere, peer } = role;
    const dial = (signal: AbortSignal): Promise<OpenedLink> => {
      if (from === undefined) throw new TypeError("who has no address is not dialled");
      const target = { kind: "store", store: storeThere } as const;
      return this.#open({ address: from, peer }, { role: "replica", target, ...NO_SOURCE }, signal);
    };
    const shown = peer ?? "the source";
    const dialled =
      from === undefined ? undefined : new DialledSource({ store, peer: shown, dial, clock, random, log });
    const running = dialled?.run(stop.signal);
    const end = async () => {
      stop.abort(new Error("the store is served no longer"));
      await store.end();
      await running;
    };
    return { kind: "replica", config, store, dialled, end };
  }

  #dialOf(
    { to, peer, storeThere }: Replica,
    store: SourceStore,
  ): ((signal: AbortSignal) => Promise<ReplicaLink>) | undefined {
    if (to === undefined) return undefined;
    const target = { kind: "store", store: storeThere } as const;
    return async (signal) => {
      const said = store.opened;
      const { link } = await this.#open({ address: to, peer }, { role: "source", target, ...said }, signal);
      return { link, said };
    };
  }

  #open(
    { address, peer }: { readonly address: NonNullable<Replica["to"]>; readonly peer: string | undefined },
    wish: Omit<Opening, "peer">,
    signal: AbortSignal,
  ): Promise<OpenedLink> {
    const opening = { ...wish, peer: this.#config.identityName ?? "" };
    const peerKey = this.#peerNamed(peer)?.key;
    const { clock } = this.#ports;
    const shown = peer ?? formatAddress(address);
    return openLink({ address, peer: shown, key: this.#key, peerKey, opening, clock }, signal);
  }

  async #route(opening: Opening, proof: Proof | undefined): Promise<Welcome> {
    const route = this.#judge(opening, proof);
    const kept = this.#kept.get(route.store.name);
    const notReady = (): Error =>
      daemonError("store-not-ready", `serving "${route.peer.name}": the store "${route.store.name}" is not open now`);
    if (this.#isStopping()) throw notReady();
    if (route.kind === "source") {
      if (kept?.kind !== "replica") throw notReady();
      await kept.store.open(opening);
      return { source: undefined, take: (link) => void kept.store.serve(link, route.peer.name, this.#stop.signal) };
    }
    const runner = kept?.kind === "source" ? kept.keeper.runner(route.replica.name) : undefined;
    const store = kept?.kind === "source" ? kept.keeper.store : undefined;
    if (runner === undefined || store === undefined) throw notReady();
    const said = store.opened;
    return { source: said, take: (link) => runner.offer({ link, said }) };
  }

  #judge(opening: Opening, proof: Proof | undefined): Route {
    try {
      const route = routeOf(this.#config, opening, proof);
      this.refusals.letIn(opening, proof);
      return route;
    } catch (error) {
      this.refusals.noteAsked(error, opening, proof, this.#config);
      throw error;
    }
  }

  /** To whose mailboxes a peer's rights are limited; undefined: they are not. */
  #usersOf(peer: string | undefined): readonly string[] | undefined {
    return this.#peerNamed(peer)?.users;
  }

  #peerNamed(name: string | undefined): Peer | undefined {
    const peers: ReadonlyMap<string, Peer> = this.#config.peers;
    return name === undefined ? undefined : peers.get(name);
  }

  #stateOf({ name }: Store): string {
    return join(this.#config.stateDir, "stores", name);
  }

  #logOf({ name }: Store): EventLog {
    return this.#ports.log.child({ store: name });
  }
}

/** Links that it may have at a time. */
function storesOf(peer: Peer | undefined): number {
  return peer === undefined ? 0 : peer.mayRead.size + peer.mayWrite.size;
}

/** A source goes on where only its replicas differ. */
function mayStay(before: Store, after: Store): boolean {
  const own = ({ name, path, scratch, sentinel, brake, role }: Store) =>
    JSON.stringify({
      name,
      path,
      scratch,
      ...(role.kind === "source" ? { sentinel, brake } : {}),
      role: role.kind === "source" ? role.kind : role,
    });
  return own(before) === own(after);
}
