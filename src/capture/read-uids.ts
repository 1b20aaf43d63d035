/** Which of some messages the log knows, asked of the capture worker. */
import type { WorkerClient } from "../base/worker-rpc.js";
import type { MailboxGuid, Uid } from "../maildir/ids.js";
import type { CaptureMethods } from "./capture-types.js";

/** More are told by the next question: one conflict is about few, and what is renumbered now is not asked for again. */
const UIDS_MAX = 10_000;
/** Read at a time where some UIDs are wanted: as many as a transaction has changes. */
const PAGE = 512;

/** Of `uids`, and of those in [from, below), the ones that the baseline gives to messages; of the latter the first `UIDS_MAX`. */
export async function readUids(
  worker: WorkerClient<CaptureMethods>,
  {
    guid,
    uids,
    from,
    below,
  }: { readonly guid: MailboxGuid; readonly uids: readonly Uid[]; readonly from: Uid; readonly below: number },
): Promise<readonly Uid[]> {
  const found = new Set<Uid>();
  const wanted = new Set(uids);
  const read = async (afterUid: number, max: number) => (await worker.call("states", { guid, afterUid, max })).states;
  let readTo = 0;
  for (const uid of [...wanted].sort((a, b) => a - b)) {
    if (uid <= readTo) continue;
    const states = await read(uid - 1, PAGE);
    for (const state of states) if (wanted.has(state.uid)) found.add(state.uid);
    readTo = states.at(-1)?.uid ?? Number.POSITIVE_INFINITY;
  }
  const range = from < below ? await read(from - 1, UIDS_MAX) : [];
  for (const { uid } of range) if (uid < below) found.add(uid);
  return [...found].sort((a, b) => a - b);
}
