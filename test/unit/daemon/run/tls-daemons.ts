/** Two daemons on this host with TLS between them: "a" has the source and dials "b". For what concerns keys and listeners. */
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { connect } from "node:tls";
import { systemClock, unixMs } from "../../../../src/base/clock.js";
import { openNodeDisk } from "../../../../src/base/disk-node.js";
import { createSiteKey, renewSiteKey, type SiteKey } from "../../../../src/wire/keys.js";
import { DaemonProcess } from "../../../live/sites/daemon-process.js";
import { type Ended, mailtwin } from "../mailtwin.js";
import { openTwoDaemons, type TwoDaemons } from "./two-daemons.js";

const DAY_MS = 86_400_000;

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** The fingerprint of what is shown to whoever dials. */
export async function shownAt(port: number): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false }).on("error", () => undefined);
  await once(socket, "secureConnect");
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256;
}

/** Days: a certificate is valid for ten years. */
export const EXPIRED = 4_000;

export class TlsDaemon {
  readonly #dir: string;
  readonly name: string;
  readonly key: SiteKey;
  process!: DaemonProcess;

  constructor(dir: string, name: string, key: SiteKey) {
    this.#dir = dir;
    this.name = name;
    this.key = key;
  }

  get #configPath(): string {
    return join(this.#dir, `${this.name}-tls.toml`);
  }

  configure(text: string): void {
    writeFileSync(
      this.#configPath,
      `state_dir = "${this.#dir}/state-${this.name}"\ncontrol = "${this.#dir}/${this.name}.control"\nlog_level = "debug"\n` +
        `identity = { name = "${this.name}", key = "${keyFile(this.#dir, this.name).path}" }\n${text}`,
    );
  }

  /** Gives its key a certificate that was made that many days ago. */
  certificateOf(daysAgo: number): Promise<SiteKey> {
    return renewSiteKey(keyFile(this.#dir, this.name), unixMs(systemClock.nowMs() - daysAgo * DAY_MS));
  }

  async start(): Promise<void> {
    this.process = new DaemonProcess({ site: this.name, before: [], configPath: this.#configPath, env: {} });
    await this.process.waitFor("the start", ({ msg }) => msg === "daemon-started");
  }

  run(...args: readonly string[]): Promise<Ended> {
    return mailtwin([...args, "--config", this.#configPath], { cwd: this.#dir });
  }
}

export interface TlsDaemons extends AsyncDisposable {
  readonly two: TwoDaemons;
  readonly a: TlsDaemon;
  readonly b: TlsDaemon;
}

/** Neither is configured or started. */
export async function openTlsDaemons(): Promise<TlsDaemons> {
  const two = openTwoDaemons(); // for the directory and the stores.
  const daemons = await Promise.all(
    ["a", "b"].map(
      async (name) => new TlsDaemon(two.dir, name, await createSiteKey(keyFile(two.dir, name), systemClock.nowMs())),
    ),
  );
  const [a, b] = daemons as [TlsDaemon, TlsDaemon];
  return {
    ...{ two, a, b },
    async [Symbol.asyncDispose]() {
      for (const { process } of daemons as { process?: DaemonProcess }[]) {
        if (process === undefined) continue;
        if (process.isRunning) process.signal("SIGKILL");
        await process.exited;
      }
      await two[Symbol.asyncDispose]();
    },
  };
}

function keyFile(dir: string, name: string) {
  return { disk: openNodeDisk(), path: join(dir, `${name}.key`) };
}

/** Of "a": its store goes to "b" at that port. */
export function sourceText({ two, b }: TlsDaemons, port: number): string {
  return (
    `[peer.b]\nkey = "${b.key.name}"\n[store.mail]\npath = "${two.source}"\n` +
    `[store.mail.replica.b]\nto = "tls://127.0.0.1:${port}"\npeer = "b"\n`
  );
}

/** Of "b". `key`: what it takes for that of "a"; `store`: what it calls its own. */
export function replicaText(
  { two, a }: TlsDaemons,
  parts: { readonly listen: readonly string[]; readonly key?: string; readonly store?: string },
): string {
  const { listen, key = a.key.name, store = "mail" } = parts;
  return (
    `listen.tls = ${JSON.stringify(listen)}\n[peer.a]\nkey = "${key}"\nmay_write = ["${store}"]\n` +
    `[store.${store}]\npath = "${two.replica}"\n[store.${store}.source]\npeer = "a"\n`
  );
}
