/** What waits for a kill, tested with small scripts in the program's place: it must not take anything else for one. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { spawnTwin, type Twin } from "../lab/mailtwin.js";
import { expectKilled, killedOrPast } from "./killed.js";

const DIE = `process.kill(process.pid, "SIGKILL")`;
const DIE_AT_POINT = `writeSync(2, "killed at crash point apply.locked\\n"); ${DIE};`;
const SAY_LIVE = `console.log('{"event":"live"}');`;
const isPast = ({ event }: { readonly event: string }): boolean => event === "live";

describe("a twin that is to be killed at a crash point", () => {
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), "mtl-killed-"));
  });
  afterAll(() => {
    rmSync(dir, { recursive: true });
  });

  function standIn(code: string): Twin {
    const cli = join(dir, "stand-in.mjs");
    writeFileSync(cli, `import { writeSync } from "node:fs";\n${code}\n`);
    return spawnTwin({ source: "/s", replica: "/r", state: "/st", cli });
  }

  test("that it died there is what is wanted, for the second time too", async () => {
    await using twin = standIn(DIE_AT_POINT);
    await expectKilled(twin, "apply.locked", { isPast });
    await expectKilled(twin, "apply.locked:2");
  });

  test.each([
    ["killed by somebody else", DIE, /killed at crash point apply\.locked/],
    ["killed elsewhere", DIE_AT_POINT.replace("locked", "staged"), /crash point apply\.staged/],
    ["killed after it had come past", `${SAY_LIVE} setTimeout(() => { ${DIE_AT_POINT} }, 50);`, /was not reached/],
    ["ended with a code", `console.error("no such directory"); process.exitCode = 66;`, /no such directory/],
    ["came past", `${SAY_LIVE} setInterval(() => {}, 1000);`, /was not reached.*"live"/s],
  ])("%s: fails, with what it said", async (_, code, words) => {
    await using twin = standIn(code);
    await expect(expectKilled(twin, "apply.locked", { isPast })).rejects.toThrow(words);
  });

  test("neither dead nor past fails as well, whichever of them is waited for", async () => {
    await using twin = standIn(`console.log('{"event":"progress"}'); setInterval(() => {}, 1000);`);
    await twin.waitFor("progress", ({ event }) => event === "progress");
    const waiting = { isPast, deadlineMs: 100 };
    await expect(killedOrPast(twin, "apply.locked", waiting)).rejects.toThrow(/waited 100 ms for SIGKILL.*progress/s);
    await expect(expectKilled(twin, "apply.locked", waiting)).rejects.toThrow(/waited 100 ms for SIGKILL.*progress/s);
  });
});
