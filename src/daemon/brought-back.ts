/**
 * Lets go what the brake holds back once a person has brought it back (`mailtwin deletions reject`): from then on the old messages are
 * expunged on the replicas, like any others.
 *
 * INVARIANT: not before each replica has the new message, durably: at no time has it neither. Only a mailbox in whose place another one
 * stands is deleted first, as no two can have one path; it is in the replica's limbo, and all of its mail stands at the source, durably.
 * Nothing of this is remembered here: after a kill it is found again by what stands at the source and in the log.
 */
import type { BackAgain } from "../capture/capture-types.js";
import type { SourceSide } from "./source-side.js";

interface Awaited {
  readonly back: readonly BackAgain[];
  /** The new messages are in the log up to there. */
  readonly lsn: number;
}

export class BroughtBackRelease {
  readonly #side: Pick<SourceSide, "capturer" | "reader" | "worker">;
  #awaited: Awaited | undefined;
  #isSettling = false;

  constructor(side: Pick<SourceSide, "capturer" | "reader" | "worker">) {
    this.#side = side;
  }

  /**
   * Call it again and again. `have`: whether all replicas have all up to and including that LSN, or what is not among their rejections.
   * Returns whether something was let go, which is captured next. Throws: store-missing, store-unreadable, those of the state database.
   */
  async settle(have: (lsn: number) => boolean): Promise<boolean> {
    const { capturer } = this.#side;
    if (this.#isSettling || capturer.brake === undefined || capturer.brake.mailboxes === 0) return false;
    this.#isSettling = true;
    try {
      this.#awaited ??= await this.#find();
      if (this.#awaited === undefined || !have(this.#awaited.lsn)) return false;
      const { back } = this.#awaited;
      this.#awaited = undefined;
      const refused = new Set(this.#side.reader.rejections().map(({ mailbox }) => mailbox));
      const due = back.filter(({ guid }) => !refused.has(guid));
      if (due.length > 0) await capturer.approveDeletions(due);
      return due.length > 0;
    } finally {
      this.#isSettling = false;
    }
  }

  async #find(): Promise<Awaited | undefined> {
    const { worker, reader } = this.#side;
    const back = await worker.call("broughtBack");
    return back.length === 0 ? undefined : { back, lsn: reader.lastLsn() };
  }
}
