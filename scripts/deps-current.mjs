/**
 * Exits 0 if node_modules is what package-lock.json asks for, else 1: `npm ci` is needed then, and only then.
 *
 * npm keeps its own note of what it installed; package by package it must have the same version and checksum. Optional
 * packages (other platforms' binaries) may be absent.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** @param {string} path */
function packagesOf(path) {
  try {
    const lock = JSON.parse(readFileSync(fileURLToPath(new URL(`../${path}`, import.meta.url)), "utf8"));
    return /** @type {Record<string, { version?: string, integrity?: string, optional?: boolean }>} */ (lock.packages);
  } catch {
    return undefined; // absent or unreadable: not current.
  }
}

const wanted = packagesOf("package-lock.json");
const present = packagesOf("node_modules/.package-lock.json");
const isCurrent =
  wanted !== undefined &&
  present !== undefined &&
  Object.entries(wanted).every(([path, entry]) => {
    const installed = present[path];
    if (path === "") return true;
    if (installed === undefined) return entry.optional === true;
    return installed.version === entry.version && installed.integrity === entry.integrity;
  });
process.exitCode = isCurrent ? 0 : 1;
