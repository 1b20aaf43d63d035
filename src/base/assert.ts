/**
 * Assertions for programmer errors. Nothing below the supervisor catches `AssertionError`: the process exits.
 */
import { AssertionError } from "node:assert";

/** Throws `AssertionError` unless `condition` holds. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError({ message });
}

/** Marks a switch as exhaustive: a new variant does not compile until it is handled. */
export function unreachable(value: never): never {
  throw new AssertionError({ message: `unreachable: ${JSON.stringify(value)}` });
}
