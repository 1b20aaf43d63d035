/**
 * What crosses between a thread and its worker, and the types that make both ends agree.
 *
 * One message a call and one a reply, in plain objects. Both ends are the same program, so nothing is validated.
 */
import type { ErrorRecord } from "./errors.js";

/** The methods of a worker: each takes at most one argument, a value that can be cloned. */
export type MethodsOf<M> = { readonly [Name in keyof M]: (args: never) => unknown };

export interface CallMessage {
  readonly id: number;
  readonly method: string;
  readonly args: unknown;
}

export type ReplyMessage =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: ErrorRecord };

/** A reply to no call: the worker has loaded its code. Calls have numbers from 1. */
export const LOADED_ID = 0;
