/** What the pages say exists: each link leads somewhere, and ARCHITECTURE.md has a place for every file of `src/`. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Tracked, or new and not ignored. */
function list(pattern: string): string[] {
  const args = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", pattern];
  const files = execFileSync("git", args, { cwd: ROOT, encoding: "utf8" }).split("\0");
  return [...new Set(files)].filter((path) => path !== "" && existsSync(join(ROOT, path)));
}

function read(path: string): string | undefined {
  const file = join(ROOT, path);
  if (!existsSync(file)) return undefined;
  return path.endsWith(".md") ? readFileSync(file, "utf8") : "";
}

/** As GitHub makes them: lower case, no punctuation, a hyphen for each space. */
function anchorsOf(page: string): string[] {
  const headings = page.match(/^#+ .*$/gm) ?? [];
  return headings.map((heading) =>
    heading
      .replace(/^#+ /, "")
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

/** Links of a page at `path` whose file or heading is not there. `textOf` is undefined for a file that does not exist. */
function deadLinks(path: string, text: string, textOf: (path: string) => string | undefined): string[] {
  const prose = text.replace(/^```[\s\S]*?^```/gm, "").replace(/`[^`\n]*`/g, "");
  return [...prose.matchAll(/\]\(([^()\s]+)\)/g)].flatMap(([, link = ""]) => {
    if (/^[a-z]+:/.test(link)) return [];
    const [file = "", anchor] = link.split("#");
    const target = file === "" ? text : textOf(normalize(join(dirname(path), file)));
    const isThere = target !== undefined && (anchor === undefined || anchorsOf(target).includes(anchor));
    return isThere ? [] : [`${path}: ${link}`];
  });
}

/** Files of which the page does not speak: none of its names in backticks ends in theirs. */
function unplaced(page: string, files: readonly string[]): string[] {
  const named = new Set((page.match(/`[^`\n]+`/g) ?? []).map((name) => basename(name.slice(1, -1))));
  return files.filter((file) => !named.has(basename(file)));
}

describe("the pages", () => {
  const pages = list("*.md");

  test("are found", () => {
    expect(pages).toEqual(expect.arrayContaining(["README.md", "docs/flows.md"]));
  });

  test("link to nothing that is not there", () => {
    expect(pages.flatMap((page) => deadLinks(page, read(page) ?? "", read))).toEqual([]);
  });

  test("give every file of src/ a place in ARCHITECTURE.md, which stays short", () => {
    const page = read("ARCHITECTURE.md") ?? "";
    expect(unplaced(page, list("src/*.ts"))).toEqual([]);
    expect(page.split("\n").length).toBeLessThanOrEqual(301);
  });
});

describe("the rules find a planted", () => {
  test("link to a missing file, and to a missing heading", () => {
    const textOf = (path: string): string | undefined =>
      path === "docs/b.md" ? "# What it is, in short\n" : undefined;
    const page = "[x](b.md) [y](c.md) [z](b.md#what-it-is-in-short) [w](b.md#other) [v](https://example.org) [u](#own)";
    expect(deadLinks("docs/a.md", page, textOf)).toEqual([
      "docs/a.md: c.md",
      "docs/a.md: b.md#other",
      "docs/a.md: #own",
    ]);
  });

  test("file without a place", () => {
    expect(unplaced("`a.ts`, `room/b.ts`", ["src/x/a.ts", "src/room/b.ts", "src/x/c.ts"])).toEqual(["src/x/c.ts"]);
  });
});
