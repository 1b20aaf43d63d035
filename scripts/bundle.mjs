/**
 * Bundles compiled modules (`node scripts/bundle.mjs FROM TO`): each `*-worker.js` becomes one file at the same path, the
 * command line keeps its path, and what it loads late goes to TO/shared/.
 *
 * Each entry is bundled by itself: threads share no code in memory, and one file with only what its thread uses loads fastest.
 * Packages of many small modules are taken in, and TO/THIRD-PARTY-LICENSES.txt carries their notices. Those with native code,
 * and those that few runs load, stay where npm put them.
 *
 * A worker is addressed relative to the module that starts it: all rooms and shared/ are one level deep, so "../log/x-worker.js"
 * is right from each of them.
 */
import { chmodSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { join, relative } from "node:path";
import { rolldown } from "rolldown";
import { noticesOf } from "./licence-notices.mjs";

const OUTSIDE = /^(?:@peculiar\/x509|@photostructure\/sqlite|cli-progress|pino|reflect-metadata)$/;
const NOTICES = "THIRD-PARTY-LICENSES.txt";

const [from = "", to = ""] = process.argv.slice(2);
const files = readdirSync(from, { recursive: true, encoding: "utf8" });
const entries = files.filter((file) => file === "daemon/cli.js" || file.endsWith("-worker.js"));
const written = new Set([NOTICES]);
/** @type {Set<string>} */
const modules = new Set();
for (const entry of entries) {
  for (const chunk of await bundle(entry)) {
    written.add(chunk.fileName);
    if (chunk.type === "chunk") for (const id of chunk.moduleIds) modules.add(id);
  }
}
chmodSync(join(to, "daemon/cli.js"), 0o755); // so that a link to it is a command.
writeFileSync(join(to, NOTICES), noticesOf(modules));

for (const entry of readdirSync(to, { recursive: true, withFileTypes: true })) {
  const file = join(entry.parentPath, entry.name);
  if (entry.isFile() && !written.has(relative(to, file))) rmSync(file);
}

/** @param {string} entry */
async function bundle(entry) {
  const building = await rolldown({
    input: { [entry.replace(/\.js$/, "")]: join(from, entry) },
    platform: "node",
    external: (id) => isBuiltin(id) || OUTSIDE.test(id),
    // node:crypto takes 2 ms to load in a thread that does not hash. reflect-metadata is imported for what it does as it loads.
    treeshake: {
      moduleSideEffects: [
        { test: /^reflect-metadata$/, sideEffects: true },
        { external: true, sideEffects: false },
      ],
    },
  });
  const { output } = await building.write({
    dir: to,
    format: "esm",
    sourcemap: true,
    entryFileNames: "[name].js",
    // Two entries must not write to one file.
    ...(entry.endsWith("-worker.js") ? { codeSplitting: false } : { chunkFileNames: "shared/[name].js" }),
  });
  await building.close();
  return output;
}
