/**
 * The floor under every durable replicator's lag: how long one append and fdatasync takes on this disk at the same time, in
 * the same file system, asked by a process of its own.
 *
 * The probe is a load too: 20 syncs and 1.2 kB a second. That is a fifth of the syncs of mails delivered at 15 a second (a
 * mail alone makes about seven), more than that at lower rates, less at higher ones, and next to nothing in bytes.
 */
import { fork } from "node:child_process";
import { askChild, endChild } from "./ask-child.js";
import type { ProbeReply, ProbeRequest } from "./disk-floor-child.js";
import type { Stretch } from "./stalls.js";

export interface DiskProbe extends AsyncDisposable {
  /** The writes since the last call, a write that is under way included: returns when that one has ended. */
  readonly writes: () => Promise<readonly Stretch[]>;
}

/** Probes from the moment it returns. `path` is a file that is not there yet; it is removed at the end. */
export async function probeDisk(path: string): Promise<DiskProbe> {
  const child = fork(new URL("./disk-floor-child.js", import.meta.url));
  await askChild<ProbeRequest, ProbeReply>(child, { path });
  const writes = async (): Promise<readonly Stretch[]> => {
    const reply = await askChild<ProbeRequest, ProbeReply>(child, { report: true });
    return reply === "probing" ? [] : reply.map(([fromMs, toMs]) => ({ fromMs, toMs }));
  };
  return { writes, [Symbol.asyncDispose]: () => endChild(child) };
}
