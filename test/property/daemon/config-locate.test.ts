/**
 * The locator against smol-toml: it finds the same keys, and each where the text has it. Texts are made of tables, dotted keys,
 * inline tables and strings in all their forms; those that smol-toml refuses are none.
 */
import { fc, test } from "@fast-check/vitest";
import { parse } from "smol-toml";
import { describe, expect } from "vitest";
import { isTable } from "../../../src/daemon/config/key-path.js";
import { type Located, locate } from "../../../src/daemon/config/toml-locate.js";
import { tries } from "../tries.js";

const space = fc.constantFrom("", " ", "\t", "  ");
const lineEnd = fc.constantFrom("\n", "\r\n", ' # a [comment] = "x\n', "\n\n \t\n", "\n# '''\n");
const void_ = fc.constantFrom("", " ", "\n", ' # ] } , """ \n ', "\r\n\t");

const keyPart = fc.oneof(
  fc.constantFrom("a", "b", "c", "1", "-", "a-b_c"),
  fc.constantFrom('"a"', "'b'", '"x.y"', '"[c]"', "'#'", '"\\u0061\\""', '""', "'\"'", '"é"', '"]"', "'='"),
);
const key = fc
  .tuple(fc.array(keyPart, { minLength: 1, maxLength: 3 }), space, space)
  .map(([parts, before, after]) => parts.join(`${before}.${after}`));

const scalar = fc.constantFrom(
  ...["1", "-0x1f", "1_000", "3.5e2", "inf", "true", "false", "07:32:00", "1979-05-27", "1979-05-27 07:32:00Z"].slice(
    2,
  ),
  ...['""', '"a\\"b"', '"#"', '"\\\\"', "''", "'\\'", "'\"'", '"]},="', '"\ud83d\ude00"'],
  ...['"""a"""', '"""\n"x" ""y"" \\""" """', '"""a"""""', '"""\\\n  b"""', '""""a" """', '"""\\\\"""', '""""""'],
  ...["'''a'''", "'''\n''x'''''", "'''\\'''", "'''# [x]\n= '''", "''''''"],
);

const { value } = fc.letrec<{ value: string; list: string; inline: string }>((tie) => ({
  value: fc.oneof({ maxDepth: 3, depthSize: "small" }, scalar, tie("list"), tie("inline")),
  list: fc
    .tuple(fc.array(fc.tuple(void_, tie("value"), void_), { maxLength: 3 }), fc.boolean(), void_)
    .map(([elements, hasComma, end]) => {
      const inner = elements.map(([before, element, after]) => `${before}${element}${after}`).join(",");
      return `[${inner}${hasComma && elements.length > 0 ? "," : ""}${end}]`;
    }),
  inline: fc
    .tuple(fc.array(fc.tuple(space, key, space, tie("value"), space), { maxLength: 3 }))
    .map(([pairs]) => `{${pairs.map(([a, name, b, inner, c]) => `${a}${name}${b}=${b}${inner}${c}`).join(",")}}`),
}));

const statement = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(key, space, value).map(([name, gap, what]) => `${name}${gap}=${gap}${what}`) },
  { weight: 2, arbitrary: fc.tuple(space, key).map(([gap, name]) => `[${gap}${name}${gap}]`) },
  { weight: 1, arbitrary: fc.tuple(space, key).map(([gap, name]) => `[[${gap}${name}${gap}]]`) },
);

/** One statement after the other, as long as smol-toml takes the text. */
const document = fc
  .tuple(void_, fc.array(fc.tuple(space, statement, lineEnd), { maxLength: 12 }))
  .map(([start, statements]) =>
    statements.reduce<string>((text, [indent, words, end]) => {
      const longer = `${text}${/(?:^|\n)$/.test(text) ? indent : `\n${indent}`}${words}${end}`;
      return isToml(longer) ? longer : text;
    }, start),
  );

function isToml(text: string): boolean {
  try {
    parse(text);
    return true;
  } catch {
    return false;
  }
}

type Tree = { readonly [key: string]: Tree } | "value";

function treeOfValues(value: unknown): Tree {
  if (!isTable(value) && !Array.isArray(value)) return "value";
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, treeOfValues(inner)]));
}

function treeOfPlaces(node: Located, value: unknown): Tree {
  if (!isTable(value) && !Array.isArray(value)) {
    expect(node.children.size).toBe(0);
    return "value";
  }
  const inner = value as Readonly<Record<string, unknown>>;
  return Object.fromEntries([...node.children].map(([name, child]) => [name, treeOfPlaces(child, inner[name])]));
}

function offsetOf(text: string, { line, column }: { readonly line: number; readonly column: number }): number {
  const before = text.split("\n").slice(0, line - 1);
  return before.reduce((sum, { length }) => sum + length + 1, 0) + column - 1;
}

/** Visits every key with its place. */
function visit(node: Located, value: unknown, see: (name: string, child: Located, value: unknown) => void): void {
  for (const [name, child] of node.children) {
    const inner = (value as Readonly<Record<string, unknown>>)[name];
    see(name, child, inner);
    visit(child, inner, see);
  }
}

function startsWithKey(text: string, name: string): boolean {
  const [written = ""] = /^(?:"(?:\\.|[^"\\])*"|'[^']*'|[A-Za-z0-9_-]+)/.exec(text) ?? [];
  return written !== "" && Object.keys(parse(`${written} = 1`))[0] === name;
}

describe("of any TOML", () => {
  test.prop([document], tries(400))("the same keys are found as smol-toml has", (text) => {
    const values = parse(text);
    expect(treeOfPlaces(locate(text, "f"), values)).toStrictEqual(treeOfValues(values));
  });

  test.prop([document], tries(400))("each value stands where it is said to, and so does its key", (text) => {
    visit(locate(text, "f"), parse(text), (name, node, value) => {
      if (node.value !== undefined) {
        expect(text.startsWith(node.value.text, offsetOf(text, node.value.at))).toBe(true);
        expect(parse(`x = ${node.value.text}`)["x"]).toStrictEqual(value);
      }
      const isElement = node.value !== undefined && offsetOf(text, node.at) === offsetOf(text, node.value.at);
      const isOfTables = /^\d+$/.test(name) && node.value === undefined; // its place is the name in its header.
      if (!isElement && !isOfTables) expect(startsWithKey(text.slice(offsetOf(text, node.at)), name)).toBe(true);
    });
  });

  test.prop([fc.array(fc.oneof(key, value, fc.constantFrom(..."[]{}=.,#\n\"' ")), { maxLength: 20 })], tries(2000))(
    "whatever smol-toml takes is located",
    (tokens) => {
      const text = tokens.join("");
      if (!isToml(text)) return;
      const values = parse(text);
      expect(treeOfPlaces(locate(text, "f"), values)).toStrictEqual(treeOfValues(values));
    },
  );
});

test("a text of the largest size is located", () => {
  const long = "x\\n".repeat(300_000);
  for (const text of [`a = """${long}"""`, `a = "${long}"`, `a = '''${long}'''`, `a = [${"1,".repeat(300_000)}]`]) {
    expect(locate(text, "f").children.get("a")?.value?.text).toBe(text.slice(4));
  }
});
