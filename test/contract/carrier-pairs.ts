/** Two ends of a stream over each carrier, within one process. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { systemClock } from "../../src/base/clock.js";
import { Disposer } from "../../src/base/disposal.js";
import type { UnixAddress } from "../../src/wire/address.js";
import type { SiteKey } from "../../src/wire/keys.js";
import { dialSsh } from "../../src/wire/ssh-carrier.js";
import { dialTls } from "../../src/wire/tls-carrier.js";
import { listenTls } from "../../src/wire/tls-listener.js";
import { dialUnix, listenUnix } from "../../src/wire/unix-carrier.js";
import { addressOf } from "../unit/wire/address-of.js";
import { makeSiteKey } from "../unit/wire/site-keys.js";

const SIGNAL = new AbortController().signal;

export type Pair = readonly [dialled: Duplex, accepted: Duplex];

/** Makes pairs, and ends them all when it is disposed of. */
export interface PairSource extends AsyncDisposable {
  open(): Promise<Pair>;
}

export async function openTlsPairs(): Promise<PairSource> {
  const [site, peer] = await Promise.all([makeSiteKey(), makeSiteKey()]);
  const arriving = new Arriving();
  const listener = await listenTls(
    { host: "127.0.0.1", port: 0 },
    {
      key: site,
      clock: systemClock,
      peerNameOf: (name) => (name === peer.name ? "peer" : undefined),
      onArrival: ({ stream }) => arriving.take(stream),
      onRefused: (error) => arriving.fail(error),
    },
  );
  const dial = (): Promise<Duplex> => dialPeer(listener.address, peer, site);
  return { open: () => arriving.pairWith(dial()), [Symbol.asyncDispose]: () => listener[Symbol.asyncDispose]() };
}

async function dialPeer(text: string, key: SiteKey, { name }: SiteKey): Promise<Duplex> {
  const address = addressOf(text);
  if (address.kind !== "tls") throw new Error(`no address of TLS: ${text}`);
  return await dialTls({ address, key, peerKey: name, clock: systemClock }, SIGNAL);
}

export async function openUnixPairs(): Promise<PairSource> {
  return await openPairsBySocket((address) => dialUnix({ address, clock: systemClock }, SIGNAL));
}

/** In the place of ssh, a program that passes its input on to the other end, and back. */
export async function openSshPairs(): Promise<PairSource> {
  return await openPairsBySocket(({ path }) => {
    const relay = `const s = require("node:net").connect(${JSON.stringify(path)}); process.stdin.pipe(s).pipe(process.stdout);`;
    const address = { kind: "ssh", user: undefined, host: "mail2", port: undefined } as const;
    const program = [process.execPath, "-e", relay, "--"];
    return dialSsh({ address, program, clock: systemClock }, SIGNAL);
  });
}

async function openPairsBySocket(dial: (address: UnixAddress) => Promise<Duplex>): Promise<PairSource> {
  const owned = new Disposer();
  const dir = mkdtempSync(join(tmpdir(), "mtl-pairs-"));
  owned.defer(() => rmSync(dir, { recursive: true }));
  const address: UnixAddress = { kind: "unix", path: join(dir, "socket") };
  const arriving = new Arriving();
  const ports = { clock: systemClock, onArrival: (stream: Duplex) => arriving.take(stream) };
  owned.adopt(await listenUnix({ address, mode: 0o600 }, ports, SIGNAL));
  return { open: () => arriving.pairWith(dial(address)), [Symbol.asyncDispose]: () => owned.dispose() };
}

/** One at a time. */
class Arriving {
  #resolve: (stream: Duplex) => void = () => undefined;
  #reject: (error: Error) => void = () => undefined;

  take(stream: Duplex): void {
    this.#resolve(stream);
  }

  fail(error: Error): void {
    this.#reject(error);
  }

  async pairWith(dialling: Promise<Duplex>): Promise<Pair> {
    const accepting = new Promise<Duplex>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    return await Promise.all([dialling, accepting]);
  }
}
