/**
 * docs/formats.md tells every field that the commands write as JSON: compared with the types of what they write, so that a field that is
 * new, gone, of another type, or absent where it was not, fails here until the page says so.
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type Field, fieldsOf } from "./json-fields.js";

const PAGE = new URL("../../docs/formats.md", import.meta.url);
const SECTION = "\n## JSON of the commands\n";

/** What routes.ts answers, and the command passes on; or the function whose result the command writes. */
const CONTROL = "src/daemon/control/daemon-control.ts";
const WRITTEN = new Map([
  ["pause, resume", { file: CONTROL, name: "ReplicaTarget" }],
  ["fetch-now", { file: CONTROL, name: "FetchNowAnswer" }],
  ["resync", { file: CONTROL, name: "ResyncAnswer" }],
  ["resync --dry-run", { file: "src/daemon/control/plan-answer.ts", name: "PlanAnswer" }],
  ["verify A B", { file: "src/daemon/verify/verify-command.ts", name: "VerifiedDirectories" }],
  ["verify", { file: CONTROL, name: "VerifyAnswer" }],
  ["deletions list, deletions approve", { file: CONTROL, name: "DeletionsAnswer" }],
  ["deletions reject", { file: "src/daemon/reject/reject-command.ts", name: "RejectReport" }],
  ["rejects retry, rejects skip", { file: CONTROL, name: "RejectsAnswer" }],
  ["rejects list, rejects show, rejects export", { file: "src/daemon/logs/rejects-command.ts", name: "jsonOf" }],
  ["explain", { file: "src/daemon/control/explain.ts", name: "Explanation" }],
  ["undelete list", { file: "src/daemon/undelete/list-command.ts", name: "ListedRemoval" }],
  ["undelete restore", { file: "src/daemon/undelete/restoring.ts", name: "RestoreReport" }],
  ["breaches of status", { file: "src/daemon/control/status.ts", name: "BreachesStatus" }],
  ["log tail, log show, log export", { file: "src/daemon/logs/entry-json.ts", name: "jsonOf" }],
]);

/** By the commands of a heading, the rows of its table. */
function documentedIn(page: string): ReadonlyMap<string, readonly string[]> {
  const [, section = ""] = page.split(SECTION);
  const [own = ""] = section.split(/^## /m);
  const tables = own.split(/^### /m).slice(1);
  return new Map(
    tables.map((table) => {
      const [heading = "", ...lines] = table.split("\n");
      return [heading.replaceAll("`", ""), lines.flatMap(rowOf)];
    }),
  );
}

function rowOf(line: string): string[] {
  const [, path, type = "", what = "", absent = ""] =
    /^\| `([^`]+)` \| (\w+)[^|]* \|([^|]*)\|([^|]*)\|$/.exec(line) ?? [];
  if (path === undefined) return [];
  if (what.trim() === "") return [`${path}: nothing is said of it`];
  return [wordsOf({ path, type, isOptional: absent.trim() !== "" })];
}

function wordsOf({ path, type, isOptional }: Omit<Field, "type"> & { readonly type: string }): string {
  return `${path}: ${type}${isOptional ? ", may be absent" : ""}`;
}

const sorted = (lines: readonly string[] = []) => [...lines].sort();

describe("the JSON of the commands, in docs/formats.md", () => {
  const documented = documentedIn(readFileSync(PAGE, "utf8"));
  const written = fieldsOf([...WRITTEN.values()]);

  test("has a table for each of them", () => {
    expect([...documented.keys()].sort()).toEqual([...WRITTEN.keys()].sort());
  });

  test.each([...WRITTEN.keys()].map((commands, at) => [commands, at] as const))("%s", (commands, at) => {
    expect(sorted(documented.get(commands))).toEqual(sorted(written[at]?.map(wordsOf)));
  });
});

test("the fields of types are found, at any depth, with what may be absent", () => {
  const [fields] = fieldsOf([{ file: "src/daemon/control/status.ts", name: "DaemonStatus" }]);
  const lines = fields?.map(wordsOf);
  expect(lines).toEqual(
    expect.arrayContaining([
      "pid: number",
      "troubles: list, may be absent",
      "stores[].role: text",
      "stores[].replicas: list, may be absent",
      "stores[].replicas[].limited: object, may be absent",
      "stores[].replicas[].limited.named: list",
      "stores[].replicas[].needsResync: boolean",
    ]),
  );
});

test("a row without words, or of another type, is no documentation", () => {
  const page = `${SECTION}\n### \`x\`, \`y\`\n\n| \`a\` | number | bytes | |\n| \`b[].c\` | list of text | | |\n| \`d\` | text | what | when\nnot |\n`;
  expect([...documentedIn(page)]).toEqual([["x, y", ["a: number", "b[].c: nothing is said of it"]]]);
});
