/**
 * Stands in for `mailtwin sync` where only the harness is tested: copies with rsync, again and again with --watch.
 */
import { spawnSync } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";

const [, source, target] = process.argv.slice(2);
const copy = () =>
  spawnSync("rsync", ["-a", "--delete", "--exclude=tmp/*", "--exclude=*.lock", `${source}/`, `${target}/`]);

copy();
if (process.argv.includes("--watch")) {
  let isStopped = false;
  process.on("SIGINT", () => {
    isStopped = true;
  });
  process.stdout.write('{"event":"live"}\n');
  while (!isStopped) {
    copy();
    await delay(20);
  }
  copy();
}
