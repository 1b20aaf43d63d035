/** SQLite says no more than that it cannot open a file: whether too many are open is found out beside it. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";

const DB = new URL("../../../node_modules/.cache/mailtwin/js/log/db.js", import.meta.url).href;
/** Opens a database where as many files as may be are open, but for the `left` last. */
const SCRIPT = `
import { closeSync, openSync } from "node:fs";
import { openDb } from ${JSON.stringify(DB)};
const [path, left, mode] = process.argv.slice(1);
const fds = [];
if (left !== "all") {
  try { for (;;) fds.push(openSync("/", "r")); } catch {}
  for (let i = 0; i < Number(left); i++) closeSync(fds.pop());
}
try {
  const db = openDb(path, mode);
  db.exec("PRAGMA journal_mode = WAL; CREATE TABLE t (x)");
  console.log("opened");
} catch ({ code, message }) {
  console.log(code, message);
}`;

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "mailtwin-files-"));
  return () => rmSync(dir, { recursive: true });
});

function open(path: string, left: string, mode: string): string {
  const args = ["-c", 'ulimit -n 128; exec "$@"', "sh", process.execPath, "--input-type=module", "-e", SCRIPT];
  return spawnSync("sh", [...args, path, left, mode], { encoding: "utf8" }).stdout.trim();
}

test.each(["0", "1", "2"])("with %s files left it is EMFILE", (left) => {
  const words = new RegExp(`^EMFILE (opening|using) the state database ${dir}/x.db: EMFILE: too many open files$`);
  expect(open(join(dir, "x.db"), left, "create")).toMatch(words);
});

test("with enough of them one that cannot be opened is still unreachable", () => {
  expect(open(join(dir, "x.db"), "all", "create")).toBe("opened");
  expect(open(join(dir, "none/x.db"), "all", "create")).toMatch(/^state-unreachable /);
});
