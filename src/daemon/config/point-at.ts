/** Makes problems of places in the tree: the one place that decides where a problem points and how what was read is shown. */
import { formatKey, formatTable, type KeyPath, nearestNode, nodeAt } from "./key-path.js";
import { type ConfigProblem, onOneLine, shorten } from "./problem.js";
import type { Located } from "./toml-locate.js";

interface Words {
  readonly why: string;
  readonly advice: string;
}

/** At the value of a key: `key = "what was written"`. Of a table that is none, at its name. */
export function atValue(root: Located, path: KeyPath, words: Words): ConfigProblem {
  const node = nodeAt(root, path);
  if (node?.value === undefined) return atName(root, path, words);
  const last = path.at(-1);
  const key = typeof last === "string" ? `${formatKey(last)} = ` : "";
  return { at: node.value.at, read: shorten(`${key}${node.value.text}`), ...plain(words) };
}

/** At the name of a key or table. */
export function atName(root: Located, path: KeyPath, words: Words): ConfigProblem {
  const node = nearestNode(root, path);
  if (node.value !== undefined) return { ...atValue(root, path, words), at: node.at };
  return { at: node.at, read: shorten(formatTable(path)), ...plain(words) };
}

function plain({ why, advice }: Words): Words {
  return { why: onOneLine(why), advice: onOneLine(advice) };
}
