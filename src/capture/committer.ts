/**
 * Puts what was found into the log, and keeps which mailboxes the log covers, by identity and by path.
 *
 * INVARIANT: log first, baseline second, in one database transaction. A crash before it repeats the examination (a phantom),
 * never loses a change (a hole). The worker, which believes in a commit from the moment it made it, is told if it failed.
 */
import type { CrashPoint } from "../base/crash-points.js";
import { isToldAs, isWhollyTold, type RawPath } from "../base/raw-name.js";
import type { WorkerClient } from "../base/worker-rpc.js";
import type { StateWriter } from "../log/state-ports.js";
import type { CaptureCommit, MailboxRow } from "../log/state-types.js";
import type { MailboxGuid } from "../maildir/ids.js";
import type { CaptureMethods } from "./capture-types.js";

export interface CommitterPorts {
  readonly worker: WorkerClient<CaptureMethods>;
  readonly writer: StateWriter;
  readonly reach: CrashPoint;
}

export class Committer {
  readonly #ports: CommitterPorts;
  readonly #rows = new Map<MailboxGuid, MailboxRow>();
  readonly #guidByPath = new Map<RawPath, MailboxGuid>();
  #messages = 0;
  /**
   * Called when a mailbox has another path now, or none: watches follow the directory and would name the old path. With the
   * same path twice: another mailbox stands there.
   */
  onMoved: (from: RawPath, to: RawPath | undefined) => void = () => undefined;

  constructor(ports: CommitterPorts, rows: readonly MailboxRow[]) {
    this.#ports = ports;
    for (const row of rows) this.#remember(row);
  }

  get rows(): readonly MailboxRow[] {
    return [...this.#rows.values()];
  }

  /** Of all mailboxes together. */
  get messages(): number {
    return this.#messages;
  }

  row(guid: MailboxGuid): MailboxRow | undefined {
    return this.#rows.get(guid);
  }

  guidAt(path: RawPath): MailboxGuid | undefined {
    return this.#guidByPath.get(path);
  }

  /** The mailboxes that a watcher may mean, which reads paths as UTF-8: where that loses nothing, one at most. */
  pathsToldAs(told: RawPath): readonly RawPath[] {
    if (isWhollyTold(told)) return this.#guidByPath.has(told) ? [told] : [];
    return [...this.#guidByPath.keys()].filter((path) => isToldAs(path, told));
  }

  /** Returns the last new LSN after it is on stable storage; undefined when nothing was logged. */
  async commit(commit: CaptureCommit): Promise<number | undefined> {
    const { reach, writer } = this.#ports;
    reach("capture.sealed");
    let lsns: readonly number[];
    try {
      lsns = await writer.appendCaptured(commit);
    } catch (error) {
      await this.#forget(commit);
      throw error;
    }
    reach("capture.committed");
    for (const id of commit.removedMailboxIds) this.#drop(id);
    const moves = commit.mailboxes.map((row) => ({ from: this.#rows.get(row.guid)?.path, to: row.path }));
    for (const row of commit.mailboxes) this.#remember(row);
    this.#tellMoves(moves);
    return lsns.at(-1);
  }

  /** Where mailboxes changed places the watches of both paths are another's. */
  #tellMoves(moves: readonly { readonly from: RawPath | undefined; readonly to: RawPath }[]): void {
    const taken = new Set(moves.map(({ to }) => to));
    for (const { from, to } of moves) {
      if (from === undefined || from === to) continue;
      if (!taken.has(from)) this.onMoved(from, to);
      else for (const path of [from, to]) this.onMoved(path, path);
    }
  }

  async #forget({ mailboxes, removedMailboxIds }: CaptureCommit): Promise<void> {
    const removed = this.rows.filter((row) => removedMailboxIds.includes(row.id));
    for (const guid of new Set([...mailboxes, ...removed].map((row) => row.guid))) {
      await this.#ports.worker.call("forget", { guid });
    }
  }

  #remember(row: MailboxRow): void {
    const before = this.#rows.get(row.guid);
    const hasMoved = before !== undefined && before.path !== row.path;
    if (hasMoved && this.#guidByPath.get(before.path) === row.guid) this.#guidByPath.delete(before.path);
    this.#messages += row.messages - (before?.messages ?? 0);
    this.#rows.set(row.guid, row);
    this.#guidByPath.set(row.path, row.guid);
  }

  #drop(id: number): void {
    const row = this.rows.find((candidate) => candidate.id === id);
    if (row === undefined) return;
    this.#messages -= row.messages;
    this.#rows.delete(row.guid);
    if (this.#guidByPath.get(row.path) !== row.guid) return;
    this.#guidByPath.delete(row.path);
    this.onMoved(row.path, undefined);
  }
}
