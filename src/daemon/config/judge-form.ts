/**
 * What is wrong with the form of a configuration: keys that do not exist or are missing, values of the wrong kind. zod finds it,
 * the words and places are ours.
 *
 * INVARIANT: one wrong value hides no other problem. What is wrong is taken out, and the rest is judged as a whole.
 */
import type * as z from "zod";
import { assert } from "../../base/assert.js";
import { closest } from "./closest.js";
import { formatKey, formatTable, isTable, type KeyPath, type Table, valueAt } from "./key-path.js";
import type { TomlDocument } from "./merge.js";
import { atName, atValue } from "./point-at.js";
import type { ConfigProblem } from "./problem.js";
import {
  configSchema,
  type DraftConfig,
  draftSchema,
  type JsonSchema,
  jsonSchema,
  type WrittenConfig,
} from "./schema.js";

export interface JudgedForm {
  readonly problems: readonly ConfigProblem[];
  /** What is right of it. */
  readonly draft: DraftConfig;
  /** Undefined when there are problems. */
  readonly written: WrittenConfig | undefined;
}

/** Unless `isComplete` something was not read, and what is missing may stand there. */
export function judgeForm(document: TomlDocument, isComplete: boolean): JudgedForm {
  const judged = configSchema.safeParse(document.values);
  const issues = judged.success ? [] : judged.error.issues;
  const draft = draftSchema.safeParse(issues.reduce(takeOut, copyOf(document.values)));
  assert(draft.success, "what is wrong has been taken out");
  if (judged.success) return { problems: [], draft: draft.data, written: judged.data };
  const schema = jsonSchema();
  const told = isComplete ? issues : issues.filter((issue) => !isMissing(issue, document));
  const problems = told.flatMap((issue) => problemsOf(issue, document, schema));
  return { problems, draft: draft.data, written: undefined };
}

type Issue = z.core.$ZodIssue;

function pathOf(issue: Issue): (string | number)[] {
  return issue.path.map((part) => (typeof part === "number" ? part : String(part)));
}

function problemsOf(issue: Issue, document: TomlDocument, schema: JsonSchema): ConfigProblem[] {
  const path = pathOf(issue);
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map((key) => unknownKey([...path, key], document, schema));
    case "invalid_type":
      return [wrongType(path, issue.expected, document, schema)];
    case "invalid_value":
      return [noneOf(path, issue.values.map(String), document)];
    default: {
      const advice: unknown = issue.code === "custom" ? issue.params?.["advice"] : undefined;
      const what = typeof advice === "string" ? advice : "see docs/configuration.md";
      return [atValue(document.located, path, { why: issue.message, advice: what })];
    }
  }
}

function isMissing(issue: Issue, { values }: TomlDocument): boolean {
  return issue.code === "invalid_type" && valueAt(values, pathOf(issue)) === undefined;
}

function unknownKey(path: KeyPath, { values, located }: TomlDocument, schema: JsonSchema): ConfigProblem {
  const key = String(path.at(-1));
  const table = path.slice(0, -1);
  const known = Object.keys(schemaAt(schema, table)?.properties ?? {});
  const isTableHere = isTable(valueAt(values, path));
  const where = table.length === 0 ? "above the tables" : `in ${formatTable(table)}`;
  const why = isTableHere ? "there is no such table" : `there is no such key ${where}`;
  const near = closest(key, known);
  const homes = homesOf(key, schema, []).filter((home) => home !== "");
  const advice =
    near !== undefined
      ? `did you mean ${near}?`
      : homes.length > 0
        ? `it belongs ${homes.join(" or ")}`
        : `known ${table.length === 0 ? "" : "there "}are ${known.join(", ")}`;
  return atName(located, path, { why, advice });
}

/** Where else a key of that name stands. */
function homesOf(key: string, schema: JsonSchema, path: readonly string[]): string[] {
  const { properties = {}, additionalProperties } = schema;
  const here = Object.hasOwn(properties, key)
    ? [path.length === 0 ? "above the tables" : `in [${path.join(".")}]`]
    : [];
  const below = Object.entries(properties).flatMap(([name, inner]) => homesOf(key, inner, [...path, name]));
  const named = typeof additionalProperties === "object" ? homesOf(key, additionalProperties, [...path, "NAME"]) : [];
  return [...here, ...below, ...named];
}

function wrongType(
  path: KeyPath,
  expected: string,
  { values, located }: TomlDocument,
  schema: JsonSchema,
): ConfigProblem {
  const value = valueAt(values, path);
  const last = path.at(-1);
  const example = JSON.stringify(schemaAt(schema, path)?.examples?.[0]);
  const suggestion = typeof last === "string" ? `${formatKey(last)} = ${example}` : example;
  if (value === undefined && typeof last === "string") {
    const table = path.slice(0, -1);
    return atName(located, table, { why: `${formatKey(last)} is missing`, advice: `add ${suggestion}` });
  }
  const isForTable = expected === "object" || expected === "record";
  const wanted = isForTable ? "table" : expected === "array" ? "list" : "text";
  const why = `that is a ${kindOf(value)}, and must be a ${wanted}`;
  return atValue(located, path, {
    why,
    advice: isForTable ? `write it as ${formatTable(path)}` : `write ${suggestion}`,
  });
}

function kindOf(value: unknown): string {
  if (isTable(value)) return "table";
  if (Array.isArray(value)) return "list";
  if (value instanceof Date) return "date";
  return typeof value === "string" ? "text" : typeof value === "boolean" ? "truth value" : "number";
}

function noneOf(path: KeyPath, allowed: readonly string[], { values, located }: TomlDocument): ConfigProblem {
  const value = valueAt(values, path);
  const near = typeof value === "string" ? closest(value, allowed) : undefined;
  const all = allowed.map((word) => JSON.stringify(word)).join(", ");
  const advice = near === undefined ? "write one of them" : `did you mean ${JSON.stringify(near)}?`;
  return atValue(located, path, { why: `that is none of ${all}`, advice });
}

function schemaAt(schema: JsonSchema, path: KeyPath): JsonSchema | undefined {
  let node: JsonSchema | undefined = schema;
  for (const part of path) {
    node = typeof part === "number" ? node?.items : schemaOf(part, node);
  }
  return node;
}

function schemaOf(key: string, schema: JsonSchema | undefined): JsonSchema | undefined {
  const named = schema?.additionalProperties;
  return schema?.properties?.[key] ?? (typeof named === "object" ? named : undefined);
}

interface Mutable {
  [key: string]: unknown;
}

/** Tables are copied, other values are shared. */
function copyOf(table: Table): Mutable {
  return Object.fromEntries(Object.entries(table).map(([key, value]) => [key, isTable(value) ? copyOf(value) : value]));
}

/** A table that is none becomes an empty one, so that its name stays known; a list goes whole. */
function takeOut(from: Mutable, issue: Issue): Mutable {
  const path = pathOf(issue);
  const firstNumber = path.findIndex((part) => typeof part === "number");
  const cut = firstNumber < 0 ? path : path.slice(0, firstNumber);
  const keys = issue.code === "unrecognized_keys" ? issue.keys.map((key) => [...cut, key]) : [cut];
  for (const key of keys) {
    const table = valueAt(from, key.slice(0, -1)) as Mutable | undefined;
    const last = String(key.at(-1));
    if (table === undefined || !Object.hasOwn(table, last)) continue;
    const isForTable = issue.code === "invalid_type" && (issue.expected === "object" || issue.expected === "record");
    if (isForTable) table[last] = {};
    else delete table[last];
  }
  return from;
}
