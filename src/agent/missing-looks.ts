/**
 * Before a mailbox that went missing on a live replica, or is compared by hand, is made anew, all that was written there is looked at: it may be all gone.
 *
 * INVARIANT: a mailbox that was refused as missing is not seen to before a look that began after that has ended.
 * INVARIANT: between the end of one look and the next there is a pause, however often the replica refuses.
 */
import type { Clock } from "../base/clock.js";
import type { MailboxGuid } from "../maildir/ids.js";

/** A look is a few `stat`s for each mailbox of the replica. */
const PAUSE_MS = 10_000;

export interface MissingLookPorts {
  readonly clock: Clock;
  /** Throws: replica-emptied. */
  readonly look: (signal: AbortSignal) => Promise<void>;
}

export class MissingLooks {
  readonly #ports: MissingLookPorts;
  /** Refused, and no look has begun since. */
  readonly #unseen = new Set<MailboxGuid>();
  /** The one that is under way. */
  #looking: Promise<void> | undefined;
  #isAsked = false;
  #dueMs = Number.NEGATIVE_INFINITY;

  constructor(ports: MissingLookPorts) {
    this.#ports = ports;
  }

  /** The replica says that it is missing. */
  note(mailbox: MailboxGuid): void {
    this.#unseen.add(mailbox);
  }

  /** It is to be compared by hand: the next look does not wait for the pause. */
  noteAsked(mailbox: MailboxGuid): void {
    this.#unseen.add(mailbox);
    this.#isAsked = true;
  }

  /** Returns when it may be made anew: at once where it was not missing. Rejects with what the look found. */
  async untilSeen(mailbox: MailboxGuid, signal: AbortSignal): Promise<void> {
    const { clock } = this.#ports;
    while (this.#looking !== undefined || this.#unseen.has(mailbox)) {
      const leftMs = this.#isAsked ? 0 : this.#dueMs - clock.monotonicMs();
      if (this.#looking === undefined && leftMs > 0) {
        await clock.sleep(leftMs, signal);
        continue;
      }
      this.#looking ??= this.#look(signal);
      await this.#looking;
    }
  }

  async #look(signal: AbortSignal): Promise<void> {
    this.#unseen.clear();
    this.#isAsked = false;
    try {
      await this.#ports.look(signal);
    } finally {
      this.#dueMs = this.#ports.clock.monotonicMs() + PAUSE_MS;
      this.#looking = undefined;
    }
  }
}
