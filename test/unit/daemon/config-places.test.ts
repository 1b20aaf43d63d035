/** Where state and socket are, by a file that is no TOML: a daemon that runs with what it said before is to be found. */
import { expect, test } from "vitest";
import { judgeConfig } from "../../../src/daemon/config/judge-config.js";
import { formatProblem } from "../../../src/daemon/config/problem.js";

const ROOT = { isRoot: true, home: "/root", env: {} };

test.each([
  ["a line further down", 'control = "/c"\nstate_dir = "/s"\n[store.mail]\npath = /x\n', ["/c", "/s"]],
  ["the last line", 'state_dir = "/s"\nlog_level = "info"\nx\n', ["/run/mailtwin/control.sock", "/s"]],
  ["a line above", 'x\ncontrol = "/c"\n', ["/run/mailtwin/control.sock", "/var/lib/mailtwin"]],
  ["of a table", '[log]\ncontrol = "/c"\nx\n', ["/run/mailtwin/control.sock", "/var/lib/mailtwin"]],
  ["a text of many lines", 'control = "/c"\nx = """\n', ["/c", "/var/lib/mailtwin"]],
  ["begun before that", 'state_dir = """\ncontrol = "/c"\n', ["/run/mailtwin/control.sock", "/var/lib/mailtwin"]],
])("%s leaves state and socket where the file says above it", (_what, text, places) => {
  const judged = judgeConfig({ files: ["f"], texts: [{ file: "f", text }], problems: [] }, ROOT);
  expect(judged).toMatchObject({ kind: "wrong", control: places[0], stateDir: places[1] });
  expect(judged.kind === "right" ? [] : judged.problems.map(formatProblem)).toStrictEqual([
    expect.stringContaining("that is no TOML"),
  ]);
});
