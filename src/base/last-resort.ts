/**
 * The one place that ends the process by force. Everything else ends by emptying the event loop; a handle that somebody
 * forgot must not keep a command hanging for ever.
 */

/** Exits with `process.exitCode` after so many milliseconds, if the process still lives then. Does not keep it alive. */
export function endProcessWithin(ms: number): void {
  setTimeout(() => process.exit(), ms).unref();
}
