/**
 * Has files of messages looked at that may have been changed under their names, and noted anew, on the main thread: for whoever was told that
 * they are not what the log says. Beside the capture loop, which goes on from what comes of it.
 */
import type { Clock } from "../base/clock.js";
import type { WorkerClient } from "../base/worker-rpc.js";
import type { StateReader } from "../log/state-ports.js";
import type { MailboxGuid } from "../maildir/ids.js";
import type { CaptureMethods, FileLook } from "./capture-types.js";
import type { Capturer } from "./capturer.js";

interface FileLookPorts {
  readonly reader: Pick<StateReader, "mailboxByGuid">;
  readonly capturer: Pick<Capturer, "takeOutcome">;
  readonly worker: Pick<WorkerClient<CaptureMethods>, "call">;
  readonly clock: Pick<Clock, "nowMs">;
}

/** Files that one call looks at. */
const FILES_MAX = 512;

/** Resolves when the log says what they are now, durably, as far as they could be found. Throws: store-missing, store-unreadable. */
export async function lookAtFiles(
  { reader, capturer, worker, clock }: FileLookPorts,
  guid: MailboxGuid,
  looks: readonly FileLook[],
): Promise<void> {
  for (let at = 0; at < looks.length; at += FILES_MAX) {
    const path = reader.mailboxByGuid(guid)?.path;
    if (path === undefined) return;
    const files = looks.slice(at, at + FILES_MAX);
    const hints = { names: [], uidlist: false };
    const request = { path, guid, hints, full: false, nowMs: clock.nowMs(), files };
    await capturer.takeOutcome(path, await worker.call("examine", request));
  }
}
