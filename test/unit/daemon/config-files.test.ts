/** The files of a configuration: which are read, in which order, and which are refused; and the commands as a shell sees them. */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { formatProblem } from "../../../src/daemon/config/problem.js";
import { CONFIG_BYTES_MAX, CONFIG_FILES_MAX, readConfigFiles } from "../../../src/daemon/config/read-files.js";

const CLI = fileURLToPath(new URL("../../../dist/daemon/cli.js", import.meta.url));
const IS_ROOT = process.geteuid?.() === 0;

let root: string;
let file: string;

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), "mailtwin-config-")));
  file = join(root, "mailtwin.toml");
  mkdirSync(join(root, "conf.d"), { mode: 0o755 });
});

afterEach(() => rmSync(root, { recursive: true }));

function write(name: string | Buffer, content: string | Buffer, mode = 0o644): void {
  const path = typeof name === "string" ? join(root, name) : Buffer.concat([Buffer.from(`${root}/`), name]);
  writeFileSync(path, content);
  chmodSync(path, mode); // whatever the umask.
}

function read(isRoot = false) {
  const { files, texts, problems } = readConfigFiles(file, { isRoot });
  const short = (text: string) => text.replaceAll(`${root}/`, "");
  return {
    files: files.map(short),
    texts: texts.map((one) => short(`${one.file}: ${one.text}`)),
    problems: problems.map((problem) => short(formatProblem(problem))),
  };
}

describe("the files", () => {
  test("of conf.d are read after FILE, in byte order; hidden ones and others are not", () => {
    write("mailtwin.toml", "m");
    for (const name of ["b.toml", "B.toml", "10.toml", "9.toml", "é.toml", ".hidden.toml", "x.conf", "toml"])
      write(`conf.d/${name}`, name);
    write(Buffer.from([...Buffer.from("conf.d/"), 0xff, ...Buffer.from(".toml")]), "raw");
    const { files, texts, problems } = read();
    const names = ["10.toml", "9.toml", "B.toml", "b.toml", "é.toml"].map((name) => `conf.d/${name}`);
    expect(files).toStrictEqual(["mailtwin.toml", ...names, "conf.d/\\xff.toml"]);
    expect(texts.at(-1)).toBe("conf.d/\\xff.toml: raw");
    expect([texts.length, problems]).toStrictEqual([7, []]);
  });

  test("need no conf.d, and FILE may be a link", () => {
    rmSync(join(root, "conf.d"), { recursive: true });
    write("real", "\ufeffa = 1");
    symlinkSync("real", file);
    expect(read()).toStrictEqual({ files: ["mailtwin.toml"], texts: ["mailtwin.toml: a = 1"], problems: [] });
  });

  test("are missing together with FILE", () => {
    write("conf.d/a.toml", "");
    expect(() => read()).toThrow(
      expect.objectContaining({
        ...{ code: "config-missing", exitCode: 66 },
        message: `reading the configuration ${file}: there is no such file; conf.d beside it is read only together with it`,
      }),
    );
  });

  test.each([
    ["no/where/mailtwin.toml", () => undefined, /: there is no directory .*\/no$/],
    ["mailtwin.toml", () => write("mailtwin.tml", ""), /: there is no such file; did you mean mailtwin\.tml\?$/],
    [
      "mailtwin.toml",
      () => symlinkSync("real\x1b", file),
      /: it is a symbolic link to real\\x1b, and nothing is there$/,
    ],
    ["mailtwin.tml/a.toml", () => write("mailtwin.tml", ""), /: ENOTDIR: not a directory$/],
  ])("%s that is not there says which part of its path is missing", (name, make, words) => {
    rmSync(join(root, "conf.d"), { recursive: true, force: true });
    make();
    const at = join(root, name);
    const error = expect.objectContaining({ code: "config-missing", message: expect.stringMatching(words) });
    expect(() => readConfigFiles(at, { isRoot: false })).toThrow(error);
  });
});

describe("a file is refused", () => {
  test("that is too large, no file, or a link to nothing; the others are read", () => {
    write("mailtwin.toml", "#".repeat(CONFIG_BYTES_MAX));
    write("conf.d/a.toml", "#".repeat(CONFIG_BYTES_MAX + 1));
    mkdirSync(join(root, "conf.d/b.toml"));
    spawnSync("mkfifo", [join(root, "conf.d/c.toml")]);
    symlinkSync("nowhere", join(root, "conf.d/d.toml"));
    const { texts, problems } = read();
    expect(texts).toHaveLength(1);
    expect(problems).toStrictEqual([
      "conf.d/a.toml: it has more than 1 MiB; split it into several files in conf.d, if it is a configuration at all",
      "conf.d/b.toml: it is no regular file; put a file in its place",
      "conf.d/c.toml: it is no regular file; put a file in its place",
      "conf.d/d.toml: there is no such file; let mailtwin's user read it, or move it away",
    ]);
  });

  test("that is not UTF-8, with the place", () => {
    write("mailtwin.toml", Buffer.from("a = 1\r\nb = 'é\xfc'\n", "latin1"));
    write("conf.d/a.toml", Buffer.from([0x61, 0x20, 0xc3]));
    expect(read().problems).toStrictEqual([
      "mailtwin.toml:2:6: b = '\\xe9\\xfc': that is not UTF-8; save the file as UTF-8",
      "conf.d/a.toml:1:3: a \\xc3: that is not UTF-8; save the file as UTF-8",
    ]);
  });

  test("with all of conf.d, when there are too many", () => {
    write("mailtwin.toml", "");
    for (let n = 0; n <= CONFIG_FILES_MAX; n += 1) write(`conf.d/${n}.toml`, "");
    expect(read().problems).toStrictEqual(["conf.d: it has more than 1000 files; put more into each"]);
    rmSync(join(root, "conf.d/0.toml"));
    expect(read()).toMatchObject({ problems: [], texts: { length: CONFIG_FILES_MAX + 1 } });
  });

  test.skipIf(!IS_ROOT)("as root, that others can change [needs root]", () => {
    const advice = "chown root:root and chmod go-w what is named, and look at what it says";
    write("mailtwin.toml", "", 0o664);
    write("conf.d/a.toml", "", 0o646);
    write("conf.d/b.toml", "");
    chownSync(join(root, "conf.d/b.toml"), 65_534, 0);
    write("conf.d/c.toml", "");
    expect(read(true)).toMatchObject({
      texts: ["conf.d/c.toml: "],
      problems: [
        `mailtwin.toml: others than its owner may write it (its mode is 0664); ${advice}`,
        `conf.d/a.toml: others than its owner may write it (its mode is 0646); ${advice}`,
        `conf.d/b.toml: it belongs to user 65534, and mailtwin runs as root; ${advice}`,
      ],
    });
    expect(read(false).problems).toStrictEqual([]);
  });

  test.skipIf(!IS_ROOT)("as root, whose directory others can change, also behind a link [needs root]", () => {
    write("mailtwin.toml", "");
    write("conf.d/a.toml", "");
    chmodSync(join(root, "conf.d"), 0o777);
    expect(read(true).problems).toStrictEqual([
      "conf.d: others than its owner may write it (its mode is 0777); chown root:root and chmod go-w it, and look at what is in it",
    ]);
    chmodSync(join(root, "conf.d"), 0o755);
    mkdirSync(join(root, "open"));
    chmodSync(join(root, "open"), 0o777);
    write("open/x", "");
    symlinkSync("../open/x", join(root, "conf.d/b.toml"));
    expect(read(true).problems).toStrictEqual([
      expect.stringMatching(/^conf\.d\/b\.toml: others than root .* by way of open; chown root:root/),
    ]);
    chmodSync(root, 0o777);
    expect(read(true).problems).toHaveLength(3);
  });
});

describe("mailtwin config", () => {
  const config = (...args: string[]) => {
    const env = { ...process.env, XDG_CONFIG_HOME: root, NO_COLOR: "1" };
    const run = spawnSync(process.execPath, [CLI, "config", ...args], { cwd: root, encoding: "utf8", env });
    return { code: run.status, out: run.stdout, err: run.stderr };
  };
  const RIGHT = '[store.a]\npath = "/a"\nreplica.b.to = "unix:/b"\n';

  test("check says that it is right, and with what", () => {
    write("mailtwin.toml", RIGHT);
    write("conf.d/x.toml", '[store.b]\npath = "/b"\nsource.from = "unix:/x"\n');
    expect(config("check", "--config", "mailtwin.toml")).toStrictEqual({
      ...{ code: 0, err: "" },
      out: "mailtwin.toml, with 1 of conf.d: no problems; 1 source with 1 replica, 1 store that is a replica, 0 peers\n",
    });
    expect(JSON.parse(config("check", "--json", "--config", file).out)).toStrictEqual({
      ...{
        event: "right",
        files: [file, join(root, "conf.d/x.toml")],
        sources: 1,
        replicasServed: 1,
        replicas: 1,
        peers: 0,
      },
    });
  });

  test("check and show end with 78 and every problem, which can be clicked", () => {
    write("mailtwin.toml", `log_levl = "info"\n${RIGHT}`);
    write("conf.d/x.toml", "[log]\nmax_age = 1\n");
    const told = [
      'mailtwin.toml:1:1: log_levl = "info": there is no such key above the tables; did you mean log_level?',
      'conf.d/x.toml:2:11: max_age = 1: that is a number, and must be a text; write max_age = "14d"',
      "mailtwin: reading the configuration mailtwin.toml: 2 problems.",
      "Nothing was begun. Mend each at its place, then run the command again; docs/configuration.md has all keys.",
    ];
    for (const command of ["check", "show"])
      expect(config(command, "--config", "mailtwin.toml")).toStrictEqual({
        code: 78,
        out: "",
        err: `${told.join("\n")}\n`,
      });
    const lines = config("check", "--json", "--config", "mailtwin.toml").out.trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject([
      { event: "problem", file: "mailtwin.toml", line: 1, column: 1, read: 'log_levl = "info"' },
      { event: "problem", file: "conf.d/x.toml", line: 2, column: 11, advice: 'write max_age = "14d"' },
      { event: "error", code: "config-wrong", exitCode: 78 },
    ]);
  });

  test("ends with 66 for a file that is not there, and with 64 for an empty name", () => {
    const missing = config("check", "--config", "nowhere.toml");
    expect(missing).toMatchObject({ code: 66, out: "" });
    expect(missing.err).toMatch(
      /^mailtwin: reading the configuration nowhere\.toml \(\/.*\/nowhere\.toml\): there is no such file.*\nWithout --config FILE it is .*Write one /,
    );
    const json = config("check", "--json", "--config", "nowhere.toml");
    expect([json.code, json.err, JSON.parse(json.out)]).toMatchObject([
      ...[66, ""],
      { event: "error", code: "config-missing", exitCode: 66 },
    ]);
    expect(config("show", "--config", "")).toMatchObject({
      code: 64,
      err: expect.stringContaining("--config is empty"),
    });
  });

  test("a name that may have been meant ends the sentence once", () => {
    write("mailtwin.toml", RIGHT);
    expect(config("check", "--config", "mailtwin.tml").err).toMatch(
      /: there is no such file; .*did you mean mailtwin\.toml\?\n/,
    );
  });

  test("show writes what check takes, and schema what an editor takes", () => {
    write("mailtwin.toml", RIGHT);
    const shown = config("show", "--config", file);
    expect(shown).toMatchObject({ code: 0, err: "", out: expect.stringContaining('max_size = "1GiB"') });
    write("mailtwin.toml", shown.out);
    expect(config("show", "--config", file).out).toBe(shown.out);
    expect(JSON.parse(config("show", "--json", "--config", file).out)).toMatchObject({ logLevel: "info" });
    expect(JSON.parse(config("schema").out)).toMatchObject({ title: "mailtwin.toml" });
  });
});
