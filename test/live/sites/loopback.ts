/**
 * Sites that share the network of this machine: each listens at a loopback port, and each way between two of them is a proxy in this
 * process, which can fall silent (network.ts). Whoever dials a silent one is let in and hears nothing.
 */

import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { pickPorts } from "../lab/place.js";
import type { Network } from "./network.js";

const HOST = "127.0.0.1";

export async function openLoopback(sites: readonly string[]): Promise<Network> {
  const ports = new Map<string, number>();
  const taken: number[] = [];
  for (const [i, site] of sites.entries()) {
    const port = await freePort(401 + 97 * i, taken);
    ports.set(site, port);
  }
  const ways = new Map<string, Way>();
  for (const from of sites)
    for (const to of sites) if (from !== to) ways.set(`${from} ${to}`, await Way.open(ports.get(to) ?? 0));
  return new Loopback(ports, ways);
}

async function freePort(salt: number, taken: number[]): Promise<number> {
  for (let tried = 0; ; tried++) {
    const found = (await pickPorts(salt + tried)).find((port) => !taken.includes(port));
    if (found === undefined) continue;
    taken.push(found);
    return found;
  }
}

class Loopback implements Network {
  readonly kind = "loopback";
  readonly #ports: ReadonlyMap<string, number>;
  readonly #ways: ReadonlyMap<string, Way>;

  constructor(ports: ReadonlyMap<string, number>, ways: ReadonlyMap<string, Way>) {
    this.#ports = ports;
    this.#ways = ways;
  }

  commandAt(): readonly string[] {
    return [];
  }

  listenAt(site: string): string {
    return `${HOST}:${this.#ports.get(site)}`;
  }

  addressOf(from: string, to: string): string {
    return `${HOST}:${this.#way(from, to).port}`;
  }

  async cut(one: string, other: string): Promise<void> {
    for (const way of [this.#way(one, other), this.#way(other, one)]) way.cut();
  }

  async heal(one: string, other: string): Promise<void> {
    for (const way of [this.#way(one, other), this.#way(other, one)]) way.heal();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const way of this.#ways.values()) way.close();
  }

  #way(from: string, to: string): Way {
    const way = this.#ways.get(`${from} ${to}`);
    if (way === undefined) throw new Error(`there is no line from ${from} to ${to}`);
    return way;
  }
}

/** Connections of one site to the listener of another. */
class Way {
  readonly #server: Server;
  readonly #target: number;
  readonly #joints = new Set<Joint>();
  #isCut = false;

  private constructor(server: Server, target: number) {
    this.#server = server;
    this.#target = target;
    server.on("connection", (near) => {
      const joint = new Joint(near, this.#target, () => this.#joints.delete(joint));
      this.#joints.add(joint);
      if (!this.#isCut) joint.flow();
    });
  }

  static async open(target: number): Promise<Way> {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
    server.listen(0, HOST);
    await once(server, "listening");
    return new Way(server, target);
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  cut(): void {
    this.#isCut = true;
    for (const joint of this.#joints) joint.stop();
  }

  heal(): void {
    this.#isCut = false;
    for (const joint of this.#joints) joint.flow();
  }

  close(): void {
    this.#server.close();
    for (const joint of this.#joints) joint.end();
  }
}

/** One connection and its continuation. While it is stopped neither end learns what the other one does, its end included. */
class Joint {
  readonly #near: Socket;
  readonly #target: number;
  readonly #onGone: () => void;
  #far: Socket | undefined;
  #flows = false;
  #isLost = false;

  constructor(near: Socket, target: number, onGone: () => void) {
    this.#near = near;
    this.#target = target;
    this.#onGone = onGone;
    this.#watch(near);
  }

  flow(): void {
    this.#flows = true;
    if (this.#isLost) {
      this.end();
      return;
    }
    if (this.#far === undefined) {
      this.#far = connect({ port: this.#target, host: HOST, allowHalfOpen: true });
      this.#watch(this.#far);
    }
    this.#near.pipe(this.#far);
    this.#far.pipe(this.#near);
  }

  stop(): void {
    this.#flows = false;
    for (const socket of [this.#near, this.#far]) {
      socket?.unpipe();
      socket?.pause();
    }
  }

  end(): void {
    this.#near.destroy();
    this.#far?.destroy();
    this.#onGone();
  }

  #watch(socket: Socket): void {
    socket.on("error", () => undefined); // "close" follows.
    socket.on("close", () => {
      this.#isLost = true;
      if (this.#flows) this.end();
    });
  }
}
