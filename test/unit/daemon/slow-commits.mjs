/**
 * Loaded ahead of the program (`node --import`), into each of its threads: the thread that writes the state databases says what it has
 * committed 40 ms later than other threads can see it. So it is on a busy machine, or when a commit sets off a slow checkpoint.
 */
import { parentPort } from "node:worker_threads";

const nobodyWakes = new Int32Array(new SharedArrayBuffer(4));

if (parentPort !== null && process.argv[1]?.endsWith("state-writer-worker.js")) {
  const post = parentPort.postMessage.bind(parentPort);
  parentPort.postMessage = (...args) => {
    Atomics.wait(nobodyWakes, 0, 0, 40);
    post(...args);
  };
}
