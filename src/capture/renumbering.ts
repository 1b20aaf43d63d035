/**
 * Gives messages of the source new UIDs, on the main thread: where a replica cannot take theirs, or the log has passed them.
 */
import type { Clock } from "../base/clock.js";
import type { RawPath } from "../base/raw-name.js";
import type { WorkerClient } from "../base/worker-rpc.js";
import type { MailboxRow } from "../log/state-types.js";
import type { MailboxGuid, Uid } from "../maildir/ids.js";
import type { CaptureCounts } from "./capture-counts.js";
import type { CaptureMethods, CaptureProblem } from "./capture-types.js";
import { problemOfLock } from "./errors.js";

const LOCK_PAUSE_MS = 5;

export interface RenumberWish {
  readonly guid: MailboxGuid;
  readonly uids: readonly Uid[];
  /** The least new UID. */
  readonly floor: number;
}

export interface RenumberingPorts {
  readonly worker: WorkerClient<CaptureMethods>;
  readonly clock: Clock;
  readonly counts: Pick<CaptureCounts, "renumbered">;
  readonly problems: Map<RawPath, CaptureProblem>;
  readonly row: (guid: MailboxGuid) => MailboxRow | undefined;
  /** It was renumbered: it has to be listed. */
  readonly markFull: (path: RawPath) => void;
  /** It is not there. */
  readonly sweepSoon: () => void;
}

export class Renumbering {
  readonly #ports: RenumberingPorts;

  constructor(ports: RenumberingPorts) {
    this.#ports = ports;
  }

  /**
   * Gives the messages with these UIDs new ones at the source (R12), at least `floor`: a replica cannot take theirs. The change is then captured
   * like any other. Waits for Dovecot's lock, `waitMsMax` at most. Resolves to the problem if they keep their UIDs.
   */
  async renumber(wish: RenumberWish, waitMsMax: number, signal: AbortSignal): Promise<CaptureProblem | undefined> {
    const { clock, row } = this.#ports;
    const endMs = clock.monotonicMs() + waitMsMax;
    for (;;) {
      const outcome = await this.once(wish);
      if (outcome !== "busy") return outcome;
      const path = row(wish.guid)?.path;
      if (path !== undefined && clock.monotonicMs() >= endMs)
        return problemOfLock(path, { by: "another process", ageMs: waitMsMax });
      await clock.sleep(LOCK_PAUSE_MS, signal);
    }
  }

  /** "busy": somebody holds Dovecot's lock. */
  async once({ guid, uids, floor }: RenumberWish): Promise<CaptureProblem | "busy" | undefined> {
    const { worker, clock, counts, problems, row, markFull, sweepSoon } = this.#ports;
    const path = row(guid)?.path;
    if (path === undefined || uids.length === 0) return undefined;
    const outcome = await worker.call("renumber", { path, uids, floor, nowMs: clock.nowMs() });
    if (outcome.kind === "busy") return "busy";
    if (outcome.kind === "renumbered") {
      counts.renumbered += outcome.moves.length;
      markFull(path);
    }
    if (outcome.kind === "absent") sweepSoon(); // it is said there what became of it.
    if (outcome.kind !== "problem") return undefined;
    problems.set(path, outcome.problem);
    return outcome.problem;
  }
}
