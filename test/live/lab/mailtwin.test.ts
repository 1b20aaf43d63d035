/** The wrapper around the command line, tested with small scripts in its place. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runTwin, spawnTwin, startTwin } from "./mailtwin.js";

describe("a twin as a process", () => {
  let dir: string;
  const standIn = (name: string, code: string): string => {
    const path = join(dir, `${name}.mjs`);
    writeFileSync(path, `const say = (event) => console.log(JSON.stringify(event));\n${code}\n`);
    return path;
  };
  const options = (cli: string) => ({
    source: "/s",
    replica: "/r",
    state: "/st",
    args: ["--x"],
    env: { LAB: "yes" },
    cli,
  });

  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), "mtl-twin-"));
  });

  afterAll(() => {
    rmSync(dir, { recursive: true });
  });

  test("start waits for live; stop is SIGINT and tells the exit code; output is kept", async () => {
    const cli = standIn(
      "good",
      `say({ event: "plan", args: process.argv.slice(2), env: process.env.LAB });
       setTimeout(() => say({ event: "live" }), 50);
       console.error("to stderr");
       console.log("no event");
       const beat = setInterval(() => say({ event: "progress" }), 20);
       process.on("SIGINT", () => { clearInterval(beat); say({ event: "summary" }); process.exitCode = 3; });`,
    );
    await using twin = await startTwin(options(cli));
    const args = ["sync", "/s", "/r", "--watch", "--json", "--state", "/st", "--x"];
    expect(twin.output.events[0]).toEqual({ event: "plan", args, env: "yes" });
    await twin.pause();
    const paused = twin.output.events.length;
    await expect(
      twin.waitFor("progress in the pause", () => twin.output.events.length > paused + 1, 150),
    ).rejects.toThrow("waited 150 ms");
    twin.resume();
    await twin.waitFor("progress after the pause", () => twin.output.events.length > paused + 1);
    expect(await twin.stop()).toEqual({ code: 3, signal: undefined });
    expect(twin.output.events.at(-1)).toEqual({ event: "summary" });
    expect(twin.output.strayOutput).toEqual(["no event"]);
    expect(twin.output.stderr).toBe("to stderr\n");
    expect(twin.isRunning()).toBe(false);
  });

  test("a twin that ends before it is live is an error with its words", async () => {
    const cli = standIn("bad", `console.error("no such directory: /s"); process.exitCode = 66;`);
    await expect(startTwin(options(cli))).rejects.toThrow(/ended before .*live.*no such directory/s);
    expect(await runTwin(["sync"], { cli })).toMatchObject({ code: 66, events: [], stderr: "no such directory: /s\n" });
  });

  test("kill9 ends what ignores everything else, and a run that takes too long is killed", async () => {
    const cli = standIn("deaf", `process.on("SIGINT", () => {}); setInterval(() => {}, 1000); say({ event: "live" });`);
    const twin = spawnTwin(options(cli));
    await twin.waitFor("live", ({ event }) => event === "live");
    await twin.pause();
    await twin.kill9();
    expect(await twin.exited).toEqual({ code: undefined, signal: "SIGKILL" });
    await expect(runTwin([], { cli, msMax: 300 })).rejects.toThrow("waited 300 ms");
  });
});
