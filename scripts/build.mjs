/**
 * Compiles the program (`node scripts/build.mjs`) or the program together with the benchmarks (`... bench`).
 *
 * `tsc`, made safe to call often and from several places at once (npm scripts, vitest's global setup, quickstart): one run at
 * a time under flock(1), none when nothing is newer than the last good run, and outputs whose source is gone are removed, so
 * that a worker which no longer exists cannot be started from an old build.
 *
 * The program is then bundled into dist/ (bundle.mjs): each of its threads loads its code anew, and Node takes half as long for
 * one file as for two hundred small modules.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const CACHE = join(ROOT, "node_modules/.cache/mailtwin");
/** What makes dist/ of the compiler's output. */
const BUNDLERS = ["scripts/bundle.mjs", "scripts/licence-notices.mjs"];

/**
 * `outDir` is where the compiler writes.
 *
 * @typedef {{ name: string, project: string, outDir: string, sources: readonly string[], sourceRoot: string }} Target
 */

/** @type {Readonly<Record<"main" | "bench", Target>>} */
const TARGETS = {
  main: {
    name: "main",
    project: "tsconfig.json",
    outDir: "node_modules/.cache/mailtwin/js",
    sources: ["src"],
    sourceRoot: "src",
  },
  bench: {
    name: "bench",
    project: "bench/tsconfig.json",
    outDir: "bench/dist",
    sources: ["src", "bench"],
    sourceRoot: ".",
  },
};

/**
 * Builds unless the last good build is still current. Returns what the compiler or the bundler printed when it failed, else "".
 * A failed build leaves dist/ as it was, or part of it: whoever starts something from there has to stop.
 *
 * @param {"main" | "bench"} name
 * @returns {string}
 */
export function build(name) {
  const target = TARGETS[name];
  const stamp = join(CACHE, `${name}.stamp`);
  if (isCurrent(target, stamp)) return "";
  mkdirSync(CACHE, { recursive: true });
  const startedS = Date.now() / 1000;
  const buildInfo = join(CACHE, `${name}.tsbuildinfo`);
  // An incremental compiler trusts its notes and would not write a lost output again.
  if (outputs(target).some((file) => !existsSync(file))) rmSync(buildInfo, { force: true });
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  const args = ["-p", target.project, "--outDir", target.outDir, "--incremental", "--tsBuildInfoFile", buildInfo];
  const compiled = runLocked(name, [tsc, ...args, "--pretty", "false"]);
  removeOrphans(target);
  if (compiled !== "") return compiled;
  const bundled = name === "main" ? runLocked(name, [join(ROOT, "scripts/bundle.mjs"), target.outDir, "dist"]) : "";
  if (bundled !== "") return bundled;
  writeFileSync(stamp, "");
  utimesSync(stamp, startedS, startedS); // what changed while the compiler ran counts as newer.
  return "";
}

/**
 * Runs a program of Node's, one at a time for a target. Returns what it printed when it failed (never nothing), else "".
 *
 * @param {string} name
 * @param {readonly string[]} args
 * @returns {string}
 */
function runLocked(name, args) {
  const lock = join(CACHE, `${name}.lock`);
  const run = spawnSync("flock", [lock, process.execPath, ...args], { cwd: ROOT, encoding: "utf8" });
  if (run.error !== undefined) throw run.error;
  if (run.status === 0) return "";
  const words = `${run.stdout}${run.stderr}`;
  return words === "" ? `${args[0]} ended with ${run.status ?? run.signal}, without a word\n` : words;
}

/**
 * @param {Target} target
 * @param {string} stamp
 */
function isCurrent(target, stamp) {
  const stampMs = modifiedMs(stamp);
  const inputs = [target.project, "tsconfig.json", "package-lock.json", ...BUNDLERS].map((file) => join(ROOT, file));
  for (const source of target.sources) inputs.push(...walk(join(ROOT, source)));
  // Equal times are not trusted: a file may change twice within a clock tick.
  const products = target.name === "main" ? [join(ROOT, "dist/daemon/cli.js")] : [];
  const isThere = [...outputs(target), ...products].every((file) => existsSync(file));
  return isThere && inputs.every((file) => modifiedMs(file) < stampMs);
}

/** @param {string} file */
function modifiedMs(file) {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/**
 * The directories and files below `directory`, itself included (a removal changes only a directory).
 *
 * @param {string} directory
 * @returns {string[]}
 */
function walk(directory) {
  if (!existsSync(directory)) return [];
  const found = [directory];
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (entry.isDirectory() && entry.name !== "dist" && entry.name !== "node_modules" && entry.name !== "out") {
      found.push(...walk(join(directory, entry.name)));
    } else if (entry.isFile() && entry.name.endsWith(".ts")) found.push(join(directory, entry.name));
  }
  return found;
}

/**
 * The .js file that each source must have.
 *
 * @param {Target} target
 */
function outputs(target) {
  const sources = target.sources.flatMap((source) => walk(join(ROOT, source)));
  return sources
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".d.ts"))
    .map((file) => {
      const below = relative(join(ROOT, target.sourceRoot), file);
      return join(ROOT, target.outDir, below.replace(/\.ts$/, ".js"));
    });
}

/** @param {Target} target */
function removeOrphans(target) {
  const wanted = new Set(outputs(target));
  const outDir = join(ROOT, target.outDir);
  if (!existsSync(outDir)) return;
  for (const entry of readdirSync(outDir, { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath, entry.name);
    const main = file.replace(/(\.d\.ts|\.js\.map|\.js)$/, ".js");
    if (entry.isFile() && !wanted.has(main)) rmSync(file);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const name = process.argv[2] ?? "main";
  if (name !== "main" && name !== "bench") throw new Error(`no such build target: ${name}`);
  const trouble = build(name);
  process.stderr.write(trouble);
  process.exitCode = trouble === "" ? 0 : 1;
}
