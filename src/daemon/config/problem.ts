/** What is wrong with a configuration: where, what was read, why it is wrong, what to do. A value; nothing here throws. */
import { UNSAFE_CHARS } from "../../base/raw-name.js";

/** Lines and columns count from 1; columns count UTF-16 units, as editors do. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export interface ConfigProblem {
  /** Without line and column where the whole file is meant. */
  readonly at: Place | { readonly file: string };
  /** What stands there, as it was written, shortened. Empty where the whole file is meant. */
  readonly read: string;
  readonly why: string;
  readonly advice: string;
}

/** "FILE:LINE:COLUMN: what was read: why; what to do", one line, in a form that editors and compilers have. */
export function formatProblem({ at, read, why, advice }: ConfigProblem): string {
  const what = read === "" ? "" : `${read}: `;
  return `${formatPlace(at)}: ${what}${why}; ${advice}`;
}

export function formatPlace(at: ConfigProblem["at"]): string {
  return "line" in at ? `${at.file}:${at.line}:${at.column}` : at.file;
}

/** By file, in the order in which the files were read, then by place. */
export function inOrder(problems: readonly ConfigProblem[], files: readonly string[]): readonly ConfigProblem[] {
  const rank = ({ at }: ConfigProblem): readonly number[] => [
    files.indexOf(at.file),
    ...("line" in at ? [at.line, at.column] : [0, 0]),
  ];
  return problems.toSorted((a, b) => {
    const [ranksOfA, ranksOfB] = [rank(a), rank(b)];
    const differing = ranksOfA.findIndex((value, index) => value !== ranksOfB[index]);
    return differing < 0 ? 0 : (ranksOfA[differing] ?? 0) - (ranksOfB[differing] ?? 0);
  });
}

const READ_CHARS_MAX = 60;

const UNSAFE_RUNS = new RegExp(`(?:${UNSAFE_CHARS.source})+`, "g");

/** Names and paths of the file may stand in words too. */
export function onOneLine(text: string): string {
  return text.replace(UNSAFE_RUNS, " ");
}

/** What was written, fit for one line. */
export function shorten(text: string): string {
  const flat = onOneLine(text).trim();
  return flat.length > READ_CHARS_MAX ? `${flat.slice(0, READ_CHARS_MAX - 1)}…` : flat;
}
