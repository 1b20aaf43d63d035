/**
 * House rules over the whole tree: what git tracks or would track. The second half plants a violation of each rule,
 * since a rule that finds nothing proves nothing.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { catalogueOf, exitNumbers, readCatalogues, renderErrorsPage } from "../../scripts/error-catalogue.mjs";
import { rewriteWorkerUrls } from "../../scripts/worker-urls.mjs";
import {
  brandsOf,
  type DoorByBrand,
  judgeInvariants,
  judgePlaces,
  judgeSource,
  type SourceText,
} from "./tidy-rules.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

interface LockFile {
  readonly packages: Readonly<Record<string, { readonly optionalDependencies?: Readonly<Record<string, string>> }>>;
}

function read(path: string): SourceText {
  return { path, text: readFileSync(join(ROOT, path), "utf8") };
}

/** Tracked, or new and not ignored; without what was removed but is still in the index. */
function listFiles(): string[] {
  const args = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
  const files = execFileSync("git", args, { cwd: ROOT, encoding: "utf8" }).split("\0");
  return [...new Set(files)].filter((path) => path !== "" && existsSync(join(ROOT, path))).sort();
}

function doorsOf(sources: readonly SourceText[]): DoorByBrand {
  return new Map(sources.flatMap((source) => brandsOf(source).map((brand) => [brand, source.path] as const)));
}

const files = listFiles();
const sources = files
  .filter((path) => /^(src|test|bench|scripts)\/.*\.ts$/.test(path) && !/_pb\.ts$/.test(path))
  .map(read);

describe("the tree", () => {
  test("is read at all", () => {
    expect(sources.map(({ path }) => path)).toContain("src/base/raw-name.ts");
    expect(files).toContain("package.json");
  });

  test("keeps the house rules in every TypeScript file", () => {
    const doors = doorsOf(sources.filter(({ path }) => path.startsWith("src/")));
    expect(doors.get("RawName")).toBe("src/base/raw-name.ts");
    expect(sources.flatMap((source) => judgeSource(source, doors))).toEqual([]);
  });

  test("names no directory of one author's machine", () => {
    const texts = files.map(read).filter(({ text }) => !text.includes("\0"));
    expect(texts.flatMap(judgePlaces)).toEqual([]);
  });

  test("has every error code in docs/errors.md", () => {
    const page = read("docs/errors.md").text;
    const codes = readCatalogues(ROOT).map(({ code }) => code);
    expect(codes).toContain("ENOSPC");
    expect(codes.filter((code) => !page.includes(`\n### ${code}\n`))).toEqual([]);
    const repeated = codes.filter((code, index) => codes.indexOf(code) !== index);
    expect(repeated).toEqual([]);
  });

  test("leaves no room's catalogue unread", () => {
    const rooms = files.flatMap((path) => /^src\/([^/]+)\/(?:[a-z-]+-)?errors\.ts$/.exec(path)?.[1] ?? []);
    const read = new Set(readCatalogues(ROOT).map(({ room }) => room));
    expect(rooms.filter((room) => !read.has(room))).toEqual([]);
  });

  test("backs every numbered invariant with a test", () => {
    expect(judgeInvariants(read("docs/invariants.md").text, (path) => existsSync(join(ROOT, path)))).toEqual([]);
  });

  test("has a lock file that names no registry", () => {
    expect(read("package-lock.json").text).not.toContain('"resolved"');
  });

  test("has a lock file that npm ci accepts: no optional package is missing from it", () => {
    // npm leaves out what its registry did not serve that day, and then refuses its own file.
    const lock: LockFile = JSON.parse(read("package-lock.json").text);
    const wanted = Object.entries(lock.packages).flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).map(
        (name) => [`${path}/node_modules/${name}`, `node_modules/${name}`] as const,
      ),
    );
    expect(wanted.length).toBeGreaterThan(0);
    expect(wanted.filter((places) => places.every((place) => lock.packages[place] === undefined))).toEqual([]);
  });
});

describe("the rules find a planted", () => {
  const doors: DoorByBrand = new Map([["Uid", "src/maildir/ids.ts"]]);
  const judge = (text: string, path = "src/agent/x.ts"): string[] => judgeSource({ path, text }, doors);

  test("file that is too long", () => {
    expect(judge("\n".repeat(400))).toEqual([]);
    expect(judge("\n".repeat(401))).toEqual([expect.stringContaining("401 lines")]);
  });

  test("function that is too long, but not a group of tests", () => {
    const body = "\n".repeat(69);
    expect(judge(`function f() {${body}}`)).toEqual([]);
    expect(judge(`function f() {${body}\n}`)).toEqual([expect.stringContaining("71 lines")]);
    expect(judge(`const f = () => {${body}\n}`)).toHaveLength(1);
    expect(judge(`class A { m() {${body}\n} }`)).toHaveLength(1);
    expect(judge(`describe("x", () => {${body}\n})`, "test/unit/x.test.ts")).toEqual([]);
    expect(judge(`describeLive.each(a)("x", () => {${body}\n})`, "test/live/x.test.ts")).toEqual([]);
    expect(judge(`test("x", () => {${body}\n})`, "test/unit/x.test.ts")).toHaveLength(1);
    expect(judge(`describe("x", () => {${body}\n})`)).toHaveLength(1);
  });

  test.each([
    "class LinkManager {}",
    "function requestHandler() {}",
    "const MAX_UTILS = 1;",
    "const { a: fileHelper } = b;",
    "interface A { readonly frameProcessor: 1 }",
    "function f(errorHandlers: 1) {}",
  ])("banned word in: %s", (text) => {
    expect(judge(text)).toEqual([expect.stringContaining("src/agent/x.ts:1: the name")]);
    expect(judge(text, "test/unit/x.ts")).toEqual([]);
  });

  test("banned word in a file name, and no banned word inside another", () => {
    expect(judge("", "src/wire/frame-utils.ts")).toEqual([expect.stringContaining("utils")]);
    expect(judge("const utility = 1; const handle = 2; const process = { uncaughtHandler: 1 };")).toEqual([]);
  });

  test.each(["x as Uid", "x as readonly Uid[]", "x as unknown as Map<Uid, 1>", "<Uid>x"])("cast: %s", (text) => {
    expect(judge(`const a = ${text};`)).toEqual([expect.stringContaining("whose only door is src/maildir/ids.ts")]);
    expect(judge(`const a = ${text};`, "src/maildir/ids.ts")).toEqual([]);
  });

  test("door", () => {
    const text = 'export type A = Brand<string, "A">;\ntype B = string;\ntype C = Brand<number, "C">;';
    expect(brandsOf({ path: "x.ts", text })).toEqual(["A", "C"]);
  });

  test.each([
    "Date.now()",
    "Math.random()",
    "setTimeout(f, 1)",
    "globalThis.setInterval(f, 1)",
    "new Date()",
    'import { setTimeout as sleep } from "node:timers/promises"',
  ])("clock: %s", (text) => {
    expect(judge(text)).toEqual(expect.arrayContaining([expect.stringContaining("take a clock")]));
    expect(judge(text, "src/base/clock.ts")).toEqual([]);
    expect(judge(text, "bench/x.ts")).toEqual([]);
  });

  test("clock, but not one that was handed in", () => {
    expect(judge("clock.setTimeout(f, 1); new Date(nowMs); interface C { setTimeout(): void }")).toEqual([]);
  });

  test("bare reminder", () => {
    const word = "TODO";
    expect(judge(`// ${word}: later`)).toHaveLength(1);
    expect(judge(`// ${word}(#12): later`)).toEqual([]);
    expect(judge(`const a = "${word}";`)).toEqual([]);
  });

  test("place on one machine", () => {
    const places = ["cd /wo" + "rk/main", "see .." + "/shared/x", "vmail/work/cur"];
    expect(places.flatMap((text) => judgePlaces({ path: "a", text }))).toHaveLength(2);
  });

  test("invariant without a test", () => {
    const row = (id: string, cell: string): string => `| ${id} | it holds | by force | ${cell} |`;
    const page = [row("I-1", "test/a.test.ts"), row("I-2", "none"), row("I-2", "`test/b.test.ts`")].join("\n");
    expect(judgeInvariants(page, (path) => path === "test/a.test.ts")).toEqual([
      "I-2 names no test file in its last cell",
      "I-2 stands twice",
      "I-2 names test/b.test.ts, which does not exist",
    ]);
  });

  test("error code without its page", () => {
    const text = `const K = {
      /** The log
       *  is full. */
      "log-disk-full": { disposition: "operator", exitCode: EX.IOERR, hint: "Free " + "space." },
      torn: ["retry", EX.OK, "Wait."],
      other: { hint: "no code" },
    } satisfies Record<string, ErrorKind>;`;
    const entries = catalogueOf(text, "log", exitNumbers("  OK: 0,\n  IOERR: 74,\n"));
    expect(entries.map(({ code, exitCode, hint, doc }) => [code, exitCode, hint, doc])).toEqual([
      ["log-disk-full", "74 (EX_IOERR)", "Free space.", "The log is full."],
      ["torn", "0 (EX_OK)", "Wait.", ""],
    ]);
    expect(renderErrorsPage(entries)).toContain("\n### log-disk-full\n");
  });
});

describe("worker URLs", () => {
  test("point at the compiled file, and nothing else does", () => {
    const code = 'new Worker(new URL("./x-worker.js", import.meta.url)); new URL("./a.json", import.meta.url);';
    expect(rewriteWorkerUrls(code, "file:///r/dist/log/db.ts")).toBe(
      'new Worker(new URL("./x-worker.js", "file:///r/dist/log/db.ts")); new URL("./a.json", import.meta.url);',
    );
  });
});
