/**
 * Whether the system gives out one more inotify instance (fs.inotify.max_user_instances), for a library that would wait for ever
 * where it does not.
 *
 * Node has one instance for each thread, made with the first watch and kept to the thread's end: hence a thread of its own, which
 * has ended, and given its instance back, before the answer is there.
 */
import { Worker } from "node:worker_threads";
import { renewBounds } from "./bounded-heaps.js";

/** `dir`: bytes-in-a-string. Throws why a watch of that directory is refused: EMFILE, ENOSPC, ENOENT, ... */
export async function probeInotify(dir: string): Promise<void> {
  const worker = new Worker(new URL("../base/inotify-probe-worker.js", import.meta.url), { workerData: dir });
  await new Promise<void>((resolve, reject) => {
    worker.once("online", renewBounds);
    worker.once("error", reject);
    worker.once("exit", () => resolve());
  });
}
