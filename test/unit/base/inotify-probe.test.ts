/** Asking for an inotify instance, in a namespace that has none. */
import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { probeInotify } from "../../../src/base/inotify-probe.js";

const WORKER = new URL("../../../dist/base/inotify-probe-worker.js", import.meta.url);
const LIMIT = "/proc/sys/user/max_inotify_instances";

test("a directory that can be watched, and one that is not there", async () => {
  await probeInotify(tmpdir());
  await expect(probeInotify("/nowhere/at/all")).rejects.toMatchObject({ code: "ENOENT" });
});

test("no instance left", (context) => {
  const inNamespace = (script: string, ...args: readonly string[]) =>
    spawnSync("unshare", ["-Ur", "sh", "-c", `echo 0 > ${LIMIT} && ${script}`, "sh", ...args], { encoding: "utf8" });
  if (inNamespace("true").status !== 0) context.skip("no user namespace in which the limit can be set");
  const code = `new (require("node:worker_threads").Worker)(new URL(process.argv[1]), { workerData: "/" })
    .once("error", (error) => console.log(error.code)).once("exit", () => console.log("ended"))`;
  const run = inNamespace('"$1" -e "$2" "$3"', process.execPath, code, WORKER.href);
  expect(run.stdout, run.stderr).toBe("EMFILE\nended\n");
});
