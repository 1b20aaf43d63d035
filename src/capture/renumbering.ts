/**
 * What is done to UIDs of the source on a replica's account, on the main thread: messages get new ones, where a replica cannot take
 * theirs or the log has passed them, and the next UID is raised to where a replica is.
 */
import type { Clock } from "../base/clock.js";
import type { RawPath } from "../base/raw-name.js";
import type { WorkerClient } from "../base/worker-rpc.js";
import type { MailboxRow } from "../log/state-types.js";
import type { MailboxGuid, Uid, UidValidity } from "../maildir/ids.js";
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

export interface RaiseWish {
  readonly guid: MailboxGuid;
  readonly uidValidity: UidValidity;
  /** The least next UID. */
  readonly to: number;
}

export type NextUidRaise =
  /** On stable storage, and captured soon. `from`: what it was. */
  | { readonly kind: "raised"; readonly from: number }
  /** It is as high already, or that mailbox is not there. */
  | { readonly kind: "none" }
  | { readonly kind: "problem"; readonly problem: CaptureProblem };

export interface RenumberingPorts {
  readonly worker: WorkerClient<CaptureMethods>;
  readonly clock: Clock;
  readonly counts: Pick<CaptureCounts, "renumbered" | "raised">;
  readonly problems: Map<RawPath, CaptureProblem>;
  readonly row: (guid: MailboxGuid) => MailboxRow | undefined;
  /** It was renumbered: it has to be listed. */
  readonly markFull: (path: RawPath) => void;
  /** Its uidlist was rewritten, and its messages are as they were. */
  readonly markUidlist: (path: RawPath) => void;
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
    return this.#untilFree(wish.guid, () => this.once(wish), { waitMsMax, signal });
  }

  /** Raises the next UID of a mailbox at the source (R11). Captured and waited for as with `renumber`. */
  async raiseNextUid(wish: RaiseWish, waitMsMax: number, signal: AbortSignal): Promise<NextUidRaise> {
    const outcome = await this.#untilFree(wish.guid, () => this.#raiseOnce(wish), { waitMsMax, signal });
    return "kind" in outcome ? outcome : { kind: "problem", problem: outcome };
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

  async #raiseOnce(wish: RaiseWish): Promise<NextUidRaise | "busy"> {
    const { worker, counts, row, markUidlist, sweepSoon } = this.#ports;
    const path = row(wish.guid)?.path;
    if (path === undefined) return { kind: "none" };
    const outcome = await worker.call("raiseNextUid", { ...wish, path });
    switch (outcome.kind) {
      case "busy":
        return "busy";
      case "raised":
        counts.raised += 1;
        markUidlist(path);
        return outcome;
      case "problem":
        return outcome;
      case "absent":
        sweepSoon(); // it is said there what became of it.
        return { kind: "none" };
      case "ahead":
        return { kind: "none" };
    }
  }

  /** Tries again while somebody holds Dovecot's lock. */
  async #untilFree<T>(
    guid: MailboxGuid,
    attempt: () => Promise<T | "busy">,
    { waitMsMax, signal }: { readonly waitMsMax: number; readonly signal: AbortSignal },
  ): Promise<T | CaptureProblem> {
    const { clock, row } = this.#ports;
    const endMs = clock.monotonicMs() + waitMsMax;
    for (;;) {
      const outcome = await attempt();
      if (outcome !== "busy") return outcome;
      const path = row(guid)?.path;
      if (path !== undefined && clock.monotonicMs() >= endMs)
        return problemOfLock(path, { by: "another process", ageMs: waitMsMax });
      await clock.sleep(LOCK_PAUSE_MS, signal);
    }
  }
}
