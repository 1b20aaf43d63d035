/**
 * When did each message become visible in a replica's mailboxes? Asked of a child process that watches `cur/` and `new/`.
 */
import { fork } from "node:child_process";
import { askChild, endChild } from "../measure/ask-child.js";
import { monotonicMs, pause } from "../measure/clock.js";
import type { ArrivalReply, ArrivalRequest } from "./arrival-child.js";

export interface Arrivals extends AsyncDisposable {
  /** Monotonic milliseconds by base name, of everything seen so far. */
  readonly atMsByBase: () => Promise<ReadonlyMap<string, number>>;
  /** Waits until all these have appeared or the time is up; returns all that appeared. */
  readonly waitFor: (bases: readonly string[], timeoutMs: number) => Promise<ReadonlyMap<string, number>>;
}

const ASK_EVERY_MS = 100;

/** Watches from the moment it returns. The mailboxes must exist. */
export async function watchArrivals(mailboxes: readonly string[]): Promise<Arrivals> {
  const child = fork(new URL("./arrival-child.js", import.meta.url));
  await askChild<ArrivalRequest, ArrivalReply>(child, {
    watch: mailboxes.flatMap((mailbox) => [`${mailbox}/new`, `${mailbox}/cur`]),
  });
  const seen = new Map<string, number>();
  const atMsByBase = async (): Promise<ReadonlyMap<string, number>> => {
    const reply = await askChild<ArrivalRequest, ArrivalReply>(child, { report: true });
    if (reply !== "watching") for (const [base, atMs] of reply) seen.set(base, atMs);
    return seen;
  };
  const waitFor = async (bases: readonly string[], timeoutMs: number): Promise<ReadonlyMap<string, number>> => {
    const deadlineMs = monotonicMs() + timeoutMs;
    for (;;) {
      await atMsByBase();
      if (bases.every((base) => seen.has(base)) || monotonicMs() > deadlineMs) return seen;
      await pause(ASK_EVERY_MS);
    }
  };
  return { atMsByBase, waitFor, [Symbol.asyncDispose]: () => endChild(child) };
}
