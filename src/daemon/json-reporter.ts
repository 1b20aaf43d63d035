/** For machines: one JSON object a line on stdout, told apart by `event`; the fields are those of reporter.ts. */
import type { Reporter } from "./reporter.js";

export function openJsonReporter(write: (line: string) => void): Reporter {
  const emit = (event: string, fields: object) => write(`${JSON.stringify({ event, ...fields })}\n`);
  return {
    plan: (words) => emit("plan", { words }),
    progress: (progress) => emit("progress", progress),
    live: (state) => emit("live", state),
    shipped: (report) => emit("shipped", report),
    conflict: (report) => emit("conflict", report),
    problem: (report) => emit("problem", report),
    summary: (summary) => emit("summary", summary),
    error: ({ code, message, hint, exitCode }) => emit("error", { code, message, hint, exitCode }),
    close: () => undefined,
  };
}
