/** A page of a mailbox as the log has it. */
import type { MailboxBaseline } from "../log/baseline.js";
import { stateOfRecord } from "../log/baseline-chunk.js";
import { chunkOf } from "../txn/chunks.js";
import type { MessageState } from "../txn/message-state.js";
import type { StatesPage } from "./capture-types.js";

/** Messages with UIDs above `afterUid`, ascending, `max` of them at the most; `nextAfterUid` where there are more. */
export function statesAfter(baseline: MailboxBaseline, afterUid: number, max: number): StatesPage {
  const states: MessageState[] = [];
  const first = chunkOf(afterUid + 1);
  for (const { chunk } of baseline.looks()) {
    if (chunk < first) continue;
    for (const record of baseline.records(chunk)) {
      if (record.uid <= afterUid) continue;
      const last = states.at(-1);
      if (states.length === max && last !== undefined) return { states, nextAfterUid: last.uid };
      states.push(stateOfRecord(record));
    }
  }
  return { states };
}
