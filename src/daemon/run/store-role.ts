/**
 * What a store of the configuration was when it was last opened, noted in its state directory. A store that changes its role opens a
 * database that others have written past: a cursor in it fits the log, and says nothing of what stands there.
 *
 * INVARIANT: the role is noted only when it is durable that all is compared: a crash before that leaves the note as it was.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../base/clock.js";
import { replaceDurably } from "../../base/durable-file.js";
import type { StateReader, StateWriter } from "../../log/state-ports.js";
import { NO_EFFECT } from "../../log/state-types.js";
import { daemonError } from "../errors.js";
import { openStanding } from "../own-directory.js";
import type { EventLog } from "./event-log.js";

type Role = "source" | "replica";

interface Database {
  readonly reader: StateReader;
  readonly writer: StateWriter;
}

/** In the state directory of a store. */
export const ROLE_FILE = "role";
const BYTES_MAX = 64;

/**
 * Call it while holding the state directory, before a replica is served: if the store was a replica since, each replica that it has or
 * will have is marked to be compared. Throws: state-unusable, system errors, those of the state database.
 */
export async function becomeSource(state: string, { reader, writer }: Database, log: EventLog): Promise<void> {
  const noted = readRole(state);
  if (noted === "source") return;
  if (noted !== undefined) {
    await writer.setMeta("was-replica", "1"); // first: who is added from here on is marked as well.
    const needsResync = reader.replicas().map(({ replica }) => ({ replica, why: "role-changed" }) as const);
    await writer.trim({ upTo: 0, needsResync, nowMs: systemClock.nowMs() });
    log.write("role-changed", { from: noted, to: "source", why: "the store was a replica meanwhile" });
  }
  noteRole(state, "source");
}

/**
 * The same for a store that takes what its source sends: if it was a source since, how far it is with any log is not known any more,
 * which has all compared. `log`: undefined where nobody reads it. Throws: as `becomeSource`.
 */
export async function becomeReplica(state: string, { reader, writer }: Database, log?: EventLog): Promise<void> {
  const noted = readRole(state);
  if (noted === "replica") return;
  if (noted !== undefined) {
    const cursors = reader.appliedLogs().map((logId) => ({ logId, lsn: 0, isSet: true }));
    await Promise.all(cursors.map((cursor) => writer.recordEffect({ ...NO_EFFECT, cursor })));
    log?.write("role-changed", { from: noted, to: "replica", why: "the store was a source meanwhile" });
  }
  noteRole(state, "replica");
}

/** Whether a replica was the last thing that it was: what a kill left of its applying is to be put in order before it is captured. */
export function wasReplica(state: string): boolean {
  return existsSync(join(state, "replica.db")) && readRole(state) === "replica";
}

/** Undefined where nothing is noted. What nobody of us wrote is a role too, and neither of the two. */
function readRole(state: string): string | undefined {
  const dir = openState(state);
  try {
    return dir.readFile(ROLE_FILE, BYTES_MAX)?.toString("latin1").trim();
  } finally {
    dir.close();
  }
}

function noteRole(state: string, role: Role): void {
  const dir = openState(state);
  try {
    const bytes = Buffer.from(`${role}\n`);
    replaceDurably(dir, ROLE_FILE, [bytes], { tempName: `${ROLE_FILE}.tmp`, mode: 0o600, syncDir: true });
  } finally {
    dir.close();
  }
}

function openState(state: string) {
  const refuse = (why: string) => daemonError("state-unusable", `opening the state directory ${state}: ${why}`);
  const dir = openStanding(state, refuse);
  if (dir === undefined) throw refuse("it is not there");
  return dir;
}
