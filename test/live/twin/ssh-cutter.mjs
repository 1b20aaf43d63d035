/**
 * In front of the stand-in for ssh: passes on what the source sends, counts it, and after `limit` bytes kills an end or is no more.
 * What the replica says goes its own way. When the replica's end has ended, the count is in `countFile`.
 */
import { spawn } from "node:child_process";
import { renameSync, writeFileSync } from "node:fs";

const [, , countFile, limit, action, ...command] = process.argv;
// Of a group of its own: the shell in between dies with what it started.
const replica = spawn(command[0], command.slice(1), { stdio: ["pipe", "inherit", "inherit"], detached: true });
let count = 0;

replica.stdin.on("error", () => undefined); // it is gone.
process.stdin.on("data", (bytes) => {
  const before = count;
  count += bytes.length;
  replica.stdin.write(bytes);
  if (before < Number(limit) && count >= Number(limit)) act();
});
process.stdin.on("end", () => replica.stdin.end());
process.on("SIGTERM", () => replica.stdin.end()); // whoever has started it ends it so.

function act() {
  if (action === "source killed") process.kill(process.ppid, "SIGKILL");
  else if (action === "replica killed") process.kill(-replica.pid, "SIGKILL");
  else process.stdin.destroy().once("close", () => replica.stdin.end());
}

replica.once("exit", () => {
  writeFileSync(`${countFile}.new`, String(count));
  renameSync(`${countFile}.new`, countFile);
  process.exit(0);
});
