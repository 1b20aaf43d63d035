/**
 * A store, a source, and the model of its log, driven in the test's own thread: what the capture loop does, without time.
 */
import { expect } from "vitest";
import type { RawPath } from "../../../src/base/raw-name.js";
import { isRawPath } from "../../../src/base/raw-name.js";
import type {
  Braked,
  CaptureOptions,
  ExamineOutcome,
  HintedName,
  VanishedOutcome,
} from "../../../src/capture/capture-types.js";
import { openSourceStore, type SourceStore, type SourceStorePorts } from "../../../src/capture/source-store.js";
import type { CaptureCommit } from "../../../src/log/state-types.js";
import type { MailboxGuid } from "../../../src/maildir/ids.js";
import { type FakeMailbox, type FakeStore, openFakeStore } from "./fake-dovecot.js";
import { LogModel } from "./log-model.js";

export function rawPath(path: string): RawPath {
  if (!isRawPath(path)) throw new Error(`not a path: ${path}`);
  return path;
}

export type Looked = Exclude<ExamineOutcome<CaptureCommit>, { kind: "absent" } | { kind: "problem" }> & Braked;

export class CaptureBench {
  readonly store: FakeStore;
  readonly model = new LogModel();
  source: SourceStore;
  nowMs = Date.now();
  readonly #options: CaptureOptions;
  readonly #ports: Partial<SourceStorePorts>;

  private constructor(store: FakeStore, options: CaptureOptions, ports: Partial<SourceStorePorts>) {
    this.store = store;
    this.#options = options;
    this.#ports = ports;
    this.source = undefined as unknown as SourceStore;
  }

  static async open(
    limits: CaptureOptions["limits"] = {},
    ports: Partial<SourceStorePorts> = {},
    store = openFakeStore(),
    brake?: CaptureOptions["brake"],
  ): Promise<CaptureBench> {
    const whole = { listingSliceMs: Number.POSITIVE_INFINITY, ...limits };
    const options = { storeRoot: store.root, hostname: "testhost", pid: process.pid, limits: whole, brake };
    const bench = new CaptureBench(store, options, ports);
    await bench.restart();
    return bench;
  }

  /** As a new process: only the database is left. */
  async restart(): Promise<void> {
    this.source = await openSourceStore(this.#options, { reader: this.model.reader, ...this.#ports });
  }

  /** One examination, committed. */
  examine(
    mailbox: FakeMailbox,
    options: { full?: boolean; names?: readonly HintedName[] } = {},
  ): ExamineOutcome<CaptureCommit> & Braked {
    const { full = false, names = [] } = options;
    const outcome = this.source.examine({
      path: rawPath(mailbox.path),
      hints: { names, uidlist: true },
      full,
      nowMs: this.nowMs,
    });
    if ("commit" in outcome) this.model.commit(outcome.commit);
    return outcome;
  }

  look(mailbox: FakeMailbox, options: { full?: boolean; names?: readonly HintedName[] } = {}): Looked {
    const outcome = this.examine(mailbox, options);
    if (outcome.kind === "absent" || outcome.kind === "problem") throw new Error(JSON.stringify(outcome));
    return outcome;
  }

  /**
   * What sweeps come to: full examinations until nothing is left to do but to wait. Returns the number of changes.
   *
   * A listing that was begun before the call may have passed names that changed since (the next sweep finds its fingerprint
   * outdated): so once that is done, one more is begun.
   */
  settle(mailbox: FakeMailbox): number {
    const changes = this.#settleOnce(mailbox);
    return changes + this.#settleOnce(mailbox);
  }

  #settleOnce(mailbox: FakeMailbox): number {
    let changes = 0;
    for (let round = 0; round < 50; round++) {
      const outcome = this.look(mailbox, { full: true });
      if (outcome.kind === "sealed") changes += outcome.changes;
      if (outcome.late.length > 0) {
        const { late } = outcome;
        const moved = this.source.renumber({ path: rawPath(mailbox.path), uids: late, floor: 0 });
        expect(moved.kind).toBe("renumbered");
        continue;
      }
      if (!outcome.more && !outcome.needListing && outcome.recheckInMs === undefined) return changes;
    }
    throw new Error("it does not settle");
  }

  /** A mailbox that is not there, and `ahead` messages of others that are not either. */
  vanish(guid: MailboxGuid | undefined, ahead = 0): VanishedOutcome<CaptureCommit> & Braked {
    if (guid === undefined) throw new Error("the log knows no such mailbox");
    const outcome = this.source.vanished({ guid, ahead, nowMs: this.nowMs });
    if ("commit" in outcome) this.model.commit(outcome.commit);
    return outcome;
  }

  /** What is held back may go. */
  approve(): readonly string[] {
    const { paths, commit } = this.source.approve();
    if (commit !== undefined) this.model.commit(commit);
    return paths;
  }

  /** What a sweep does: mailboxes that are gone, that came, that changed. */
  sweep(): void {
    const standing = this.source.discover().mailboxes;
    for (const mailbox of this.store.mailboxes) this.settle(mailbox);
    const alive = new Set<string>(standing.flatMap(({ guid }) => guid ?? []));
    for (const row of this.model.reader.mailboxes()) {
      if (alive.has(row.guid)) continue;
      const outcome = this.source.vanished({ guid: row.guid, nowMs: this.nowMs });
      expect(outcome.kind).toBe("sealed");
      if (outcome.kind === "sealed") this.model.commit(outcome.commit);
    }
  }
}
