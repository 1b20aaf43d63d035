/**
 * Where the daemon listens: opened and closed as the configuration changes, one by one.
 *
 * INVARIANT: what can fail is done before anything is closed (`prepare`): the key is judged, and what is new is bound. Then a reload is
 * carried out (`commit`), or nothing has changed. Only what is bound where a listener that goes stands in the way (127.0.0.1:4417 and
 * 0.0.0.0:4417) has that one closed first; if it then fails, that one is opened again.
 */

import type { Duplex } from "node:stream";
import type { Clock } from "../../base/clock.js";
import { recordOfError } from "../../base/errors.js";
import { formatHostPort } from "../../wire/address.js";
import type { Listener } from "../../wire/carrier.js";
import { wireError } from "../../wire/errors.js";
import type { KeyName } from "../../wire/key-name.js";
import type { SiteKey } from "../../wire/keys.js";
import { listenTls, refuseToShow, type ShownToUs, type TlsListening } from "../../wire/tls-listener.js";
import { listenUnix } from "../../wire/unix-carrier.js";
import type { Config } from "../config/config.js";
import type { Proof } from "./arrivals.js";
import { type EventLog, fieldsOfError } from "./event-log.js";

export interface ListenerPorts {
  readonly log: EventLog;
  readonly clock: Clock;
  /** `proof`: who it is, if the carrier has proved it. */
  readonly onArrival: (stream: Duplex, proof: Proof | undefined) => void;
  readonly peerNameOf: (key: KeyName) => string | undefined;
  /** Who dials decides how many there are. `shown`: where it proved a key. */
  readonly onRefused: (error: unknown, shown: ShownToUs | undefined) => void;
  /** An address of the configuration that is in force is not listened at, until the next `prepare` that succeeds. */
  readonly onLost: (error: unknown) => void;
}

/** All that could fail has been done. */
export interface PreparedListeners {
  /** What is gone is closed, and the new key shown. Never rejects. */
  commit(): Promise<void>;
}

type Open =
  | { readonly kind: "tls"; readonly port: number; readonly listener: TlsListening }
  | { readonly kind: "unix"; readonly listener: Listener };

interface Wish {
  /** Undefined for a unix socket. */
  readonly port: number | undefined;
  readonly open: () => Promise<Open>;
}

const SOCKET_MODE = 0o660;

export class Listeners {
  readonly #ports: ListenerPorts;
  /** By what was asked for. */
  readonly #open = new Map<string, Open>();
  /** Of what is in force. */
  #wishes: ReadonlyMap<string, Wish> = new Map();
  #key: SiteKey | undefined;

  constructor(ports: ListenerPorts) {
    this.#ports = ports;
  }

  /** Throws, having changed nothing: address-in-use, listen-failed, key-expired, key-unusable. `commit` is called before it is called again. */
  async prepare(listen: Config["listen"], key: SiteKey | undefined, signal: AbortSignal): Promise<PreparedListeners> {
    if (listen.tls.length > 0 && key !== undefined) refuseToShow(key, this.#ports.clock);
    const wishes = this.#wishesOf(listen, key, signal);
    const begun = new Map<string, Open>();
    const closed: string[] = [];
    try {
      for (const [name, wish] of wishes) {
        if (this.#open.has(name)) continue;
        begun.set(
          name,
          await this.#openInPlaceOf(wish, wishes, closed).catch((error: unknown) => {
            this.#ports.log.write("listening-failed", { address: name, ...fieldsOfError(error) });
            throw error;
          }),
        );
      }
    } catch (error) {
      await closeAll(begun.values());
      await this.#goBackTo(closed);
      throw error;
    }
    return { commit: () => this.#commit({ wishes, begun, key }) };
  }

  async close(): Promise<void> {
    const open = [...this.#open.values()];
    this.#open.clear();
    await closeAll(open);
  }

  async #commit(now: {
    readonly wishes: ReadonlyMap<string, Wish>;
    readonly begun: ReadonlyMap<string, Open>;
    readonly key: SiteKey | undefined;
  }): Promise<void> {
    const { wishes, begun, key } = now;
    const isOtherKey = key?.certificate !== this.#key?.certificate;
    const gone = [...this.#open].filter(([name]) => !wishes.has(name));
    for (const [name] of gone) this.#open.delete(name);
    for (const each of this.#open.values())
      if (each.kind === "tls" && isOtherKey && key !== undefined) each.listener.setKey(key);
    for (const [name, each] of begun) {
      this.#open.set(name, each);
      this.#ports.log.write("listening", { address: each.listener.address });
    }
    this.#wishes = wishes;
    this.#key = key;
    await closeAll(gone.map(([, each]) => each));
  }

  /** `closed` gets the names of those that had to be closed for it. */
  async #openInPlaceOf(wish: Wish, wishes: ReadonlyMap<string, Wish>, closed: string[]): Promise<Open> {
    try {
      return await wish.open();
    } catch (error) {
      const inTheWay = [...this.#open].filter(
        ([name, each]) => each.kind === "tls" && each.port === wish.port && !wishes.has(name),
      );
      if (recordOfError(error).code !== "address-in-use" || inTheWay.length === 0) throw error;
      for (const [name] of inTheWay) {
        this.#open.delete(name);
        closed.push(name);
      }
      await closeAll(inTheWay.map(([, each]) => each));
      return await wish.open();
    }
  }

  async #goBackTo(closed: readonly string[]): Promise<void> {
    for (const name of closed) {
      try {
        const again = await this.#wishes.get(name)?.open();
        if (again === undefined) continue;
        this.#open.set(name, again);
        this.#ports.log.write("listening", { address: again.listener.address });
      } catch (error) {
        this.#ports.log.write("listening-failed", { address: name, ...fieldsOfError(error) });
        this.#ports.onLost(error);
      }
    }
  }

  #wishesOf({ tls, unix }: Config["listen"], key: SiteKey | undefined, signal: AbortSignal): ReadonlyMap<string, Wish> {
    const wishes = new Map<string, Wish>();
    for (const where of tls)
      wishes.set(`tls://${formatHostPort(where)}`, { port: where.port, open: () => this.#listenTls(where, key) });
    for (const path of unix)
      wishes.set(`unix:${path}`, { port: undefined, open: () => this.#listenUnix(path, signal) });
    return wishes;
  }

  async #listenTls(where: Config["listen"]["tls"][number], key: SiteKey | undefined): Promise<Open> {
    if (key === undefined)
      throw wireError("key-unusable", `listening at tls://${formatHostPort(where)}: this site has no key`);
    const { clock, onArrival, peerNameOf, onRefused } = this.#ports;
    const listener = await listenTls(where, {
      ...{ key, clock, peerNameOf },
      onArrival: ({ stream, peerName: peer, peerKey: key }) => onArrival(stream, { peer, key }),
      onRefused: (error, shown) => onRefused(error, shown),
    });
    return { kind: "tls", port: where.port, listener };
  }

  async #listenUnix(path: string, signal: AbortSignal): Promise<Open> {
    const { clock, onArrival } = this.#ports;
    const where = { address: { kind: "unix", path } as const, mode: SOCKET_MODE };
    const listener = await listenUnix(where, { clock, onArrival: (stream) => onArrival(stream, undefined) }, signal);
    return { kind: "unix", listener };
  }
}

async function closeAll(open: Iterable<Open>): Promise<void> {
  await Promise.all(Array.from(open, ({ listener }) => listener[Symbol.asyncDispose]()));
}
