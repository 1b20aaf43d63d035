/**
 * Several files become one configuration. A table may be spread over files as TOML spreads it over headers ([store.mail] here,
 * [store.mail.replica.b] there), but nothing may be given twice: which of two values counts would depend on names of files.
 */
import { formatKey, formatTable, isTable, type KeyPath, type Table } from "./key-path.js";
import { type ConfigProblem, formatPlace, shorten } from "./problem.js";
import type { Located } from "./toml-locate.js";

export interface TomlDocument {
  readonly values: Table;
  readonly located: Located;
}

export interface MergedDocument extends TomlDocument {
  readonly problems: readonly ConfigProblem[];
}

/** `documents`: in the order of their files, at least one. What is given twice has the first value. */
export function mergeDocuments(documents: readonly TomlDocument[], empty: Located): MergedDocument {
  const problems: ConfigProblem[] = [];
  const merged = documents.reduce((first, second) => mergeTables(first, second, [], problems), {
    values: {},
    located: empty,
  });
  return { ...merged, problems };
}

function mergeTables(
  first: TomlDocument,
  second: TomlDocument,
  path: KeyPath,
  problems: ConfigProblem[],
): TomlDocument {
  const values: Record<string, unknown> = { ...first.values };
  const children = new Map(first.located.children);
  for (const [key, node] of second.located.children) {
    const known = children.get(key);
    const [mine, theirs] = [values[key], second.values[key]];
    if (known === undefined) {
      values[key] = theirs;
      children.set(key, node);
    } else if (isTable(mine) && isTable(theirs) && mayBeMerged(known, node)) {
      const merged = mergeTables(
        { values: mine, located: known },
        { values: theirs, located: node },
        [...path, key],
        problems,
      );
      values[key] = merged.values;
      children.set(key, merged.located);
    } else problems.push(twice([...path, key], known, node));
  }
  const whole = second.located.isWhole ? second.located : first.located;
  return { values, located: { at: whole.at, value: undefined, isWhole: whole.isWhole, children } };
}

/** An inline table is closed, as in one file. */
function mayBeMerged(first: Located, second: Located): boolean {
  return !(first.isWhole && second.isWhole) && first.value === undefined && second.value === undefined;
}

function twice(path: KeyPath, first: Located, second: Located): ConfigProblem {
  const last = path.at(-1);
  const read = second.value === undefined ? formatTable(path) : `${formatKey(String(last))} = ${second.value.text}`;
  const why = `it is given in ${formatPlace(first.at)} too`;
  return { at: second.at, read: shorten(read), why, advice: "keep one of the two" };
}
