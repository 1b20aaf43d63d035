/**
 * A transaction that lacks nothing, from its bytes to the record of its effect, in one call: live mail comes one by one, and a
 * delivery that is prepared, noted as an intent, executed and recorded by calls of their own costs three threads ten wake-ups.
 *
 * INVARIANT: the order is that of those calls: durable bodies, the intent, mail, the effect with the cursor.
 */
import type { CrashPoint } from "../base/crash-points.js";
import type { EffectWrites } from "../log/own-writes.js";
import type { ApplyMethods, AtOnceOutcome, AtOnceRequest } from "./apply-types.js";

type Store = Pick<ApplyMethods, "prepare" | "execute" | "forget">;

export interface AtOncePorts {
  readonly store: Store;
  readonly writes: EffectWrites;
  readonly reach: CrashPoint;
}

/** Throws what `prepare` and `execute` throw, and what keeps the state database from being written. */
export function applyAtOnce({ store, writes, reach }: AtOncePorts, request: AtOnceRequest): AtOnceOutcome {
  const prepared = store.prepare(request);
  if (prepared.kind !== "ready" || prepared.wants.length > 0) return { kind: "prepared", prepared };
  reach("apply.staged");
  const intent = writes.putIntent(prepared.intent);
  reach("apply.intent");
  const { key, mailbox, cursor } = request;
  const outcome = store.execute({ key });
  if (outcome.kind !== "applied") return { kind: "tried", intent, outcome };
  try {
    writes.recordEffect({ ...outcome.effect, intent, ...(cursor === undefined ? {} : { cursor }) });
  } catch (error) {
    // What is not recorded must not be believed in.
    for (const guid of new Set([mailbox, ...outcome.effect.mailboxes.map((row) => row.guid)]))
      store.forget({ mailbox: guid });
    throw error;
  }
  reach("apply.effect-recorded");
  return { kind: "applied", notes: outcome.notes };
}
