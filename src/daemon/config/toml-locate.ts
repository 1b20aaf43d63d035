/**
 * Where each key of a TOML text stands: smol-toml tells the values only, and a problem is of use with its line.
 *
 * INVARIANT: the tree has exactly the keys of what smol-toml makes of the same text, the elements of arrays under "0", "1", ...;
 * the text of a value reads as that value. test/property/daemon/config-locate.test.ts compares them.
 */
import { assert } from "../../base/assert.js";
import type { Place } from "./problem.js";
import { TomlScan, type Word } from "./toml-scan.js";

export interface Located {
  /** The key; of an element of an array, the value. */
  readonly at: Place;
  /** The value as it was written; undefined of a table that only headers or dotted keys make. */
  readonly value: { readonly at: Place; readonly text: string } | undefined;
  /** Whether this text gives the whole table: by its header, or as a value. Others may be added to key by key. */
  readonly isWhole: boolean;
  readonly children: ReadonlyMap<string, Located>;
}

interface Growing {
  at: Place;
  value: Located["value"];
  isWhole: boolean;
  /** Array of tables: the last element is the one that headers go on with. */
  isTableArray: boolean;
  readonly children: Map<string, Growing>;
}

/** `text`: one that smol-toml accepts, with a bounded depth. */
export function locate(text: string, file: string): Located {
  const placeOf = placesIn(text, file);
  const scan = new TomlScan(text);
  const root = grow(placeOf(0));
  let table = root;
  for (scan.skipVoid(); !scan.isAtEnd(); scan.skipVoid()) {
    if (scan.takes("[")) table = readHeader(scan, root, placeOf);
    else readPair(scan, table, placeOf);
  }
  return root;
}

type PlaceOf = (offset: number) => Place;

function grow(at: Place): Growing {
  return { at, value: undefined, isWhole: false, isTableArray: false, children: new Map() };
}

function readHeader(scan: TomlScan, root: Growing, placeOf: PlaceOf): Growing {
  const isArray = scan.takes("[");
  const { parent, last } = descend(root, scan.key(), placeOf);
  scan.takes(isArray ? "]]" : "]");
  const named = childOf(parent, last, placeOf);
  if (!isArray) {
    named.at = placeOf(last.start);
    named.isWhole = true;
    return named;
  }
  named.isTableArray = true;
  named.isWhole = true;
  const element = grow(placeOf(last.start));
  element.isWhole = true;
  named.children.set(String(named.children.size), element);
  return element;
}

function readPair(scan: TomlScan, table: Growing, placeOf: PlaceOf): void {
  const { parent, last } = descend(table, scan.key(), placeOf);
  scan.takes("=");
  readValue(scan, childOf(parent, last, placeOf), placeOf);
}

function readValue(scan: TomlScan, into: Growing, placeOf: PlaceOf): void {
  scan.skipSpaces();
  const start = scan.offset;
  if (scan.takes("[")) readArray(scan, into, placeOf);
  else if (scan.takes("{")) readInlineTable(scan, into, placeOf);
  else scan.scalar();
  into.value = { at: placeOf(start), text: scan.text.slice(start, scan.offset) };
  into.isWhole = true;
}

function readArray(scan: TomlScan, into: Growing, placeOf: PlaceOf): void {
  for (scan.skipVoid(); !scan.takes("]"); scan.skipVoid()) {
    const element = grow(placeOf(scan.offset));
    into.children.set(String(into.children.size), element);
    readValue(scan, element, placeOf);
    scan.skipVoid();
    scan.takes(",");
  }
}

function readInlineTable(scan: TomlScan, into: Growing, placeOf: PlaceOf): void {
  for (scan.skipVoid(); !scan.takes("}"); scan.skipVoid()) {
    readPair(scan, into, placeOf);
    scan.skipVoid();
    scan.takes(",");
  }
}

/** To the table that holds the last part of a key. */
function descend(from: Growing, key: readonly Word[], placeOf: PlaceOf): { parent: Growing; last: Word } {
  const last = key.at(-1);
  assert(last !== undefined, "a key has a part");
  let parent = from;
  for (const part of key.slice(0, -1)) {
    parent = childOf(parent, part, placeOf);
    if (parent.isTableArray) parent = lastOf(parent);
  }
  return { parent, last };
}

function childOf(parent: Growing, { text, start }: Word, placeOf: PlaceOf): Growing {
  const known = parent.children.get(text);
  if (known !== undefined) return known;
  const made = grow(placeOf(start));
  parent.children.set(text, made);
  return made;
}

function lastOf(array: Growing): Growing {
  const last = array.children.get(String(array.children.size - 1));
  assert(last !== undefined, "an array of tables has an element");
  return last;
}

/** Offsets come in any order. */
export function placesIn(text: string, file: string): PlaceOf {
  const starts = [0];
  for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", end + 1)) starts.push(end + 1);
  return (offset) => {
    let [low, high] = [0, starts.length];
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle;
    }
    return { file, line: low + 1, column: offset - (starts[low] ?? 0) + 1 };
  };
}
