/** Trims the log of a store to its limits: asks the database, decides (trim.ts), and has it done. */
import type { StateReader, StateWriter } from "./state-ports.js";
import { planTrim, type TrimLimits, type TrimPlan } from "./trim.js";

export interface LogKeeping {
  readonly limits: TrimLimits;
  /** As `TrimReplica.heldLsn`, by replica. */
  readonly heldLsnByReplica?: ReadonlyMap<string, number>;
  readonly nowMs: number;
}

/**
 * Every replica that has a row is waited for, so who is configured has to have one (`addReplica`), and who is not none
 * (`forgetReplica`). Call it again when it has resolved, not before. Returns what was decided: `needsResync` are those that were
 * marked by this call, and whose replay agents have to end.
 */
export async function keepLogWithin(
  { reader, writer }: { readonly reader: StateReader; readonly writer: StateWriter },
  { limits, heldLsnByReplica, nowMs }: LogKeeping,
): Promise<TrimPlan> {
  const replicas = reader.replicas().map((row) => ({ ...row, heldLsn: heldLsnByReplica?.get(row.replica) }));
  const plan = planTrim({ log: reader, replicas, limits, nowMs });
  const isIdle = plan.needsResync.length === 0 && plan.upTo < reader.firstLsn();
  if (!isIdle) await writer.trim({ ...plan, nowMs });
  return plan;
}
