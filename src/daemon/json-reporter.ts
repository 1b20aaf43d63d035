/** For machines: one JSON object a line on stdout, told apart by `event`; the fields are those of reporter.ts. */
import type { Reporter } from "./reporter.js";

const PROGRESS_EVERY_MS = 1_000;

export function openJsonReporter(write: (line: string) => void): Reporter {
  const emit = (event: string, fields: object) => write(`${JSON.stringify({ event, ...fields })}\n`);
  let progressMs = Number.NEGATIVE_INFINITY;
  return {
    plan: (words) => emit("plan", { words }),
    planned: (plan) => emit("resync-plan", plan),
    warning: (words) => emit("warning", { words }),
    progress(progress) {
      if (progress.elapsedMs - progressMs < PROGRESS_EVERY_MS) return;
      progressMs = progress.elapsedMs;
      emit("progress", { ...progress, elapsedMs: Math.round(progress.elapsedMs) });
    },
    live: (state) => emit("live", state),
    shipped: (report) => emit("shipped", report),
    renumbered: (report) => emit("mailbox-renumbered", report),
    conflict: (report) => emit("conflict", report),
    nextUidRaised: (report) => emit("next-uid-raised", report),
    problem: (report) => emit("problem", report),
    summary: (summary) => emit("summary", { ...summary, elapsedMs: Math.round(summary.elapsedMs) }),
    error: ({ code, message, hint, exitCode }) => emit("error", { code, message, hint, exitCode }),
    close: () => undefined,
  };
}
