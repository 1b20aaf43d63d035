/**
 * Log lines for a service: one JSON object a line on stderr, beside whatever is shown to a person. Constant messages, the
 * case in fields; never the content, addresses or flags of mail.
 *
 * Levels by policy: error = a person must act, warn = degraded and retried, info = life cycle, debug = each transaction.
 */
import { pino } from "pino";
import type { Reporter } from "./reporter.js";

export const LOG_LEVELS = ["error", "warn", "info", "debug"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Reports to `inner` and to the log, which `write` gets line by line. */
export function logBeside(inner: Reporter, level: LogLevel, write: (line: string) => void): Reporter {
  const log = pino({ name: "mailtwin", level }, { write });
  return {
    plan: (words) => inner.plan(words),
    planned: (plan) => inner.planned(plan),
    warning(words) {
      log.warn({ words }, "warning");
      inner.warning(words);
    },
    progress: (progress) => inner.progress(progress),
    live(state) {
      log.info(state, "live");
      inner.live(state);
    },
    shipped(report) {
      const { lsn, mailbox, structure, saves, marks, expunges, rebinds, lagMs } = report;
      const notes = report.notes.reduce((sum, { count }) => sum + count, 0);
      log.debug({ lsn, mailbox, structure, saves, marks, expunges, rebinds, lagMs, notes }, "transaction shipped");
      inner.shipped(report);
    },
    renumbered(report) {
      log.warn(report, "mailbox renumbered");
      inner.renumbered(report);
    },
    conflict(report) {
      log.warn(report, "conflict resolved");
      inner.conflict(report);
    },
    nextUidRaised(report) {
      log.info(report, "next-uid-raised");
      inner.nextUidRaised(report);
    },
    problem(report) {
      log.error(report, "mailbox needs attention");
      inner.problem(report);
    },
    summary(summary) {
      log.info(summary, "run ended");
      inner.summary(summary);
    },
    error(error) {
      const { code, message, hint, detail } = error;
      log.error({ code, message, hint, detail }, "run failed");
      inner.error(error);
    },
    close: () => inner.close(),
  };
}
