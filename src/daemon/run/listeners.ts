/**
 * Where the daemon listens: opened and closed as the configuration changes, one by one.
 */

import type { Duplex } from "node:stream";
import type { Clock } from "../../base/clock.js";
import { formatHostPort } from "../../wire/address.js";
import type { Listener } from "../../wire/carrier.js";
import { wireError } from "../../wire/errors.js";
import type { KeyName } from "../../wire/key-name.js";
import type { SiteKey } from "../../wire/keys.js";
import { listenTls } from "../../wire/tls-listener.js";
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
  /** A stranger; they decide how many there are. */
  readonly onRefused: (error: unknown) => void;
}

const SOCKET_MODE = 0o660;

export class Listeners {
  readonly #ports: ListenerPorts;
  /** By what was asked for. */
  readonly #open = new Map<string, Listener>();
  #certificate: string | undefined;

  constructor(ports: ListenerPorts) {
    this.#ports = ports;
  }

  /** Throws: address-in-use, listen-failed, key-expired, key-unusable; what could be opened is. */
  async adjust({ tls, unix }: Config["listen"], key: SiteKey | undefined, signal: AbortSignal): Promise<void> {
    const wished = new Map<string, () => Promise<Listener>>();
    for (const where of tls) wished.set(`tls://${formatHostPort(where)}`, () => this.#listenTls(where, key));
    for (const path of unix) wished.set(`unix:${path}`, () => this.#listenUnix(path, signal));
    const isOtherKey = key?.certificate !== this.#certificate; // the key's own, or a renewed one of the same key.
    this.#certificate = key?.certificate;
    for (const [name, listener] of [...this.#open]) {
      if (wished.has(name) && !(isOtherKey && name.startsWith("tls:"))) continue;
      this.#open.delete(name);
      await listener[Symbol.asyncDispose]();
    }
    const failures: unknown[] = [];
    for (const [name, listen] of wished) {
      if (this.#open.has(name)) continue;
      try {
        const listener = await listen();
        this.#open.set(name, listener);
        this.#ports.log.write("listening", { address: listener.address });
      } catch (error) {
        this.#ports.log.write("listening-failed", { address: name, ...fieldsOfError(error) });
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  async close(): Promise<void> {
    const listeners = [...this.#open.values()];
    this.#open.clear();
    await Promise.all(listeners.map((listener) => listener[Symbol.asyncDispose]()));
  }

  async #listenTls(where: Config["listen"]["tls"][number], key: SiteKey | undefined): Promise<Listener> {
    if (key === undefined)
      throw wireError("key-unusable", `listening at tls://${formatHostPort(where)}: this site has no key`);
    const { clock, onArrival, peerNameOf, onRefused } = this.#ports;
    return listenTls(where, {
      ...{ key, clock, peerNameOf },
      onArrival: ({ stream, peerName: peer, peerKey: key }) => onArrival(stream, { peer, key }),
      onRefused,
    });
  }

  async #listenUnix(path: string, signal: AbortSignal): Promise<Listener> {
    const { clock, onArrival } = this.#ports;
    const where = { address: { kind: "unix", path } as const, mode: SOCKET_MODE };
    return listenUnix(where, { clock, onArrival: (stream) => onArrival(stream, undefined) }, signal);
  }
}
