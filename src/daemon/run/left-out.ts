/**
 * What a replica does not get since the rights of its peer are limited to some users: counted for the status. It is what the configuration
 * says, and so no trouble: a note for whoever thinks that the replica has all.
 *
 * INVARIANT: cheap however often it is asked: all mailboxes are judged anew when the log has gone on, and not again within AGE_MS.
 */
import type { Clock } from "../../base/clock.js";
import type { RawPath } from "../../base/raw-name.js";
import type { StateReader } from "../../log/state-ports.js";
import type { LimitedStatus } from "../control/status.js";
import { mailboxName } from "../words.js";
import { wordsOfLimit } from "./user-rights.js";

const NAMED_MAX = 10;
const AGE_MS = 5_000;

export interface LeftOutPorts {
  /** Undefined: all of it. */
  readonly mayHave: ((path: RawPath) => boolean) | undefined;
  readonly peer: string | undefined;
  readonly capturer: { readonly rows: Iterable<{ readonly path: RawPath }> };
  /** Its last LSN is another one when a mailbox has come, gone or moved. */
  readonly reader: Pick<StateReader, "lastLsn">;
  readonly clock: Pick<Clock, "monotonicMs">;
}

export class LeftOut {
  readonly #ports: LeftOutPorts;
  #judged: { readonly status: LimitedStatus; readonly lsn: number; readonly atMs: number } | undefined;

  constructor(ports: LeftOutPorts) {
    this.#ports = ports;
  }

  /** Undefined: its peer is not limited. */
  get status(): LimitedStatus | undefined {
    const { mayHave, peer, capturer, reader, clock } = this.#ports;
    if (mayHave === undefined) return undefined;
    const [lsn, atMs] = [reader.lastLsn(), clock.monotonicMs()];
    const before = this.#judged;
    if (before !== undefined && (before.lsn === lsn || atMs - before.atMs < AGE_MS)) return before.status;
    const paths = Array.from(capturer.rows, ({ path }) => path);
    const without = paths.filter((path) => !mayHave(path)).sort();
    const named = without.slice(0, NAMED_MAX).map(mailboxName);
    const status = { mailboxes: without.length, all: paths.length, why: wordsOfLimit(peer), named };
    this.#judged = { status, lsn, atMs };
    return status;
  }
}
