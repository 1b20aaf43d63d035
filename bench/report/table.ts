/**
 * Pieces of Markdown that every table has. Pure.
 */
import type { ProcessMemory } from "../workloads/workload.js";

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

export function megabytes(bytes: number): string {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}

/** `12 MB` of one process, `source 12 MB, replica 13 MB` of several. */
export function memoryOfEach(memory: readonly ProcessMemory[], of: (each: ProcessMemory) => number): string {
  const [first] = memory;
  if (first !== undefined && memory.length === 1) return megabytes(of(first));
  return memory.map((each) => `${each.name} ${megabytes(of(each))}`).join(", ");
}
