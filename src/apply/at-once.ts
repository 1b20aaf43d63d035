/**
 * A transaction that lacks nothing, from its bytes to the record of its effect, in one call: live mail comes one by one, and a
 * delivery that is prepared, noted as an intent, executed and recorded by calls of their own costs three threads ten wake-ups.
 *
 * INVARIANT: the order is that of those calls: durable bodies, the intent, mail, the effect with the cursor.
 */
import { AssertionError } from "node:assert";
import type { CrashPoint } from "../base/crash-points.js";
import type { EffectWrites } from "../log/own-writes.js";
import { NO_EFFECT } from "../log/state-types.js";
import type { ApplyMethods, AtOnceOutcome, AtOnceRequest } from "./apply-types.js";

type Store = Pick<ApplyMethods, "prepare" | "execute" | "forget" | "drop">;

export interface AtOncePorts {
  readonly store: Store;
  readonly writes: EffectWrites;
  readonly reach: CrashPoint;
}

/** Throws what `prepare` and `execute` throw, and what keeps the state database from being written. */
export function applyAtOnce({ store, writes, reach }: AtOncePorts, request: AtOnceRequest): AtOnceOutcome {
  const prepared = store.prepare(request);
  if (prepared.kind !== "ready" || prepared.wants.length > 0 || prepared.cut !== undefined)
    return { kind: "prepared", prepared };
  reach("apply.staged");
  const intent = writes.putIntent(prepared.intent);
  reach("apply.intent");
  const { key, mailbox, cursor } = request;
  const outcome = orAbandoned(
    () => store.execute({ key }),
    () => {
      if (store.drop({ key })) writes.recordEffect({ ...NO_EFFECT, intent });
    },
  );
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

/** Nobody else knows the intent's number. What keeps it from going is no news beside what failed: it goes with the mailbox's next effect. */
function orAbandoned<T>(run: () => T, abandon: () => void): T {
  try {
    return run();
  } catch (error) {
    try {
      abandon();
    } catch (second) {
      if (second instanceof AssertionError) throw second;
    }
    throw error;
  }
}
