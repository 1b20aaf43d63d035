import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FileSystemSync } from "../../../src/base/sync-fs.js";

const never = new AbortController().signal;
const PATH = process.env["PATH"];

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "mailtwin-sync-"));
});
afterEach(() => {
  process.env["PATH"] = PATH;
  rmSync(dir, { recursive: true, force: true });
});

async function syncOnce(path: string, signal: AbortSignal) {
  using fileSystem = new FileSystemSync(path);
  return await fileSystem.run(signal);
}

/** Puts a program called `sync` before all others. */
function installSync(script: string): void {
  const program = join(dir, "sync");
  writeFileSync(program, `#!/bin/sh\n${script}\n`);
  chmodSync(program, 0o755);
  process.env["PATH"] = `${dir}:${PATH}`;
}

describe("FileSystemSync", () => {
  test("syncs the file system of a directory, whatever bytes are in its name", async () => {
    mkdirSync(Buffer.concat([Buffer.from(`${dir}/`), Buffer.from([0xff, 0xe9])]));
    expect(await syncOnce(`${dir}/\xff\xe9`, never)).toEqual({ kind: "synced" });
  });

  test("hands over exactly the place asked for", async () => {
    installSync(`[ "$1" = -f ] && [ "$2" -ef "${dir}" ] && [ $# = 2 ]`);
    expect(await syncOnce(dir, never)).toEqual({ kind: "synced" });
  });

  test("answers again and again, each time after another sync", async () => {
    installSync(`echo x >> "${dir}/ran"`);
    using fileSystem = new FileSystemSync(dir);
    for (let i = 0; i < 3; i++) expect(await fileSystem.run(never)).toEqual({ kind: "synced" });
    expect(readFileSync(join(dir, "ran"), "utf8")).toBe("x\nx\nx\n");
  });

  test.each([
    ["the shell", "kill -9 $PPID", /: the shell was ended by SIGKILL, twice in a row$/],
    ["sync", "kill -9 $$", /: sync was ended by signal 9, twice in a row$/],
  ])("when %s is killed, it is done once more", async (_what, kill, words) => {
    installSync(`echo x >> "${dir}/ran"; [ -e "${dir}/killed" ] || { touch "${dir}/killed"; ${kill}; }`);
    using fileSystem = new FileSystemSync(dir);
    for (let i = 0; i < 2; i++) {
      rmSync(join(dir, "killed"), { force: true });
      expect(await fileSystem.run(never)).toEqual({ kind: "synced" });
    }
    expect(readFileSync(join(dir, "ran"), "utf8")).toBe("x\n".repeat(4));
    installSync(kill);
    // No disk is to blame for it.
    await expect(fileSystem.run(never)).rejects.toMatchObject({
      ...{ code: "sync-killed", exitCode: 71, disposition: "retry" },
      message: expect.stringMatching(words),
    });
    installSync("exit 0");
    expect(await fileSystem.run(never)).toEqual({ kind: "synced" });
  });

  test("without the program, the answer is a value", async () => {
    process.env["PATH"] = dir;
    expect(await syncOnce(dir, never)).toEqual({ kind: "unavailable" });
  });

  test("the same for a program that does not know -f", async () => {
    installSync(`echo "sync: unrecognized option: f" >&2; exit 1`);
    expect(await syncOnce(dir, never)).toEqual({ kind: "unavailable" });
  });

  test("a failure says what the program said", async () => {
    installSync(`echo "sync: error syncing: Input/output error" >&2; exit 1`);
    const failing = syncOnce(dir, never);
    await expect(failing).rejects.toMatchObject({ code: "sync-failed", disposition: "operator" });
    await expect(failing).rejects.toThrow(`syncing the file system of ${dir}: sync: error syncing: Input/output error`);
  });

  test("a place that is absent is a system error", async () => {
    await expect(syncOnce(join(dir, "nothing"), never)).rejects.toMatchObject({
      code: "ENOENT",
      message: `opening ${dir}/nothing: ENOENT: no such file or directory`,
    });
  });

  test("an abort ends it with the reason", async () => {
    installSync("exec sleep 60");
    const controller = new AbortController();
    const syncing = syncOnce(dir, controller.signal);
    controller.abort(new Error("enough"));
    await expect(syncing).rejects.toThrow("enough");
  });
});
