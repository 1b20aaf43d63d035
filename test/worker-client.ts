/**
 * A `WorkerClient` that calls plain functions on this thread: arguments and results are cloned and buffers moved as a real
 * thread would have it, and calls run one after the other.
 */
import type { Transferable } from "node:worker_threads";
import { MailtwinError, recordOfError, reviveError } from "../src/base/errors.js";
import { Transferred } from "../src/base/worker-host.js";
import type { WorkerClient } from "../src/base/worker-rpc.js";

export interface Call {
  readonly method: string;
  readonly args: unknown;
}

export interface InlineWorker<M> extends WorkerClient<M> {
  /** In the order in which they were made. */
  readonly calls: Call[];
}

export function inlineWorker<M extends object>(methods: M): InlineWorker<M> {
  const calls: Call[] = [];
  let last: Promise<unknown> = Promise.resolve();
  const call = (method: string, args?: unknown, transfer: readonly Transferable[] = []): Promise<unknown> => {
    const moved: unknown = structuredClone(args, { transfer: [...transfer] as never[] });
    calls.push({ method, args: moved });
    const run = async (): Promise<unknown> => {
      try {
        const target = (methods as Record<string, (args: unknown) => unknown>)[method];
        if (target === undefined) throw new TypeError(`no such method: ${method}`);
        const result = await target.call(methods, moved);
        return result instanceof Transferred
          ? structuredClone(result.value, { transfer: [...result.transfer] as never[] })
          : structuredClone(result);
      } catch (error) {
        throw error instanceof MailtwinError ? reviveError(recordOfError(error)) : error;
      }
    };
    const result = last.then(run);
    last = result.catch(() => undefined);
    return result;
  };
  const client = { calls, call, ended: new Promise<undefined>(() => undefined), [Symbol.asyncDispose]: async () => {} };
  return client as unknown as InlineWorker<M>;
}

/** The methods of an object's class as plain functions, so that others can stand beside them. */
export function methodsOf<T extends object>(object: T): T {
  const names = Object.getOwnPropertyNames(Object.getPrototypeOf(object)).filter((name) => name !== "constructor");
  const methods = names.flatMap((name) => {
    const method: unknown = (object as Record<string, unknown>)[name];
    return typeof method === "function" ? [[name, method.bind(object) as unknown] as const] : [];
  });
  return Object.fromEntries(methods) as T;
}
