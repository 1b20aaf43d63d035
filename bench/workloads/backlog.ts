/**
 * How far a replica is behind, at moments: asked of a process of its own (backlog-child.ts).
 */
import { fork } from "node:child_process";
import { askChild, endChild } from "../measure/ask-child.js";
import { monotonicMs, pause } from "../measure/clock.js";
import type { BacklogReply, BacklogRequest } from "./backlog-child.js";

export interface BacklogSample {
  /** Monotonic. */
  readonly atMs: number;
  readonly behind: number;
}

export interface Backlog extends AsyncDisposable {
  /** One look. Costs some 2 us a name of each side. One call at a time. */
  readonly sample: (sourceRests: boolean) => Promise<BacklogSample>;
  /** Samples until nothing is behind or the time is up. The source is at rest. */
  readonly untilNone: (msMax: number) => Promise<readonly BacklogSample[]>;
}

const DRAIN_POLL_MS = 200;

/** Of one mailbox and its replica. */
export async function watchBacklog(paths: { readonly source: string; readonly target: string }): Promise<Backlog> {
  const child = fork(new URL("./backlog-child.js", import.meta.url));
  await askChild<BacklogRequest, BacklogReply>(child, paths);
  const sample = async (sourceRests: boolean): Promise<BacklogSample> => {
    const reply = await askChild<BacklogRequest, BacklogReply>(child, { sourceRests });
    if (reply === "ready") throw new Error("the backlog's process answered something else");
    return { behind: reply[0], atMs: reply[1] };
  };
  const untilNone = async (msMax: number): Promise<readonly BacklogSample[]> => {
    const deadlineMs = monotonicMs() + msMax;
    const samples = [await sample(false)]; // forgets what it knew of the source.
    for (;;) {
      const latest = samples.at(-1);
      if (latest === undefined || latest.behind === 0 || latest.atMs > deadlineMs) return samples;
      await pause(DRAIN_POLL_MS);
      samples.push(await sample(true));
    }
  };
  return { sample, untilNone, [Symbol.asyncDispose]: () => endChild(child) };
}
