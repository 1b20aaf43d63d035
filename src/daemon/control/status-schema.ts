/**
 * The form of what a daemon answers. Whoever sits at a socket, a daemon of another release too, is not believed to speak as this one
 * does: what is not of this form is `control-invalid`. Further fields are passed on.
 */
import * as z from "zod";
import { REPLICA_STATES } from "../run/replica-state.js";
import type { Explanation } from "./explain.js";
import type { DaemonStatus } from "./status.js";

const text = z.string();
const count = z.number().nonnegative();
const time = z.number();

const trouble = z.looseObject({
  ...{ code: text, words: text, hint: text, sinceMs: time },
  level: z.enum(["healing", "needs-you"]),
});

const foreign = z.looseObject({
  ...{ messages: count, mailboxes: count },
  named: z.array(z.looseObject({ mailbox: text, messages: count, comparedMs: time })),
});

const problem = z.looseObject({ ...trouble.shape, mailbox: text });

const compared = z.looseObject({ done: count, all: count });
const comparison = z.looseObject({ mailboxes: compared, messages: compared });

const limited = z.looseObject({ mailboxes: count, all: count, why: text, named: z.array(text) });

const scrub = z.looseObject({
  ...{ isInRound: z.boolean(), done: count, all: count, read: count, repaired: count, unresolved: count },
  ...{ startedMs: time.optional(), endedMs: time.optional() },
  named: z.array(
    z.looseObject({
      ...{ mailbox: text, uid: count, bad: z.enum(["source", "replica", "both", "unknown"]) },
      ...{ words: text, sinceMs: time },
    }),
  ),
});

const breaches = z.looseObject({ count, lastCode: text, lastMs: time });

const replica = z.looseObject({
  ...{ name: text, address: text, mode: z.enum(["live", "on-demand"]), state: z.enum(REPLICA_STATES) },
  ...{
    cursor: count.optional(),
    lagTransactions: count.optional(),
    lagMs: count.optional(),
    etaMs: count.optional(),
    lastSuccessMs: time.optional(),
    nextTryMs: time.optional(),
  },
  ...{
    rejects: count.optional(),
    bytesSent: count,
    transactionsSent: count,
    needsResync: z.boolean(),
    comparison: comparison.optional(),
    asked: compared.optional(),
    foreign: foreign.optional(),
    ...{ limited: limited.optional(), scrub: scrub.optional(), breaches: breaches.optional() },
    troubles: z.array(trouble),
  },
});

const store = z.discriminatedUnion("role", [
  z.looseObject({
    role: z.literal("source"),
    ...{ name: text, path: text, mailboxes: count.optional(), messages: count.optional() },
    log: z.looseObject({ firstLsn: count, lastLsn: count, bytes: count }).optional(),
    watch: z
      .looseObject({ structure: z.enum(["watching", "sweeping"]), why: z.string().optional(), hotMailboxes: count })
      .optional(),
    sweeps: z.looseObject({ count, caught: count, lastMs: time.optional() }).optional(),
    problems: z.array(problem),
    ...{ replicas: z.array(replica), troubles: z.array(trouble) },
  }),
  z.looseObject({
    role: z.literal("replica"),
    ...{ name: text, path: text, mailboxes: count.optional(), messages: count.optional() },
    ...{
      peer: text,
      isConnected: z.boolean(),
      lastLinkMs: time.optional(),
      lastChangeMs: time.optional(),
      lastTryMs: time.optional(),
      nextTryMs: time.optional(),
      refused: z.looseObject({ mailboxes: count, sinceMs: time, named: z.array(problem) }).optional(),
      breaches: breaches.optional(),
      troubles: z.array(trouble),
    },
  }),
]);

export const statusSchema = z.looseObject({
  ...{ software: text, pid: count, startedMs: time, nowMs: time },
  ...{ stores: z.array(store), troubles: z.array(trouble).optional() },
}) satisfies z.ZodType<DaemonStatus>;

const acknowledgement = z.looseObject({
  ...{ name: text, cursor: count },
  state: z.enum(["acknowledged", "refused", "partly", "not-yet", "to-compare", "no-right", "unknown"]),
  why: text.optional(),
  refused: z.looseObject({ lsn: z.int(), code: text, message: text }).optional(),
});

export const explanationSchema = z.looseObject({
  ...{ store: text, mailbox: text, guid: text, uidValidity: count, uidNext: count, uid: count },
  message: z.discriminatedUnion("kind", [
    z.looseObject({
      kind: z.literal("there"),
      ...{ baseName: text, sizeBytes: count, internalDateMs: time, marks: text },
    }),
    z.looseObject({ kind: z.literal("gone") }),
    z.looseObject({ kind: z.literal("not-yet") }),
  ]),
  transactions: z.array(z.looseObject({ lsn: count, capturedMs: time, words: text, origin: text.optional() })),
  log: z.looseObject({ firstLsn: count, lastLsn: count, searchedFromLsn: count }),
  replicas: z.array(acknowledgement),
}) satisfies z.ZodType<Explanation>;

/** An error as it crosses the socket. */
export const errorSchema = z.object({
  ...{ code: text, message: text, hint: text },
  disposition: z.enum(["retry", "resync", "operator", "bug"]),
  exitCode: z.int().min(1).max(255),
  detail: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
});
