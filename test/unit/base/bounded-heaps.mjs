/**
 * Run by bounded-heaps.test.ts in a process of its own, since V8's flags are those of a whole process: says how large the main thread's room
 * for new objects became, in MB, after a thread was started. With "bounded" as the argument it asks
 * for the bounds first, with "before" it has asked for them and let them go.
 */
import { getHeapSpaceStatistics } from "node:v8";
import { boundHeaps } from "../../../node_modules/.cache/mailtwin/js/base/bounded-heaps.js";
import { startWorker } from "../../../node_modules/.cache/mailtwin/js/base/worker-rpc.js";

const bounds = process.argv[2] === undefined ? undefined : boundHeaps();
if (process.argv[2] === "before") bounds[Symbol.dispose]();
const worker = startWorker({ url: new URL("echo-worker.mjs", import.meta.url), name: "echo" });
await worker.call("add", { a: 1, b: 2 });
let kept = [];
for (let i = 0; i < 2e7; i++) {
  kept.push({ i });
  if (kept.length > 20_000) kept = [];
}
const { space_size } = getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space");
process.stdout.write(`${space_size / 2 ** 20}\n`);
await worker[Symbol.asyncDispose]();
