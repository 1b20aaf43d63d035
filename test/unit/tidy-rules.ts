/**
 * The house rules that no linter has, as pure functions from the text of a file to what is wrong with it.
 *
 * Each rule names the line, so that a report can be clicked. tidy.test.ts runs them over the tree and proves with
 * planted violations that each of them bites.
 */
import ts from "typescript";

export const FILE_LINES_MAX = 400;
export const FUNCTION_LINES_MAX = 70;

const BANNED_WORDS = /^(Manager|Helper|Util|Handler|Processor)s?$/i;
const CLOCK_CALLS = new Set(["Date.now", "Math.random"]);
const TIMER_NAMES = new Set(["setTimeout", "setInterval"]);

export interface SourceText {
  /** Relative to the repository, with "/". */
  readonly path: string;
  readonly text: string;
}

/** A brand and the only file that may cast to it. */
export type DoorByBrand = ReadonlyMap<string, string>;

/** What is wrong with one TypeScript file, as "path:line: message"; empty when it is tidy. */
export function judgeSource(source: SourceText, doors: DoorByBrand): string[] {
  const file = parse(source);
  const inSrc = source.path.startsWith("src/");
  const found = [...judgeLength(source), ...judgeTodos(source)];
  const report = (node: ts.Node, message: string): void => {
    found.push(`${source.path}:${lineOf(file, node.getStart())}: ${message}`);
  };
  const visit = (node: ts.Node): void => {
    judgeFunction(file, node, source.path.startsWith("test/"), report);
    if (inSrc) {
      judgeName(node, report);
      judgeCast(node, source.path, doors, report);
      if (!source.path.startsWith("src/base/")) judgeClock(node, report);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  if (inSrc) found.push(...judgePath(source.path));
  return found;
}

/** The brands that a file declares: `export type X = Brand<...>`. */
export function brandsOf(source: SourceText): string[] {
  return parse(source)
    .statements.filter((statement) => ts.isTypeAliasDeclaration(statement))
    .filter(({ type }) => ts.isTypeReferenceNode(type) && type.typeName.getText() === "Brand")
    .map((alias) => alias.name.text);
}

type Report = (node: ts.Node, message: string) => void;

function parse(source: SourceText): ts.SourceFile {
  return ts.createSourceFile(source.path, source.text, ts.ScriptTarget.Latest, true);
}

function lineOf(file: ts.SourceFile, position: number): number {
  return file.getLineAndCharacterOfPosition(position).line + 1;
}

function judgeLength({ path, text }: SourceText): string[] {
  const lines = text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
  return lines > FILE_LINES_MAX ? [`${path}:1: ${lines} lines, at most ${FILE_LINES_MAX}: split it by decision`] : [];
}

function judgeTodos({ path, text }: SourceText): string[] {
  const bare = /(?:\/\/|^\s*\/?\*).*\b(?:TODO|FIXME|XXX)\b(?!\(#\d+\))/;
  return text.split("\n").flatMap((line, index) => {
    return bare.test(line) ? [`${path}:${index + 1}: a reminder names its issue, as TODO(#12)`] : [];
  });
}

function judgeFunction(file: ts.SourceFile, node: ts.Node, inTest: boolean, report: Report): void {
  if (!ts.isFunctionLike(node) || !("body" in node) || node.body === undefined) return;
  if (inTest && isDescribing(node)) return;
  const lines = lineOf(file, node.getEnd()) - lineOf(file, node.getStart()) + 1;
  if (lines > FUNCTION_LINES_MAX) report(node, `a function of ${lines} lines, at most ${FUNCTION_LINES_MAX}`);
}

/** A `describe` callback, or a contract suite (`function describeDisk`), only groups tests; each test is measured. */
function isDescribing(node: ts.SignatureDeclaration): boolean {
  if (node.name !== undefined) return /^describe/.test(node.name.getText());
  const call = node.parent;
  return ts.isCallExpression(call) && /^describe/.test(call.expression.getText());
}

function judgeName(node: ts.Node, report: Report): void {
  const isDeclaration =
    ts.isVariableDeclaration(node) ||
    ts.isBindingElement(node) ||
    ts.isParameter(node) ||
    ts.isFunctionLike(node) ||
    ts.isClassLike(node) ||
    ts.isInterfaceDeclaration(node) ||
    ts.isTypeAliasDeclaration(node) ||
    ts.isPropertyDeclaration(node) ||
    ts.isPropertySignature(node);
  if (!isDeclaration || node.name === undefined || ts.isArrayBindingPattern(node.name)) return;
  if (ts.isObjectBindingPattern(node.name)) return;
  const name = node.name.getText();
  const banned = wordsOf(name).find((word) => BANNED_WORDS.test(word));
  if (banned !== undefined) report(node, `the name "${name}" says "${banned}": say what it does`);
}

function judgePath(path: string): string[] {
  const banned = path.split(/[/.-]/).find((word) => BANNED_WORDS.test(word));
  return banned === undefined ? [] : [`${path}:1: the file name says "${banned}": say what it does`];
}

/** "httpRequestHandler" and "MAX_UTILS" as words. */
function wordsOf(name: string): string[] {
  return name.split(/[^A-Za-z]+|(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/).filter((word) => word !== "");
}

function judgeCast(node: ts.Node, path: string, doors: DoorByBrand, report: Report): void {
  if (!ts.isAsExpression(node) && !ts.isTypeAssertionExpression(node)) return;
  const visit = (part: ts.Node): void => {
    if (ts.isIdentifier(part)) {
      const door = doors.get(part.text);
      if (door !== undefined && door !== path) report(node, `a cast to ${part.text}, whose only door is ${door}`);
    }
    ts.forEachChild(part, visit);
  };
  visit(node.type);
}

function judgeClock(node: ts.Node, report: Report): void {
  if (ts.isPropertyAccessExpression(node)) {
    const text = node.getText().replace(/^globalThis\./, "");
    if (CLOCK_CALLS.has(text) || TIMER_NAMES.has(text)) report(node, `${text} outside src/base: take a clock`);
  } else if (ts.isNewExpression(node)) {
    const isNow = node.expression.getText() === "Date" && (node.arguments?.length ?? 0) === 0;
    if (isNow) report(node, "new Date() outside src/base: take a clock");
  } else if (ts.isImportDeclaration(node)) {
    const from = ts.isStringLiteral(node.moduleSpecifier) ? node.moduleSpecifier.text : "";
    if (/^(node:)?timers(\/|$)/.test(from)) report(node, `${from} outside src/base: take a clock`);
  } else if (ts.isIdentifier(node) && TIMER_NAMES.has(node.text) && !isMember(node)) {
    report(node, `${node.text} outside src/base: take a clock`);
  }
}

/** Whether the identifier only names a member (`clock.setTimeout`, `{ setTimeout: ... }`). */
function isMember(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) return parent.name === node;
  return (
    ts.isPropertyAssignment(parent) ||
    ts.isPropertySignature(parent) ||
    ts.isPropertyDeclaration(parent) ||
    ts.isMethodDeclaration(parent) ||
    ts.isMethodSignature(parent)
  );
}

/**
 * What is wrong with docs/invariants.md. A row is `| I-3 | what holds | how enforced | test/unit/x.test.ts |`: its last
 * cell names at least one test file, each of which `exists`; a number stands once.
 */
export function judgeInvariants(page: string, exists: (path: string) => boolean): string[] {
  const seen = new Set<string>();
  const found: string[] = [];
  for (const row of page.split("\n")) {
    const id = /^\|\s*(I-\d+)\s*\|/.exec(row)?.[1];
    if (id === undefined) continue;
    if (seen.has(id)) found.push(`${id} stands twice`);
    seen.add(id);
    const last = row.trim().replace(/\|$/, "").split("|").at(-1) ?? "";
    const files = last.match(/test\/[\w./-]+\.test\.ts/g) ?? [];
    if (files.length === 0) found.push(`${id} names no test file in its last cell`);
    found.push(...files.filter((file) => !exists(file)).map((file) => `${id} names ${file}, which does not exist`));
  }
  return found;
}

/** Places in a text that only mean something on one author's machine. */
export function judgePlaces({ path, text }: SourceText): string[] {
  const private_ = /(?<![\w.$}])\/work\/|\.\.\/shared\b/;
  return text.split("\n").flatMap((line, index) => {
    return private_.test(line) ? [`${path}:${index + 1}: names a directory of one author's machine`] : [];
  });
}
