/**
 * From the texts of a configuration to its values, or to all that is wrong with it at once. Pure: no file is read here.
 */
import { parse, TomlError } from "smol-toml";
import { type Config, type Defaults, makeConfig } from "./config.js";
import { defaultControl, defaultStateDir, type Surroundings } from "./default-places.js";
import { judgeForm } from "./judge-form.js";
import { judgeNames } from "./judge-names.js";
import { judgePaths } from "./judge-paths.js";
import { mergeDocuments, type TomlDocument } from "./merge.js";
import { type ConfigProblem, inOrder, shorten } from "./problem.js";
import { type Located, locate } from "./toml-locate.js";

export interface ConfigText {
  readonly file: string;
  readonly text: string;
}

export type JudgedConfig =
  | { readonly kind: "right"; readonly config: Config; readonly located: Located }
  | {
      readonly kind: "wrong";
      readonly problems: readonly ConfigProblem[];
      readonly control: string;
      readonly stateDir: string;
    };

export interface ReadConfig {
  /** All files, the main one first, also those that could not be read. */
  readonly files: readonly string[];
  readonly texts: readonly ConfigText[];
  /** What is wrong with files as such. */
  readonly problems: readonly ConfigProblem[];
}

/** Deeper than any table that is known; an array of arrays of a hostile file ends here. */
const DEPTH_MAX = 16;

export function judgeConfig({ files, texts, problems: unread }: ReadConfig, surroundings: Surroundings): JudgedConfig {
  const parsed = texts.map(parseText);
  const documents = parsed.flatMap((one) => (one.document === undefined ? [] : [one.document]));
  const problems = [...unread, ...parsed.flatMap((one) => (one.kind === "problem" ? [one.problem] : []))];
  const main = files[0] ?? "";
  const empty: Located = {
    at: { file: main, line: 1, column: 1 },
    value: undefined,
    isWhole: false,
    children: new Map(),
  };
  const merged = mergeDocuments(documents, empty);
  const isComplete = problems.length === 0; // else what seems to be missing, or nobody's, may stand in what was not read.
  const form = judgeForm(merged, isComplete);
  const stateDir = form.draft.state_dir ?? defaultStateDir(surroundings);
  problems.push(...merged.problems, ...form.problems);
  if (stateDir === undefined && isComplete) problems.push(stateless(main));
  const defaults: Defaults = { stateDir: stateDir ?? "/", control: defaultControl(surroundings, stateDir ?? "/") };
  if (isComplete) problems.push(...judgeNames(form.draft, merged.located));
  const hasDefaults = isComplete && stateDir !== undefined;
  problems.push(...judgePaths(form.draft, merged.located, hasDefaults ? defaults : undefined));
  if (problems.length > 0 || form.written === undefined)
    return {
      ...{ kind: "wrong", problems: inOrder(problems, files), stateDir: defaults.stateDir },
      control: form.draft.control ?? defaults.control,
    };
  return { kind: "right", config: makeConfig(form.written, defaults), located: merged.located };
}

function stateless(file: string): ConfigProblem {
  const why = "state_dir is missing, and without a home directory there is no default";
  return { at: { file }, read: "", why, advice: 'add state_dir = "/path"' };
}

type Parsed =
  | { readonly kind: "document"; readonly document: TomlDocument }
  /** `document`: of what stands above the problem, as far as it can be read. */
  | { readonly kind: "problem"; readonly problem: ConfigProblem; readonly document: TomlDocument | undefined };

function parseText({ file, text }: ConfigText): Parsed {
  try {
    return { kind: "document", document: documentOf({ file, text }) };
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const { line, column } = error;
    const [first = ""] = error.message.split("\n");
    const why = first.replace(/^Invalid TOML document: /, "").replace(/\.$/, "");
    const read = shorten(text.split("\n")[line - 1] ?? "");
    const advice = 'write it as TOML has it: key = "text" with quotes, each key and table once';
    const problem = { at: { file, line, column }, read, why: `that is no TOML: ${why}`, advice };
    return { kind: "problem", problem, document: headOf({ file, text }, line) };
  }
}

/** Throws: TomlError. */
function documentOf({ file, text }: ConfigText): TomlDocument {
  return { values: parse(text, { maxDepth: DEPTH_MAX, unsafeKeyBehaviour: "throw" }), located: locate(text, file) };
}

const TABLE_HEADER = /^[ \t]*\[/;
const PLACES: ReadonlySet<string> = new Set(["state_dir", "control"]);

/**
 * Where the state and the socket are, as it stands above the first table and above the line that is no TOML. A daemon may run with what
 * this file said before; it is to be found. Undefined where what stands there is no TOML by itself: the mistake begins in it.
 */
function headOf({ file, text }: ConfigText, badLine: number): TomlDocument | undefined {
  const above = text.split("\n").slice(0, badLine - 1);
  const firstTable = above.findIndex((line) => TABLE_HEADER.test(line));
  const head = firstTable < 0 ? above : above.slice(0, firstTable);
  try {
    const { values, located } = documentOf({ file, text: head.map((line) => `${line}\n`).join("") });
    return {
      values: Object.fromEntries(Object.entries(values).filter(([key]) => PLACES.has(key))),
      located: { ...located, children: new Map([...located.children].filter(([key]) => PLACES.has(key))) },
    };
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    return undefined;
  }
}
