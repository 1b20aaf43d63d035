/**
 * A forked process that answers: one question, one reply, one at a time. The measuring processes of live workloads are
 * such children, so that what they note does not wait for the event loop of the process that delivers.
 */
import type { ChildProcess } from "node:child_process";

/** Sends `request` and returns the next message. Rejects when the child ends before it answers. */
export async function askChild<Request extends object, Reply>(child: ChildProcess, request: Request): Promise<Reply> {
  return await new Promise((resolve, reject) => {
    const onMessage = (reply: unknown): void => {
      child.off("exit", onExit);
      resolve(reply as Reply);
    };
    const onExit = (code: number | null): void => {
      child.off("message", onMessage);
      reject(new Error(`${child.spawnargs.at(-1) ?? "a child"}: ended with ${code ?? "a signal"}`));
    };
    child.once("message", onMessage);
    child.once("exit", onExit);
    child.send(request);
  });
}

/** Disconnects and waits for the child's end; it ends by itself when it is disconnected. */
export async function endChild(child: ChildProcess): Promise<void> {
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  if (child.exitCode !== null || !child.connected) return;
  child.disconnect();
  await exited;
}
