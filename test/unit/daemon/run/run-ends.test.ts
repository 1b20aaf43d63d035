/** `mailtwin run` that does not begin, or is told of a wrong configuration: what it logs, what it ends with, what status says. */
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { CLI } from "../../../live/sites/daemon-process.js";
import { openTwoDaemons } from "./two-daemons.js";

const isSaid =
  (name: string) =>
  ({ msg }: { readonly msg: string }) =>
    msg === name;

test("why it did not start is a line of its log, with the exit code", { timeout: 60_000 }, async () => {
  await using two = openTwoDaemons();
  two.configure({});
  const first = two.start("replica");
  await first.waitFor("the start", isSaid("daemon-started"));
  const second = two.start("replica");
  expect(await second.exited).toEqual({ code: 75, signal: null });
  expect(second.strayLines).toEqual([]);
  expect(second.events).toMatchObject([
    { msg: "daemon-failed", level: 50, code: "state-in-use", exitCode: 75, hint: expect.stringContaining("state_dir") },
  ]);
  await first.stop();

  writeFileSync(two.configs.replica, `log_levl = "info"\n${readFileSync(two.configs.replica, "utf8")}`);
  const wrong = two.start("replica");
  expect(await wrong.exited).toEqual({ code: 78, signal: null });
  expect(wrong.strayLines).toEqual([]);
  expect(wrong.events).toMatchObject([
    {
      ...{ msg: "daemon-failed", level: 50, code: "config-wrong", exitCode: 78 },
      problems: [expect.stringMatching(/b\.toml:1:1: log_levl.*did you mean log_level\?$/)],
    },
  ]);
  const missing = promisify(execFile)(process.execPath, [CLI, "run", "--config", join(two.dir, "none.toml")]);
  await expect(missing).rejects.toMatchObject({
    code: 66,
    stderr: expect.stringMatching(/^\{.*"msg":"daemon-failed"\}\n$/),
  });
});

test("a configuration that is refused: each problem with its place, in the log, the status and the answer", {
  timeout: 60_000,
}, async () => {
  await using two = openTwoDaemons();
  two.configure({});
  const daemon = two.start("replica");
  await daemon.waitFor("the start", isSaid("daemon-started"));
  const right = readFileSync(two.configs.replica, "utf8");
  writeFileSync(two.configs.replica, `log_levl = "info"\n${right}\nfrm = "x"\na = 1\nb = 2\n`);
  daemon.signal("SIGHUP");
  const { problems, message, hint } = await daemon.waitFor("the refusal", isSaid("config-refused"));
  expect(problems).toHaveLength(4);
  expect(message).toMatch(
    /: 4 problems: .*b\.toml:1:1: log_levl.*did you mean log_level\? \| .*b\.toml:\d+:1: frm.*did you mean from\? \| .* \| and 1 more$/,
  );
  expect(hint).toContain("goes on with the configuration that it had");
  expect(daemon.events.filter(isSaid("config-refused"))).toHaveLength(1);
  const ask = (...args: readonly string[]) =>
    promisify(execFile)(process.execPath, [CLI, ...args, "--config", two.configs.replica]);
  const { stdout, stderr } = await ask("status");
  expect(stdout).toMatch(/needs you:\n {2}reading the configuration .*b\.toml:1:1: log_levl.*did you mean log_level\?/);
  expect(stderr).toMatch(/^warning: reading the configuration .*: 4 problems/);
  await expect(ask("reload")).rejects.toMatchObject({
    code: 78,
    stderr: expect.stringContaining("did you mean log_level?"),
  });
  writeFileSync(two.configs.replica, right);
  const again = await ask("reload");
  expect(again).toEqual({ stdout: "nothing is different\n", stderr: "" });
  expect((await ask("status")).stdout).not.toContain("config-refused");
  await daemon.stop();
});
