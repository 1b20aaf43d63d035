/**
 * Finds the repository from wherever this file runs (as source in tests, compiled from bench/dist).
 */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

/** The nearest directory above this file that holds package.json. */
export function findRepository(): string {
  for (let path = import.meta.dirname; path !== dirname(path); path = dirname(path)) {
    if (existsSync(join(path, "package.json"))) return path;
  }
  throw new Error(`no package.json above ${import.meta.dirname}`);
}
