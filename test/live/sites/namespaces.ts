/**
 * A network namespace for each site, and one for the lines between them (network.ts says why).
 *
 * Their names begin with `mtl-PID-`, of the process that made them: whoever makes new ones removes those of processes that are gone,
 * with what still runs in them.
 */
import { execFile, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import { atExit } from "../lab/at-exit.js";
import { type Network, pairsOf } from "./network.js";

const PREFIX = /^mtl-(\d+)-[0-9a-f]+-[a-z]+$/;
const PORT = 4417;
const IP_MS_MAX = 20_000;

export type NamespacesOpened =
  | { readonly kind: "opened"; readonly network: Network }
  | { readonly kind: "unavailable"; readonly reason: string };

export async function openNamespaces(sites: readonly string[]): Promise<NamespacesOpened> {
  if (process.getuid?.() !== 0) return { kind: "unavailable", reason: "namespaces need root" };
  await removeLeftovers();
  const network = new Namespaces(sites);
  try {
    await network.make();
    return { kind: "opened", network };
  } catch (error) {
    await network[Symbol.asyncDispose]();
    return { kind: "unavailable", reason: error instanceof Error ? error.message.trim() : String(error) };
  }
}

class Namespaces implements Network {
  readonly kind = "namespaces";
  readonly #sites: readonly string[];
  readonly #stem = `mtl-${process.pid}-${randomBytes(3).toString("hex")}`;
  readonly #forget: () => void;

  constructor(sites: readonly string[]) {
    this.#sites = sites;
    this.#forget = atExit(() => {
      for (const name of this.#names()) spawnSync("ip", ["netns", "del", name]);
    });
  }

  async make(): Promise<void> {
    const hub = this.#nameOf("hub");
    for (const name of this.#names()) {
      await ip("netns", "add", name);
      await ip("-n", name, "link", "set", "lo", "up");
    }
    for (const [one, other] of pairsOf(this.#sites)) {
      const line = lineOf(one, other);
      await ip("-n", hub, "link", "add", line, "type", "bridge");
      for (const [site, far] of [
        [one, other],
        [other, one],
      ] as const) {
        const port = `${site}-${far}`;
        const ends = ["name", port, "type", "veth", "peer", "name", `to-${far}`, "netns", this.#nameOf(site)];
        await ip("-n", hub, "link", "add", ...ends);
        await ip("-n", hub, "link", "set", port, "master", line, "up");
        await ip("-n", this.#nameOf(site), "addr", "add", `${this.#hostOf(site, far)}/24`, "dev", `to-${far}`);
        await ip("-n", this.#nameOf(site), "link", "set", `to-${far}`, "up");
      }
      await ip("-n", hub, "link", "set", line, "up");
    }
  }

  commandAt(site: string): readonly string[] {
    return ["ip", "netns", "exec", this.#nameOf(site)];
  }

  listenAt(): string {
    return `0.0.0.0:${PORT}`;
  }

  addressOf(from: string, to: string): string {
    return `${this.#hostOf(to, from)}:${PORT}`;
  }

  cut(one: string, other: string): Promise<void> {
    return ip("-n", this.#nameOf("hub"), "link", "set", lineOf(one, other), "down");
  }

  heal(one: string, other: string): Promise<void> {
    return ip("-n", this.#nameOf("hub"), "link", "set", lineOf(one, other), "up");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of this.#names()) await ip("netns", "del", name).catch(() => undefined);
    this.#forget();
  }

  #names(): readonly string[] {
    return ["hub", ...this.#sites].map((site) => this.#nameOf(site));
  }

  #nameOf(site: string): string {
    return `${this.#stem}-${site}`;
  }

  /** Of a site, on its line to another one: 10.77.LINE.1 for the first of the two by name. */
  #hostOf(site: string, far: string): string {
    const line = pairsOf(this.#sites).findIndex(([one, other]) => lineOf(one, other) === lineOf(site, far));
    return `10.77.${line}.${site < far ? 1 : 2}`;
  }
}

/** The name of the bridge between two sites; at most 15 characters. */
function lineOf(one: string, other: string): string {
  return `line-${[one, other].sort().join("-")}`;
}

async function removeLeftovers(): Promise<void> {
  const listed = await promisify(execFile)("ip", ["netns", "list"]).catch(() => ({ stdout: "" }));
  for (const line of listed.stdout.split("\n")) {
    const name = line.split(" ")[0] ?? "";
    const [, pid] = PREFIX.exec(name) ?? [];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    const inside = await promisify(execFile)("ip", ["netns", "pids", name]).catch(() => ({ stdout: "" }));
    for (const each of inside.stdout.split("\n")) if (each !== "") killIfThere(Number(each));
    await ip("netns", "del", name).catch(() => undefined); // another test process may be faster.
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // ESRCH: it has ended by itself.
  }
}

async function ip(...args: readonly string[]): Promise<void> {
  await promisify(execFile)("ip", [...args], { timeout: IP_MS_MAX });
}
