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
  | { readonly kind: "right"; readonly config: Config }
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
  const documents = parsed.flatMap((one) => (one.kind === "document" ? [one.document] : []));
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
  return { kind: "right", config: makeConfig(form.written, defaults) };
}

function stateless(file: string): ConfigProblem {
  const why = "state_dir is missing, and without a home directory there is no default";
  return { at: { file }, read: "", why, advice: 'add state_dir = "/path"' };
}

type Parsed =
  | { readonly kind: "document"; readonly document: TomlDocument }
  | { readonly kind: "problem"; readonly problem: ConfigProblem };

function parseText({ file, text }: ConfigText): Parsed {
  try {
    const values = parse(text, { maxDepth: DEPTH_MAX, unsafeKeyBehaviour: "throw" });
    return { kind: "document", document: { values, located: locate(text, file) } };
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const { line, column } = error;
    const [first = ""] = error.message.split("\n");
    const why = first.replace(/^Invalid TOML document: /, "").replace(/\.$/, "");
    const read = shorten(text.split("\n")[line - 1] ?? "");
    const advice = 'write it as TOML has it: key = "text" with quotes, each key and table once';
    return { kind: "problem", problem: { at: { file, line, column }, read, why: `that is no TOML: ${why}`, advice } };
  }
}
