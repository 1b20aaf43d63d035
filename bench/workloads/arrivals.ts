/**
 * When did each message become visible in a replica's mailboxes? Asked of a child process that watches `cur/` and `new/`.
 */
import { type ChildProcess, fork } from "node:child_process";
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
  await ask(child, { watch: mailboxes.flatMap((mailbox) => [`${mailbox}/new`, `${mailbox}/cur`]) });
  const seen = new Map<string, number>();
  const atMsByBase = async (): Promise<ReadonlyMap<string, number>> => {
    const reply = await ask(child, { report: true });
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
  const dispose = async (): Promise<void> => {
    const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    if (child.exitCode !== null || !child.connected) return;
    child.disconnect();
    await exited;
  };
  return { atMsByBase, waitFor, [Symbol.asyncDispose]: dispose };
}

/** One question at a time. Rejects when the child dies. */
async function ask(child: ChildProcess, request: ArrivalRequest): Promise<ArrivalReply> {
  return await new Promise((resolve, reject) => {
    const onMessage = (reply: unknown): void => {
      child.off("exit", onExit);
      resolve(reply as ArrivalReply);
    };
    const onExit = (code: number | null): void => {
      child.off("message", onMessage);
      reject(new Error(`the watcher of arrivals ended with ${code ?? "a signal"}`));
    };
    child.once("message", onMessage);
    child.once("exit", onExit);
    child.send(request);
  });
}
