/**
 * flock(2) on a descriptor. Node cannot call it; flock(1) can, on a descriptor that it inherits: the lock belongs to the open file,
 * which is ours, and stays when flock(1) has ended. The kernel lets go of it when the process dies, however it dies.
 *
 * No database's lock: to open a database by its path means to obey whatever journal lies beside it.
 */
import { spawnSync } from "node:child_process";

/** What flock(1) ends with when somebody else holds the lock; its other failures are larger. */
const HELD = 1;
/** The place that the descriptor has in flock(1). */
const FD = "3";

/** "unavailable": no flock(1), a file system without such locks. */
export function lockDescriptor(fd: number, how: "exclusive" | "shared"): "taken" | "held" | "unavailable" {
  const args = ["-n", how === "exclusive" ? "-x" : "-s", FD];
  const { status } = spawnSync("flock", args, { stdio: ["ignore", "ignore", "ignore", fd] });
  if (status === 0) return "taken";
  return status === HELD ? "held" : "unavailable";
}
