/**
 * The inside of a worker thread: runs the methods that the other side calls (worker-rpc.ts).
 *
 * INVARIANT: calls start in the order in which they were made; a method that returns no promise has ended before the
 * next one starts. A failed assertion is not an answer: it ends the worker, and with it every call that waits.
 */
import { AssertionError } from "node:assert";
import { parentPort, type Transferable } from "node:worker_threads";
import { assert } from "./assert.js";
import { recordOfError } from "./errors.js";
import { type CallMessage, LOADED_ID, type MethodsOf, type ReplyMessage } from "./worker-protocol.js";

/** A result whose buffers move to the other side instead of being copied. */
export class Transferred<T> {
  readonly value: T;
  readonly transfer: readonly Transferable[];

  constructor(value: T, transfer: readonly Transferable[]) {
    this.value = value;
    this.transfer = transfer;
  }
}

/** Serves the methods until the other side ends the worker. Call it once, from a worker thread. */
export function serveWorker<M extends MethodsOf<M>>(methods: M): void {
  assert(parentPort !== null, "serveWorker runs in a worker thread");
  const port = parentPort;
  const byName = new Map<string, (args: unknown) => unknown>(Object.entries(methods));
  const reply = (message: ReplyMessage, transfer: readonly Transferable[]): void => {
    port.postMessage(message, [...transfer]);
  };
  port.on("message", ({ id, method, args }: CallMessage) => {
    const run = byName.get(method);
    assert(run !== undefined, `no such method: ${method}`);
    const succeed = (result: unknown): void => {
      if (result instanceof Transferred) reply({ id, value: result.value }, result.transfer);
      else reply({ id, value: result }, []);
    };
    const fail = (error: unknown): void => {
      if (error instanceof AssertionError) throw error;
      reply({ id, error: recordOfError(error) }, []);
    };
    answer(() => run(args), succeed, fail);
  });
  reply({ id: LOADED_ID, value: undefined }, []);
}

/** What `fail` throws (and a result that cannot be cloned) is uncaught on purpose: it ends the worker. */
function answer(run: () => unknown, succeed: (result: unknown) => void, fail: (error: unknown) => void): void {
  let result: unknown;
  try {
    result = run();
  } catch (error) {
    fail(error);
    return;
  }
  if (result instanceof Promise) void result.then(succeed, fail);
  else succeed(result);
}
