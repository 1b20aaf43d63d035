/**
 * The outside of a worker thread: starts it and calls its methods (worker-host.ts is the inside).
 *
 * INVARIANT: every call settles. It gets its reply, or the error that ended the worker, or the abort reason.
 * Errors arrive as `MailtwinError`s with the code and disposition they had. The worker's URL is written in the form
 * `new URL("../room/x-worker.js", import.meta.url)`, which is right from a bundle too, and which tests know how to redirect.
 */
import { type ResourceLimits, type Transferable, Worker } from "node:worker_threads";
import { baseError } from "./base-errors.js";
import { renewBounds } from "./bounded-heaps.js";
import { errnoOf, type MailtwinError, recordOfError, reviveError } from "./errors.js";
import { isFilesErrno } from "./open-files.js";
import type { Transferred } from "./worker-host.js";
import { type CallMessage, LOADED_ID, type MethodsOf, type ReplyMessage } from "./worker-protocol.js";

export interface WorkerOptions {
  readonly url: URL;
  /** For messages and for the thread list of the system. */
  readonly name: string;
  /** Cloned; the worker finds it as `workerData` of node:worker_threads. */
  readonly workerData?: unknown;
  readonly resourceLimits?: ResourceLimits;
  /** An abort ends the worker at once, in the middle of whatever it does; calls reject with the reason. */
  readonly signal?: AbortSignal;
}

type Result<F> = F extends (args: never) => infer R
  ? Awaited<R> extends Transferred<infer T>
    ? T
    : Awaited<R>
  : never;

/** The argument, if the method has one, then the buffers to be moved instead of copied. */
type CallArgs<F> = F extends () => unknown
  ? [args?: undefined, transfer?: readonly Transferable[]]
  : F extends (args: infer A) => unknown
    ? [args: A, transfer?: readonly Transferable[]]
    : never;

export interface WorkerClient<M> extends AsyncDisposable {
  /**
   * Resolves to what the method returned, cloned (a `Buffer` arrives as a plain `Uint8Array`). Rejects with what it
   * threw, or with worker-died, worker-closed or the abort reason.
   */
  call<Name extends keyof M & string>(method: Name, ...args: CallArgs<M[Name]>): Promise<Result<M[Name]>>;
  /** Resolves when the worker has ended: to the reason if it ended by itself, also when no call was waiting. */
  readonly ended: Promise<MailtwinError | undefined>;
  /** Lets the calls that were made end, then ends the worker. Further calls reject with worker-closed. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts a worker. Returns at once; a worker that cannot start shows in the first call and in `ended`. */
export function startWorker<M extends MethodsOf<M>>(options: WorkerOptions): WorkerClient<M> {
  options.signal?.throwIfAborted();
  return new Client<M>(options);
}

/**
 * Room for new objects, in MB. V8's own choice lets each thread grow by 16 MB or more before it looks for garbage; little
 * of ours lives long, and there are half a dozen threads.
 */
const SMALL_HEAP = { maxYoungGenerationSizeMb: 6 } as const;

interface PendingCall {
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: unknown) => void;
}

class Client<M> implements WorkerClient<M> {
  readonly ended: Promise<MailtwinError | undefined>;
  readonly #name: string;
  readonly #worker: Worker;
  readonly #pendingById = new Map<number, PendingCall>();
  #lastId = 0;
  /** Why no further call is accepted. */
  #refusal: { readonly reason: unknown } | undefined;
  #death: MailtwinError | undefined;
  #disposed: Promise<void> | undefined;
  #onIdle: (() => void) | undefined;
  #hasLoaded: () => void = () => undefined;
  readonly #loaded = new Promise<void>((resolve) => {
    this.#hasLoaded = resolve;
  });

  constructor({ url, name, workerData, resourceLimits, signal }: WorkerOptions) {
    this.#name = name;
    this.#worker = new Worker(url, {
      name,
      workerData,
      execArgv: [],
      resourceLimits: { ...SMALL_HEAP, ...resourceLimits },
    });
    const onAbort = (): void => this.#abort(signal?.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#worker.once("online", renewBounds);
    this.#worker.on("message", (reply: ReplyMessage) => this.#receive(reply));
    this.#worker.on("messageerror", (error) => this.#die(error));
    this.#worker.on("error", (error) => this.#die(error));
    this.ended = new Promise((resolve) => {
      this.#worker.once("exit", (exitCode) => {
        signal?.removeEventListener("abort", onAbort);
        const isUnasked = this.#refusal === undefined || this.#pendingById.size > 0;
        if (isUnasked) this.#die(`it ended with exit code ${exitCode}`);
        resolve(this.#death);
      });
    });
  }

  call<Name extends keyof M & string>(method: Name, ...args: CallArgs<M[Name]>): Promise<Result<M[Name]>> {
    if (this.#refusal !== undefined) return Promise.reject(this.#refusal.reason);
    this.#lastId += 1;
    const id = this.#lastId;
    const message: CallMessage = { id, method, args: args[0] };
    const reply = new Promise<unknown>((resolve, reject) => this.#pendingById.set(id, { resolve, reject }));
    try {
      this.#worker.postMessage(message, args[1] ?? []);
    } catch (error) {
      this.#pendingById.delete(id); // the argument cannot be cloned: nothing was sent.
      return Promise.reject(error);
    }
    return reply as Promise<Result<M[Name]>>;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#close();
    return this.#disposed;
  }

  async #close(): Promise<void> {
    const message = `calling ${this.#name}: it has been shut down`;
    this.#refusal ??= { reason: baseError("worker-closed", { message }) };
    if (this.#pendingById.size > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    // A thread that is ended while it loads native code takes the process with it (SIGABRT).
    await Promise.race([this.#loaded, this.ended]);
    await this.#worker.terminate();
    await this.ended;
  }

  #receive(reply: ReplyMessage): void {
    if (reply.id === LOADED_ID) this.#hasLoaded();
    const call = this.#pendingById.get(reply.id);
    if (call === undefined) return; // it was rejected by an abort that crossed this reply.
    this.#pendingById.delete(reply.id);
    if ("error" in reply) call.reject(reviveError(reply.error));
    else call.resolve(reply.value);
    if (this.#pendingById.size === 0) this.#onIdle?.();
  }

  #abort(reason: unknown): void {
    this.#refusal = { reason };
    this.#rejectPending(reason);
    void this.#worker.terminate();
  }

  #die(cause: unknown): void {
    if (this.#death !== undefined) return;
    this.#death = deathOf(this.#name, cause);
    this.#refusal = { reason: this.#death };
    this.#rejectPending(this.#death);
    void this.#worker.terminate();
  }

  #rejectPending(reason: unknown): void {
    const calls = [...this.#pendingById.values()];
    this.#pendingById.clear();
    for (const call of calls) call.reject(reason);
    this.#onIdle?.();
  }
}

/** A thread that the system did not let run is no defect. Node tells the errno of one that it could not start in words only. */
function deathOf(name: string, cause: unknown): MailtwinError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const errno = errnoOf(cause) ?? /initialization failure: (E[A-Z]+)$/.exec(why)?.[1];
  if (isFilesErrno(errno)) {
    const message = `running the thread ${name}: ${errno}: too many open files`;
    return reviveError(recordOfError(Object.assign(new Error(message, { cause }), { code: errno })));
  }
  return baseError("worker-died", { message: `running ${name}: ${why}`, cause });
}
