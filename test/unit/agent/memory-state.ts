/** The state database's two ports in memory, as far as the ends of a link use them. */
import type { EffectWrites } from "../../../src/log/own-writes.js";
import type { StateReader, StateWriter } from "../../../src/log/state-ports.js";
import type { EffectCommit, IntentRow, LogEntry, RejectionRow } from "../../../src/log/state-types.js";
import type { MailboxGuid } from "../../../src/maildir/ids.js";

export class MemoryState {
  entries: LogEntry[] = [];
  readonly cursors = new Map<string, number>();
  readonly applied = new Map<string, number>();
  readonly effects: EffectCommit[] = [];
  readonly intents = new Map<number, IntentRow>();
  rejections: RejectionRow[] = [];
  /** Called before a write; throws to make it fail. */
  onWrite: (method: string) => void = () => undefined;
  #lastLsn = 0;
  #lastIntent = 0;

  get lastLsn(): number {
    return this.#lastLsn;
  }

  append(mailbox: MailboxGuid, bytes: Uint8Array): number {
    this.#lastLsn += 1;
    this.entries.push({ lsn: this.#lastLsn, mailbox, capturedMs: 5, bytes });
    return this.#lastLsn;
  }

  reader(logId: string): StateReader {
    const reader: Partial<StateReader> = {
      meta: (key) => (key === "log-id" ? logId : undefined),
      entriesAfter: (lsn, bytesMax) => {
        const entries: LogEntry[] = [];
        let leftBytes = bytesMax;
        for (const entry of this.entries) {
          if (entry.lsn <= lsn) continue;
          leftBytes -= entry.bytes.length;
          if (leftBytes < 0 && entries.length > 0) break;
          entries.push(entry);
        }
        return entries;
      },
      snapshot: (read) => read(),
      mailboxes: () => [],
      mailboxByGuid: () => undefined,
      lastLsn: () => this.#lastLsn,
      firstLsn: () => this.entries[0]?.lsn ?? this.#lastLsn + 1,
      cursor: (replica) => this.cursors.get(replica),
      appliedLsn: (id) => this.applied.get(id) ?? 0,
      rejections: (replica) => this.rejections.filter((row) => replica === undefined || row.replica === replica),
    };
    return reader as StateReader;
  }

  /** Writes take a turn, so that what happens meanwhile can happen. */
  writer(): StateWriter {
    const write = async <T>(method: string, run: () => T): Promise<T> => {
      await new Promise<void>((resolve) => setImmediate(resolve));
      this.onWrite(method);
      return run();
    };
    const writer: Partial<StateWriter> = {
      setCursor: (replica, lsn) =>
        write("setCursor", () => void this.cursors.set(replica, Math.max(lsn, this.cursors.get(replica) ?? 0))),
      trimLog: (lsn) =>
        write("trimLog", () => {
          this.entries = this.entries.filter((entry) => entry.lsn > lsn);
        }),
      putIntent: ({ bytes }) => write("putIntent", () => this.#putIntent(bytes)),
      recordEffect: (effect) => write("recordEffect", () => this.#recordEffect(effect)),
      putRejection: (row) =>
        write("putRejection", () => {
          const others = this.rejections.filter((it) => it.replica !== row.replica || it.mailbox !== row.mailbox);
          this.rejections = [...others, row].sort((a, b) => a.lsn - b.lsn);
        }),
      dropRejections: (replica, mailbox) =>
        write("dropRejections", () => {
          this.rejections = this.rejections.filter((row) => row.replica !== replica || row.mailbox !== mailbox);
        }),
    };
    return writer as StateWriter;
  }

  /** What the thread that applies writes itself: at once. */
  writes(): EffectWrites {
    return {
      putIntent: (bytes) => {
        this.onWrite("putIntent");
        return this.#putIntent(bytes);
      },
      recordEffect: (effect) => {
        this.onWrite("recordEffect");
        this.#recordEffect(effect);
      },
    };
  }

  #putIntent(bytes: Uint8Array): number {
    this.#lastIntent += 1;
    this.intents.set(this.#lastIntent, { id: this.#lastIntent, bytes });
    return this.#lastIntent;
  }

  #recordEffect(effect: EffectCommit): void {
    const { intent, settles = [], cursor } = effect;
    for (const id of intent === undefined ? settles : [intent, ...settles]) this.intents.delete(id);
    if (cursor !== undefined) {
      const before = cursor.isSet === true ? 0 : (this.applied.get(cursor.logId) ?? 0);
      this.applied.set(cursor.logId, Math.max(cursor.lsn, before));
    }
    this.effects.push(effect);
  }
}
