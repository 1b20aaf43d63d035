/**
 * Writes one replica's cursor down: one write at a time, and what moves meanwhile goes with the next.
 *
 * INVARIANT: at most one write is under way and one number waits, however fast the replica acknowledges.
 * What is stored may lag behind: where a run begins is what the replica itself says.
 */
export class CursorStore {
  readonly #write: (lsn: number) => Promise<void>;
  readonly #onError: (error: unknown) => void;
  #waitingLsn: number | undefined;
  #writing: Promise<void> | undefined;

  constructor(write: (lsn: number) => Promise<void>, onError: (error: unknown) => void) {
    this.#write = write;
    this.#onError = onError;
  }

  put(lsn: number): void {
    this.#waitingLsn = lsn;
    this.#writing ??= this.#writeAll();
  }

  /** Resolves when what was put is written, or has failed. */
  async settled(): Promise<void> {
    await this.#writing;
  }

  async #writeAll(): Promise<void> {
    try {
      while (this.#waitingLsn !== undefined) {
        const lsn = this.#waitingLsn;
        this.#waitingLsn = undefined;
        await this.#write(lsn);
      }
    } catch (error) {
      this.#onError(error);
    } finally {
      this.#writing = undefined;
    }
  }
}
