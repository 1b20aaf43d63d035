/** Where in a configuration something stands, as a path of keys; and how that is written and found. */
import type { Located } from "./toml-locate.js";

/** Numbers are places in arrays. */
export type KeyPath = readonly (string | number)[];

/** As TOML writes it: `peer."A B".key`. */
export function formatKeyPath(path: KeyPath): string {
  return path.map((part) => (typeof part === "number" ? `[${part}]` : formatKey(part))).join(".");
}

export function formatTable(path: KeyPath): string {
  return `[${formatKeyPath(path)}]`;
}

export function formatKey(key: string): string {
  return /^[A-Za-z0-9_-]+$/.test(key) ? key : JSON.stringify(key);
}

/** The node at `path`; undefined when nothing stands there. */
export function nodeAt(root: Located, path: KeyPath): Located | undefined {
  let node: Located | undefined = root;
  for (const part of path) node = node?.children.get(String(part));
  return node;
}

/** The node at `path`, or the innermost that there is on the way to it. */
export function nearestNode(root: Located, path: KeyPath): Located {
  for (let length = path.length; length > 0; length -= 1) {
    const node = nodeAt(root, path.slice(0, length));
    if (node !== undefined) return node;
  }
  return root;
}

export function valueAt(root: unknown, path: KeyPath): unknown {
  let value = root;
  for (const part of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Readonly<Record<string | number, unknown>>)[part];
  }
  return value;
}

export type Table = Readonly<Record<string, unknown>>;

export function isTable(value: unknown): value is Table {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}
