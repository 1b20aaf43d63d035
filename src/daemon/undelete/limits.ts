/** How long, and how much, what replication removed stays in the limbo: the bounds of that, its default, and the flags of `sync`. */
import type { UndeleteLimits } from "../../apply/purge-types.js";
import { type Bounds, type Reading, readByteCount, readDurationMs } from "../../base/quantity.js";
import { daemonError } from "../errors.js";

/** Bodies of what is moved between mailboxes are had from the limbo a moment later, and whoever misses mail needs a while to notice. */
export const UNDELETE_FOR: Bounds = { least: "1h", most: "3650d" };
export const UNDELETE_SIZE: Bounds = { least: "1MiB", most: "1024TiB" };

/** Where nobody says otherwise. Without a size: what is deleted by mistake is seldom little. */
export const UNDELETE_DEFAULT: UndeleteLimits = { keptMs: 7 * 86_400_000, bytesMax: undefined };

/** Throws: usage. */
export function readUndeleteLimits(flags: {
  readonly undeleteFor?: string;
  readonly undeleteMaxSize?: string;
}): UndeleteLimits {
  const { undeleteFor, undeleteMaxSize } = flags;
  return {
    keptMs:
      undeleteFor === undefined
        ? UNDELETE_DEFAULT.keptMs
        : given("--undelete-for", undeleteFor, readDurationMs(undeleteFor, UNDELETE_FOR)),
    bytesMax:
      undeleteMaxSize === undefined
        ? UNDELETE_DEFAULT.bytesMax
        : given("--undelete-max-size", undeleteMaxSize, readByteCount(undeleteMaxSize, UNDELETE_SIZE)),
  };
}

function given<T>(flag: string, text: string, reading: Reading<T>): T {
  if (reading.kind === "value") return reading.value;
  const { why, advice } = reading;
  throw daemonError("usage", `reading the command line: ${flag} ${JSON.stringify(text)}: ${why}; ${advice}`);
}
