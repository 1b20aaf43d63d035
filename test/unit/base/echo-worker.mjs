/** The worker of worker-rpc.test.ts. Plain JavaScript, since Node itself starts it; it runs the compiled program. */
import assert from "node:assert";
import { workerData } from "node:worker_threads";
import { baseError } from "../../../node_modules/.cache/mailtwin/js/base/base-errors.js";
import { serveWorker, Transferred } from "../../../node_modules/.cache/mailtwin/js/base/worker-host.js";

const seen = [];

serveWorker({
  add: ({ a, b }) => a + b,
  started: () => workerData,
  note: (value) => {
    seen.push(value);
  },
  noteLater: async (value) => {
    await new Promise(setImmediate);
    seen.push(value);
    return value;
  },
  noted: () => seen,
  fill: (size) => {
    const bytes = new Uint8Array(size).fill(7);
    return new Transferred(bytes, [bytes.buffer]);
  },
  sum: (bytes) => bytes.reduce((total, byte) => total + byte, 0),
  fail: () => {
    throw baseError("file-changed", { message: "appending: changed", detail: { sizeBytes: 3 } });
  },
  failLater: async () => {
    throw Object.assign(new Error("writing: ENOSPC: no space left on device"), { code: "ENOSPC" });
  },
  failAssertion: () => assert.fail("the impossible happened"),
  failAssertionLater: async () => assert.fail("the impossible happened"),
  exit: () => process.exit(3),
  neverEnd: () => new Promise(() => {}),
  returnFunction: () => () => {},
  fillMemory: () => {
    const all = [];
    for (;;) all.push(new Array(10_000).fill({ at: all.length }));
  },
});
