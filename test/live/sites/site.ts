/**
 * One site: a Dovecot with its mail, and a daemon with its configuration, key and state.
 *
 * The Dovecots of all sites listen on the loopback address of this machine, where the tests are; only the daemons are in the sites'
 * networks. A daemon and its Dovecot meet in the mail and nowhere else, so nothing depends on that.
 */
import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { systemClock, type UnixMs } from "../../../src/base/clock.js";
import { openNodeDisk } from "../../../src/base/disk-node.js";
import { createSiteKey, readSiteKey, type SiteKey } from "../../../src/wire/keys.js";
import type { DovecotSite } from "../lab/dovecot.js";
import { CLI, type DaemonEvent, DaemonProcess } from "./daemon-process.js";
import type { Network } from "./network.js";
import { formatSiteConfig, type SiteConfig } from "./site-config.js";

/** As far as it is asked for here. */
interface StatusOfSource {
  readonly log: { readonly firstLsn: number; readonly lastLsn: number; readonly bytes: number };
  readonly replicas: readonly Readonly<Record<string, unknown>>[];
}

export class Site {
  readonly name: string;
  readonly dovecot: DovecotSite;
  /** Configuration, key and state are in it. */
  readonly dir: string;
  readonly #network: Network;
  readonly #key: SiteKey;
  #daemon: DaemonProcess | undefined;

  private constructor(name: string, dovecot: DovecotSite, { network, dir }: { network: Network; dir: string }) {
    this.name = name;
    this.dovecot = dovecot;
    this.dir = dir;
    this.#network = network;
    this.#key = readSiteKey({ disk: openNodeDisk(), path: join(dir, "key") });
  }

  /** Of a Dovecot that runs. */
  static async open(name: string, dovecot: DovecotSite, network: Network): Promise<Site> {
    const dir = join(dovecot.dir, "mailtwin");
    mkdirSync(dir, { mode: 0o755 });
    await makeKeyFile(join(dir, "key"));
    return new Site(name, dovecot, { network, dir });
  }

  get key(): SiteKey {
    return this.#key;
  }

  get configPath(): string {
    return join(this.dir, "mailtwin.toml");
  }

  get stateDir(): string {
    return join(this.dir, "state");
  }

  get hasDaemon(): boolean {
    return this.#daemon !== undefined;
  }

  /** The one that was started last. */
  get daemon(): DaemonProcess {
    if (this.#daemon === undefined) throw new Error(`the daemon of ${this.name} was not started`);
    return this.#daemon;
  }

  /** What it has logged so far, to wait for what follows. */
  get mark(): number {
    return this.daemon.events.length;
  }

  /** Writes the configuration; a daemon that runs learns of it by `reload`. */
  configure(config: SiteConfig): void {
    const own = {
      ...{ state_dir: this.stateDir, control: join(this.dir, "control.sock"), log_level: "debug" },
      identity: { key: join(this.dir, "key") },
    };
    writeFileSync(this.configPath, formatSiteConfig(own, config), { mode: 0o644 });
  }

  /** Returns when it serves. */
  async start(env: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.spawn(env).waitFor("daemon-started", ({ msg }) => msg === "daemon-started");
  }

  /** Not waited for. `env` is added to this process's environment. */
  spawn(env: Readonly<Record<string, string>> = {}): DaemonProcess {
    if (this.#daemon?.isRunning === true) throw new Error(`the daemon of ${this.name} runs already`);
    const before = this.#network.commandAt(this.name);
    this.#daemon = new DaemonProcess({ site: this.name, before, configPath: this.configPath, env });
    return this.#daemon;
  }

  /** HUP; returns `config-reloaded` or `config-refused`. */
  async reload(): Promise<DaemonEvent> {
    const { mark } = this;
    this.daemon.signal("SIGHUP");
    const isAnswer = ({ msg }: DaemonEvent): boolean => msg === "config-reloaded" || msg === "config-refused";
    return this.daemon.waitFor("the answer to SIGHUP", isAnswer, mark);
  }

  /** Until the replica was reported as in this state, at event number `since` or later. */
  async untilReplica(replica: string, state: string, since = 0): Promise<void> {
    const fits = (event: DaemonEvent): boolean =>
      event.msg === "replica-state" && event["replica"] === replica && event["state"] === state;
    await this.daemon.waitFor(`replica ${replica} to be ${state}`, fits, since);
  }

  /** Runs a command that speaks with the daemon; throws with what it said unless it exits with 0. */
  async tell(...args: readonly string[]): Promise<string> {
    const [program = "", ...words] = [...this.#network.commandAt(this.name), process.execPath, CLI, ...args];
    const { stdout } = await promisify(execFile)(program, [...words, "--config", this.configPath]);
    return stdout;
  }

  /** What `status --json` says of a replica. */
  async statusOf(replica: string): Promise<Readonly<Record<string, unknown>>> {
    const { replicas } = await this.#statusOfStore();
    const found = replicas.find(({ name }) => name === replica);
    if (found === undefined) throw new Error(`${this.name} has no replica ${replica}`);
    return found;
  }

  /** What it says of the log of its store. */
  async logStatus(): Promise<StatusOfSource["log"]> {
    return (await this.#statusOfStore()).log;
  }

  async #statusOfStore(): Promise<StatusOfSource> {
    const { stores } = JSON.parse(await this.tell("status", "--json")) as {
      readonly stores: readonly StatusOfSource[];
    };
    const [store] = stores;
    if (store === undefined) throw new Error(`${this.name} serves no store`);
    return store;
  }

  /** What it has logged under that name. */
  said(msg: string, since = 0): readonly DaemonEvent[] {
    return this.daemon.events.slice(since).filter((event) => event.msg === msg);
  }

  async dispose(): Promise<void> {
    if (this.#daemon?.isRunning === true) {
      this.#daemon.signal("SIGKILL");
      await this.#daemon.exited;
    }
    await this.dovecot.stop();
  }
}

/** `nowMs`: as if it had been made then. */
export async function makeKeyFile(path: string, nowMs: UnixMs = systemClock.nowMs()): Promise<SiteKey> {
  return createSiteKey({ disk: openNodeDisk(), path }, nowMs);
}
