/**
 * Bundles compiled modules (`node scripts/bundle.mjs FROM TO`): the command line and each `*-worker.js` keep their paths, what
 * they share goes to TO/shared/. Dependencies stay where npm put them, except the one that is many small modules itself.
 *
 * A worker is addressed relative to the module that starts it: all rooms and shared/ are one level deep, so "../log/x-worker.js"
 * is right from each of them.
 */
import { readdirSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { rolldown } from "rolldown";

const [from = "", to = ""] = process.argv.slice(2);
const files = readdirSync(from, { recursive: true, encoding: "utf8" });
const entries = files.filter((file) => file === "daemon/cli.js" || file.endsWith("-worker.js"));
const bundle = await rolldown({
  input: Object.fromEntries(entries.map((file) => [file.replace(/\.js$/, ""), join(from, file)])),
  platform: "node",
  // Of packages, and not of files.
  external: (id) => /^[@a-z]/.test(id) && !id.startsWith("@bufbuild/protobuf"),
});
const { output } = await bundle.write({
  dir: to,
  format: "esm",
  sourcemap: true,
  entryFileNames: "[name].js",
  chunkFileNames: "shared/[name].js",
});
await bundle.close();

const written = new Set(output.map(({ fileName }) => fileName));
for (const entry of readdirSync(to, { recursive: true, withFileTypes: true })) {
  const file = join(entry.parentPath, entry.name);
  if (entry.isFile() && !written.has(relative(to, file))) rmSync(file);
}
