/**
 * Writes what is generated and checked in: the protocol's TypeScript beside each .proto file (src/ROOM/x.proto becomes
 * src/ROOM/gen/x_pb.ts) and docs/errors.md. With `--check` it writes nothing and fails if anything would change.
 *
 * The proto compiler knows one output tree; here each room keeps its own generated code, so a file that imports
 * another room's gets its path corrected.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { readCatalogues, readDaemonHints, renderErrorsPage } from "./error-catalogue.mjs";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * From the compiler's path ("txn/transaction_pb.ts") to ours.
 *
 * @param {string} path
 */
function placeOf(path) {
  return join("src", dirname(path), "gen", basename(path));
}

/**
 * Everything that ought to be there: text by path relative to the repository.
 *
 * @returns {Map<string, string>}
 */
function generate() {
  /** @type {Map<string, string>} */
  const textByPath = new Map();
  const out = mkdtempSync(join(tmpdir(), "mailtwin-gen-"));
  try {
    if (filesBelow(join(ROOT, "src")).some((file) => file.endsWith(".proto"))) {
      runBuf(["lint"]);
      runBuf(["generate", "--output", out]);
    }
    for (const path of filesBelow(out)) {
      const text = readFileSync(join(out, path), "utf8");
      textByPath.set(placeOf(path), text.replace(/(from ")(\.\.\/)(\w[^"]*)\/([^/"]+_pb\.js")/g, "$1../../$3/gen/$4"));
    }
  } finally {
    rmSync(out, { recursive: true });
  }
  textByPath.set("docs/errors.md", renderErrorsPage(readCatalogues(ROOT), readDaemonHints(ROOT)));
  return textByPath;
}

/** @param {readonly string[]} args */
function runBuf(args) {
  const run = spawnSync(join(ROOT, "node_modules/.bin/buf"), args, { cwd: ROOT, encoding: "utf8" });
  if (run.error !== undefined) throw run.error;
  if (run.status !== 0) throw new Error(`buf ${args[0]} failed:\n${run.stdout}${run.stderr}`);
}

/**
 * Files below a directory, relative to it.
 *
 * @param {string} directory
 * @returns {string[]}
 */
function filesBelow(directory) {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)))
    .sort();
}

/** Generated files on disk that nothing generates any more. @param {ReadonlyMap<string, string>} wanted */
function orphans(wanted) {
  return filesBelow(join(ROOT, "src"))
    .map((path) => join("src", path))
    .filter((path) => /\/gen\/[^/]+_pb\.ts$/.test(path) && !wanted.has(path));
}

const checkOnly = process.argv.includes("--check");
const wanted = generate();
const changed = [...wanted].filter(([path, text]) => {
  const file = join(ROOT, path);
  return !existsSync(file) || readFileSync(file, "utf8") !== text;
});
const gone = orphans(wanted);
for (const [path, text] of checkOnly ? [] : changed) {
  mkdirSync(dirname(join(ROOT, path)), { recursive: true });
  writeFileSync(join(ROOT, path), text);
}
for (const path of checkOnly ? [] : gone) rmSync(join(ROOT, path));
for (const path of [...changed.map(([changedPath]) => changedPath), ...gone]) {
  process.stdout.write(`${checkOnly ? "out of date" : "updated"}: ${path}\n`);
}
if (checkOnly && changed.length + gone.length > 0) {
  process.stdout.write("Run `npm run generate` and commit the result.\n");
  process.exitCode = 1;
}
