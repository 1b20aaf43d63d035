/**
 * Reads the error catalogues of the rooms (src/ROOM/errors.ts or x-errors.ts) and renders docs/errors.md from them.
 *
 * An entry of a catalogue is a property whose value is an object literal with `disposition`, `exitCode` and `hint`
 * (or the tuple of these three, the short form of base/errors.ts); its doc comment is the operator's page of that code.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";

const CATALOGUE_FILE = /^(?:[a-z-]+-)?errors\.ts$/;

/** @typedef {{ code: string, room: string, disposition: string, exitCode: string, hint: string, doc: string }} ErrorEntry */

/**
 * All entries of all rooms, by room and then by code.
 *
 * @param {string} root
 * @returns {ErrorEntry[]}
 */
export function readCatalogues(root) {
  const exits = exitNumbers(readFileSync(join(root, "src/base/errors.ts"), "utf8"));
  const rooms = readdirSync(join(root, "src"), { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return rooms
    .map(({ name }) => name)
    .sort()
    .flatMap((room) =>
      readdirSync(join(root, "src", room))
        .filter((file) => CATALOGUE_FILE.test(file))
        .flatMap((file) => catalogueOf(readFileSync(join(root, "src", room, file), "utf8"), room, exits))
        .sort((a, b) => (a.code < b.code ? -1 : 1)),
    );
}

/**
 * The entries of one catalogue, sorted by code.
 *
 * @param {string} source
 * @param {string} room
 * @param {ReadonlyMap<string, number>} exits
 * @returns {ErrorEntry[]}
 */
export function catalogueOf(source, room, exits) {
  /** @type {ErrorEntry[]} */
  const entries = [];
  const file = ts.createSourceFile("errors.ts", source, ts.ScriptTarget.Latest, true);
  /** @param {ts.Node} node */
  const visit = (node) => {
    if (ts.isPropertyAssignment(node)) {
      const parts = partsOf(node.initializer);
      if (parts !== undefined) {
        const exit = /^EX\.(\w+)$/.exec(parts.exitCode)?.[1] ?? "";
        const exitCode = exits.has(exit) ? `${exits.get(exit)} (EX_${exit})` : parts.exitCode;
        entries.push({ code: codeOf(node.name), room, ...parts, exitCode, doc: docOf(node) });
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return entries.sort((a, b) => (a.code < b.code ? -1 : 1));
}

const DAEMON_HINTS_FILE = "src/daemon/run/daemon-hints.ts";

/**
 * What a daemon says to do, by code, where that is not what a command says.
 *
 * @param {string} root
 * @returns {Map<string, string>}
 */
export function readDaemonHints(root) {
  const source = readFileSync(join(root, DAEMON_HINTS_FILE), "utf8");
  const file = ts.createSourceFile("daemon-hints.ts", source, ts.ScriptTarget.Latest, true);
  /** @type {Map<string, string>} */
  const hints = new Map();
  /** @type {Map<string, string>} */
  const constants = new Map();
  for (const statement of file.statements) {
    if (!ts.isVariableStatement(statement)) continue;
    for (const { name, initializer } of statement.declarationList.declarations) {
      if (initializer === undefined || !ts.isIdentifier(name)) continue;
      if (ts.isStringLiteralLike(initializer)) constants.set(name.text, initializer.text);
      if (name.text !== "DAEMON_HINTS" || !ts.isObjectLiteralExpression(initializer)) continue;
      for (const property of initializer.properties)
        if (ts.isPropertyAssignment(property))
          hints.set(codeOf(property.name), filledIn(property.initializer, constants));
    }
  }
  return hints;
}

/**
 * A text, with the constants of its file that stand in it.
 *
 * @param {ts.Expression} node
 * @param {ReadonlyMap<string, string>} constants
 */
function filledIn(node, constants) {
  if (!ts.isTemplateExpression(node)) return textOf(node);
  const parts = node.templateSpans.map(({ expression, literal }) => {
    const value = constants.get(expression.getText());
    if (value === undefined) throw new Error(`${DAEMON_HINTS_FILE}: what is ${expression.getText()}?`);
    return value + literal.text;
  });
  return node.head.text + parts.join("");
}

/** @param {ts.PropertyName} name */
function codeOf(name) {
  return ts.isStringLiteral(name) || ts.isIdentifier(name) ? name.text : name.getText();
}

/** @param {ts.Expression} value */
function partsOf(value) {
  const inner = ts.isAsExpression(value) || ts.isSatisfiesExpression(value) ? value.expression : value;
  if (ts.isArrayLiteralExpression(inner) && inner.elements.length === 3) {
    const [disposition, exitCode, hint] = inner.elements;
    if (disposition === undefined || exitCode === undefined || hint === undefined) return undefined;
    if (!ts.isStringLiteral(disposition)) return undefined;
    return { disposition: disposition.text, exitCode: exitCode.getText(), hint: textOf(hint) };
  }
  if (!ts.isObjectLiteralExpression(inner)) return undefined;
  /** @type {Map<string, ts.Expression>} */
  const values = new Map();
  for (const property of inner.properties) {
    if (ts.isPropertyAssignment(property)) values.set(codeOf(property.name), property.initializer);
  }
  const [disposition, exitCode, hint] = [values.get("disposition"), values.get("exitCode"), values.get("hint")];
  if (disposition === undefined || exitCode === undefined || hint === undefined) return undefined;
  return { disposition: textOf(disposition), exitCode: exitCode.getText(), hint: textOf(hint) };
}

/**
 * The text of a string expression: literals and their sums; anything else as it is written.
 *
 * @param {ts.Expression} node
 * @returns {string}
 */
function textOf(node) {
  if (ts.isStringLiteralLike(node)) return node.text;
  if (ts.isAsExpression(node) || ts.isParenthesizedExpression(node)) return textOf(node.expression);
  if (ts.isBinaryExpression(node)) return textOf(node.left) + textOf(node.right);
  return node.getText();
}

/** @param {ts.Node} node */
function docOf(node) {
  const [doc] = ts.getJSDocCommentsAndTags(node);
  const comment = doc !== undefined && ts.isJSDoc(doc) ? ts.getTextOfJSDocComment(doc.comment) : undefined;
  return (comment ?? "").replace(/\s*\n\s*/g, " ").trim();
}

/**
 * The numbers of `EX` in base/errors.ts.
 *
 * @param {string} source
 * @returns {Map<string, number>}
 */
export function exitNumbers(source) {
  return new Map(
    [...source.matchAll(/^ {2}([A-Z]+): (\d+),$/gm)].map(([, name = "", number]) => [name, Number(number)]),
  );
}

/** @type {Readonly<Record<string, string>>} */
const MEANINGS = {
  retry: "it passes by itself: mailtwin tries again",
  resync: "the two sides are compared and brought together again, by itself",
  operator: "a person has to do something",
  bug: "a defect of mailtwin: please report it",
};

/**
 * The whole page.
 *
 * @param {readonly ErrorEntry[]} entries
 * @param {ReadonlyMap<string, string>} daemonHints
 * @returns {string}
 */
export function renderErrorsPage(entries, daemonHints = new Map()) {
  const lines = [
    "# Errors",
    "",
    "Generated from the rooms' `errors.ts` and `daemon-hints.ts` by `npm run generate`; edit there. What the disposition of an error says:",
    "",
    ...Object.entries(MEANINGS).map(([disposition, meaning]) => `- **${disposition}**: ${meaning}.`),
  ];
  let room = "";
  for (const entry of entries) {
    if (entry.room !== room) lines.push("", `## ${entry.room}`);
    room = entry.room;
    lines.push("", `### ${entry.code}`, "", `Disposition: **${entry.disposition}**. Exit code: ${entry.exitCode}.`);
    if (entry.doc !== "") lines.push("", entry.doc);
    lines.push("", `What to do: ${entry.hint}`);
    const daemonHint = daemonHints.get(entry.code);
    if (daemonHint !== undefined) lines.push("", `What to do where a daemon says it: ${daemonHint}`);
  }
  return `${lines.join("\n")}\n`;
}
