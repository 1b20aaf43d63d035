/** The command as a shell sees it: its words and its exit codes. */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { VERSION } from "../../../src/daemon/version.js";
import { rawDifferences } from "../../live/twin/raw-compare.js";
import { makeMailbox, openBench } from "../../live/twin/small-store.js";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

let root: string;

beforeAll(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), "mailtwin-cli-")));
  mkdirSync(join(root, "src"));
});

afterAll(() => {
  rmSync(root, { recursive: true });
});

function mailtwin(...args: readonly string[]) {
  const env = { ...process.env, XDG_STATE_HOME: join(root, "state"), NO_COLOR: "1" };
  const run = spawnSync(process.execPath, [join(ROOT, "dist/daemon/cli.js"), ...args], {
    cwd: root,
    encoding: "utf8",
    env,
  });
  return { code: run.status, out: run.stdout, err: run.stderr };
}

test("the version is that of the package", () => {
  const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { readonly version: string };
  expect(VERSION).toBe(manifest.version);
  expect(mailtwin("--version")).toStrictEqual({ code: 0, out: `${VERSION}\n`, err: "" });
});

describe("an older Node", () => {
  /** Tells the program that it runs in that version. */
  const inVersion = (version: string, ...args: readonly string[]) => {
    const fake = `Object.defineProperty(process,"versions",{value:{...process.versions,node:"${version}"}})`;
    const cli = join(ROOT, "dist/daemon/cli.js");
    return spawnSync(process.execPath, ["--import", `data:text/javascript,${fake}`, cli, ...args], {
      encoding: "utf8",
    });
  };

  test("is refused in one sentence, with 71, before the program is loaded", () => {
    for (const version of ["18.20.4", "20.18.3", "16.0.0"]) {
      const run = inVersion(version, "--version");
      expect([run.status, run.stdout]).toStrictEqual([71, ""]);
      expect(run.stderr).toMatch(
        /^mailtwin needs Node\.js 20\.19 or newer; this is v[\d.]+ \(\/.*\)\.\nInstall it .*\n$/,
      );
      expect(run.stderr).toContain(`v${version}`);
    }
    for (const version of ["20.19.0", "22.1.0", "24.0.0"]) expect(inVersion(version, "--version").status).toBe(0);
  });

  test("loads nothing that it may not have: the built entry has no static import", () => {
    const entry = readFileSync(join(ROOT, "dist/daemon/cli.js"), "utf8");
    expect(entry).toMatch(/await import\("\.\.\/shared\//);
    expect(entry).not.toMatch(/^\s*(?:import|export)\b(?! \{\};).*/m);
  });
});

describe("exit codes", () => {
  test("help is no failure", () => {
    expect(mailtwin("--help")).toMatchObject({ code: 0, err: "", out: expect.stringContaining("sync") });
    const words = expect.stringMatching(/--dry-run.*Exit codes:.*129, 130, 143/s);
    expect(mailtwin("sync", "--help")).toMatchObject({ code: 0, out: words });
  });

  test.each([
    [["no-such-command"]],
    [["sync"]],
    [["sync", "src"]],
    [["sync", "src", "dst", "third"]],
    [["sync", "src", "dst", "--no-such-option"]],
    [["sync", "src", "dst", "--foreign", "burn"]],
    [["sync", "src", "dst", "--dry-run", "--watch"]],
    [["sync", "src", "src"]],
    [["sync", "", "dst"]],
    [["sync", "src", ""]],
    [["sync", "src", "dst", "--state", ""]],
    [["sync", "src", "dst", "--state", "src/state"]],
    [[]],
  ])("64 for a command line that cannot be meant: %j", (args) => {
    const run = mailtwin(...args);
    expect(run.code).toBe(64);
    expect(run.err).not.toBe("");
    expect(run.err).not.toMatch(/\n\s+at /); // no stack for what a person can mend.
  });

  test("64 says in the form of all errors what is not understood; with --json as an event", () => {
    for (const [args, words] of [
      [["sync", "src"], "missing required argument 'DST'"],
      [["sync", "src", "dst", "--wach"], "unknown option '--wach' (Did you mean --watch?)"],
      [["sync", "src", "dst", "--state"], "option '--state <dir>' argument missing"],
      [["snyc"], "unknown command 'snyc' (Did you mean sync?)"],
    ] as const) {
      const message = `reading the command line: ${words}`;
      const hint = "See `mailtwin --help`, or `mailtwin COMMAND --help`.";
      expect(mailtwin(...args)).toStrictEqual({ code: 64, out: "", err: `mailtwin: ${message}.\n${hint}\n` });
      if (args[0] === "snyc") continue;
      const { code, out, err } = mailtwin("sync", "--json", ...args.slice(1));
      expect({ code, err }).toStrictEqual({ code: 64, err: "" });
      expect(JSON.parse(out)).toMatchObject({ event: "error", code: "usage", exitCode: 64, message, hint });
    }
    expect(mailtwin("sync", "src", "--", "--json", "third").out).toBe(""); // a name, not a flag.
  });

  test("64 for a source on another host, and for what names no path of one", () => {
    for (const host of ["host2:twin", "root@host2:/srv/twin", "[fe80::1]:twin"]) {
      const run = mailtwin("sync", host, "dst");
      expect(run).toMatchObject({ code: 64, out: "" });
      expect(run.err).toContain(`SRC is "${host}", on another host: run it there`);
      expect(run.err).toContain(`(write ./${host} `);
    }
    for (const host of ["host2:", "rsync://host2/twin", "ssh://host2/twin", "host2::twin", "-oProxyCommand=x:twin"])
      expect(mailtwin("sync", "src", "--", host), host).toMatchObject({ code: 64, out: "" });
  });

  test("a directory of that name, or a slash, says that it is a path of this host", () => {
    expect(mailtwin("sync", "src", "./host2:twin", "--dry-run").code).toBe(0);
    mkdirSync(join(root, "host3:twin"));
    expect(mailtwin("sync", "src", "host3:twin", "--dry-run").code).toBe(0);
    expect(mailtwin("sync", "src", "a/host2:twin").code).toBe(73); // its parent is not there.
  });

  test("66 for a source that is not there, with a hint", () => {
    const run = mailtwin("sync", "none", "dst");
    expect(run).toMatchObject({ code: 66, out: "" });
    expect(run.err).toMatch(/^mailtwin: reading the source none: .*\n.*mounted/);
  });

  test("73 where nothing says where the state may be, with what to name [needs root]", (context) => {
    // No entry in passwd, no HOME: a unit or container with a bare uid.
    const uid = ["--reuid", "54321", "--regid", "54321", "--clear-groups", "env", "-u", "XDG_STATE_HOME"];
    const run = (env: readonly string[], ...args: readonly string[]) => {
      const node = [process.execPath, join(ROOT, "dist/daemon/cli.js"), ...args];
      const ended = spawnSync("setpriv", [...uid, ...env, ...node], { cwd: "/", encoding: "utf8" });
      return { code: ended.status, out: ended.stdout, err: ended.stderr };
    };
    if (run([], "--version").code !== 0) return context.skip("nobody else may run the program here");
    chmodSync(root, 0o755);
    const sync = ["sync", join(root, "src"), join(root, "dst"), "--dry-run"];
    for (const env of [["-u", "HOME"], ["HOME="], ["HOME=relative"]]) {
      const refused = run(env, ...sync);
      expect(refused).toMatchObject({ code: 73, out: "" });
      expect(refused.err).toMatch(/^mailtwin: finding a place for the state: HOME is not set.*\n.*--state DIR\.\n$/);
    }
    const known = [
      run(["-u", "HOME"], ...sync, "--state", "/x"),
      run(["-u", "HOME", "XDG_STATE_HOME=/x"], ...sync),
      run(["HOME=/x"], ...sync),
    ];
    expect(known.map(({ code }) => code)).toStrictEqual([0, 0, 0]);
  });

  test("73 for a destination that cannot be made; with --json the failure is an event", () => {
    expect(mailtwin("sync", "src", "a/b").code).toBe(73);
    const run = mailtwin("sync", "src", "a/b", "--json");
    expect([run.code, run.err]).toStrictEqual([73, ""]);
    expect(JSON.parse(run.out)).toMatchObject({ event: "error", code: "destination-unusable", exitCode: 73 });
  });

  test("71 for a limit of open files that no run can do with, before anything is written", () => {
    const cli = join(ROOT, "dist/daemon/cli.js");
    const args = ["-c", 'ulimit -n 64; "$0" "$1" sync src dst', process.execPath, cli];
    const run = spawnSync("bash", args, { cwd: root, encoding: "utf8" });
    expect([run.status, run.stdout]).toStrictEqual([71, ""]);
    expect(run.stderr).toMatch(
      /^mailtwin: starting the run: no more than 64 files .*\nRaise the limit .*ulimit -n.*\n$/,
    );
  });

  test("a command that is refused writes nothing", () => {
    expect([existsSync(join(root, "dst")), existsSync(join(root, "state"))]).toStrictEqual([false, false]);
  });
});

describe("output that goes nowhere", () => {
  /** Many mailboxes, each a line with -v, and one problem: the work's own end is exit code 1. */
  function filled() {
    const bench = openBench();
    for (let i = 0; i < 20; i++) makeMailbox(bench.source, `u${i}/Maildir`, { messages: 3, seed: i * 10 });
    return bench;
  }

  /** `redirection`: what a shell does with the output. Ends with the exit code of mailtwin. */
  function piped(bench: ReturnType<typeof filled>, flags: string, redirection: string) {
    const command = `"$0" "$1" sync "$2" "$3" --state "$4" ${flags} ${redirection}; exit "\${PIPESTATUS[0]}"`;
    const cli = join(ROOT, "dist/daemon/cli.js");
    const args = [process.execPath, cli, bench.source, bench.replica, bench.state];
    return spawnSync("bash", ["-c", command, ...args], { encoding: "utf8" });
  }

  test.each(["-v", "--json", "--json --log-level debug"])(
    "a reader that has seen enough stops nothing: %s",
    (flags) => {
      using bench = filled();
      const all = piped(bench, flags, "2>&1 | true");
      expect([all.status, all.stderr]).toStrictEqual([0, ""]);
      expect(rawDifferences(bench.source, bench.replica)).toEqual([]);
      symlinkSync("/dev/null", join(bench.source, "u1/Maildir/cur/1.link:2,"));
      expect(piped(bench, flags, "| true").status).toBe(1);
    },
  );

  test.each(["-v", "--json"])("a full disk is 74 and one sentence, and the work is done: %s", (flags) => {
    using bench = filled();
    const run = piped(bench, flags, "> /dev/full");
    expect(run.status).toBe(74);
    expect(run.stderr).toMatch(/^warning: writing to standard output: ENOSPC: no space left on device; .*74\n$/);
    expect(rawDifferences(bench.source, bench.replica)).toEqual([]);
  });

  test("standard error that cannot be written is 74 too, and a failure of the work keeps its own code", () => {
    using bench = filled();
    symlinkSync("/dev/null", join(bench.source, "u1/Maildir/cur/1.link:2,"));
    expect(piped(bench, "", "2> /dev/full")).toMatchObject({
      status: 74,
      stdout: expect.stringMatching(/^done, except for 1 problem: /),
    });
    rmSync(bench.source, { recursive: true });
    expect(piped(bench, "", "> /dev/full 2> /dev/full").status).toBe(66);
  });

  test("help and version too", () => {
    const run = (redirection: string) =>
      spawnSync("bash", [
        "-c",
        `"$0" "$1" --help ${redirection}; exit "\${PIPESTATUS[0]}"`,
        process.execPath,
        join(ROOT, "dist/daemon/cli.js"),
      ]).status;
    expect([run("| true"), run("> /dev/full")]).toStrictEqual([0, 74]);
  });
});

test("started in a directory that was removed it says so, and what to do", () => {
  const script = 'mkdir gone && cd gone && rmdir ../gone && exec "$0" "$@"';
  const args = [process.execPath, join(ROOT, "dist/daemon/cli.js"), "sync", join(root, "src"), join(root, "dst")];
  const run = spawnSync("sh", ["-c", script, ...args], { cwd: root, encoding: "utf8" });
  expect(run.status, run.stderr).toBe(66);
  expect(run.stderr).toMatch(/the directory it was started in cannot be used .*\n.*cd \//);
});
