/** Which messages the log knows in a range of UIDs, asked of the capture worker. */
import type { WorkerClient } from "../base/worker-rpc.js";
import type { MailboxGuid, Uid } from "../maildir/ids.js";
import type { CaptureMethods } from "./capture-types.js";

/** More are told by the next question: one conflict is about few, and what is renumbered now is not asked for again. */
const UIDS_MAX = 10_000;

/** UIDs in [from, below) that the baseline gives to messages, ascending; the first `UIDS_MAX` of them. */
export async function readUids(
  worker: WorkerClient<CaptureMethods>,
  { guid, from, below }: { readonly guid: MailboxGuid; readonly from: Uid; readonly below: number },
): Promise<readonly Uid[]> {
  const { states } = await worker.call("states", { guid, afterUid: from - 1, max: UIDS_MAX });
  return states.map((state) => state.uid).filter((uid) => uid < below);
}
