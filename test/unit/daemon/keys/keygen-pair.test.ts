/** keygen and pair of the built program: what is made, what is refused, and what is left as it was. */
import { X509Certificate } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "smol-toml";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openNodeDisk } from "../../../../src/base/disk-node.js";
import { CONFIG_FILES_MAX } from "../../../../src/daemon/config/read-files.js";
import { readSiteKey } from "../../../../src/wire/keys.js";
import { mailtwin } from "../mailtwin.js";

const KEY = "sha256:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=";
const OTHER_KEY = "sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

let dir: string;
let config: string;
let keyFile: string;

beforeEach(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), "mailtwin-keys-")));
  config = join(dir, "mailtwin.toml");
  keyFile = join(dir, "identity.key");
});

afterEach(() => rmSync(dir, { recursive: true }));

/** A source whose replica b dials in; what it says is right once b is known. */
function configure(more = ""): void {
  writeFileSync(
    config,
    `${more}[listen]\ntls = ["[::]:4417"]\n[identity]\nkey = "${keyFile}"\n[store.mail]\npath = "/var/vmail"\n[store.mail.replica.b]\npeer = "b"\n`,
  );
}

const run = (...args: readonly string[]) => mailtwin(args, { cwd: dir });
const withConfig = (...args: readonly string[]) => run(...args, "--config", config);
const peerB = () => join(dir, "conf.d", "peer-b.toml");

describe("keygen", () => {
  test("makes the key that the configuration names, before the configuration is right", async () => {
    configure();
    expect((await withConfig("config", "check")).code).toBe(78);
    const { code, out, err } = await withConfig("keygen");
    expect([code, err]).toEqual([0, ""]);
    const { name, certificate } = readSiteKey({ disk: openNodeDisk(), path: keyFile });
    expect(out.split("\n").slice(0, 2)).toEqual([expect.stringContaining(keyFile), name]);
    expect(out).toMatch(new RegExp(`\nmailtwin pair \\S+ ${name.replaceAll("+", "\\+")}\n$`));
    expect(out).not.toContain("[identity]");
    expect(statSync(keyFile).mode & 0o7777).toBe(0o600);
    expect(new X509Certificate(certificate).subject).toBeDefined();
  });

  test("replaces none: 73, and the key is as before; its certificate can be renewed", async () => {
    configure();
    await withConfig("keygen");
    const before = readFileSync(keyFile);
    expect(await withConfig("keygen")).toMatchObject({ code: 73, out: "" });
    expect(readFileSync(keyFile).equals(before)).toBe(true);
    const { code, out } = await withConfig("keygen", "--renew", "--json");
    const { name, validUntilMs } = readSiteKey({ disk: openNodeDisk(), path: keyFile });
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual({ path: keyFile, name, validUntil: new Date(validUntilMs).toISOString() });
    expect(readFileSync(keyFile).equals(before)).toBe(false);
    expect((await withConfig("pair", "--json")).out).toContain(name);
  });

  test("without a configuration makes it where that would be, and says what to write into it", async () => {
    const own = join(dir, ".config/mailtwin");
    const env = { XDG_CONFIG_HOME: join(dir, ".config") };
    if (process.geteuid?.() === 0) {
      const { out } = await run("keygen", "--key", keyFile);
      expect(out).toContain(`[identity]\nkey = "${keyFile}"\n`);
    } else {
      mkdirSync(join(dir, ".config"));
      const { out } = await mailtwin(["keygen"], { cwd: dir, env });
      expect(out).toContain(`[identity]\nkey = "${own}/identity.key"\n`);
    }
  });

  test("beside a configuration that is named and not there yet, and says what to write into it", async () => {
    const { code, out, err } = await withConfig("keygen");
    expect([code, err]).toEqual([0, ""]);
    expect(out).toContain(`made ${keyFile}; `);
    expect(out).toContain(`On this host, in ${config}, which is to be written:\n[identity]\nkey = "${keyFile}"\n`);
    expect(readdirSync(dir)).toEqual(["identity.key"]);
    expect((await withConfig("pair", "b", KEY)).code).toBe(66); // what a peer may do stands in it.
    symlinkSync("nowhere", config);
    expect((await withConfig("keygen")).err).toContain("symbolic link");
  });

  test.each([
    [["--key", ""], 64],
    [["--config", "/nowhere/x.toml"], 66],
    [["--key", "/nowhere/identity.key"], 78],
    [["--renew", "--key", "no-such-key"], 78],
  ])("%j: %d", async (args, code) => {
    const ended = await run("keygen", ...args);
    expect([ended.code, ended.out]).toEqual([code, ""]);
    expect(readdirSync(dir)).toEqual([]);
  });

  test("a relative path in the configuration is none", async () => {
    writeFileSync(config, '[identity]\nkey = "identity.key"\n');
    expect(await withConfig("keygen")).toMatchObject({
      code: 78,
      err: expect.stringContaining("the path is not absolute"),
    });
    expect(existsSync(keyFile)).toBe(false);
  });
});

describe("pair", () => {
  test("writes the peer down with the rights that the stores need; then the configuration is right", async () => {
    configure();
    await withConfig("keygen");
    const before = process.umask(0o077);
    const { code, out, err } = await withConfig(
      "pair",
      "b",
      KEY.slice(0, -1),
      "--as",
      "a",
      "--host",
      "a.example.org",
    ).finally(() => process.umask(before));
    expect([code, err]).toEqual([0, ""]);
    expect(parse(readFileSync(peerB(), "utf8"))).toEqual({ peer: { b: { key: KEY, may_read: ["mail"] } } });
    expect(statSync(peerB()).mode & 0o7777).toBe(0o644);
    expect(readdirSync(join(dir, "conf.d"))).toEqual(["peer-b.toml"]);
    expect(out).toContain(`wrote ${peerB()}`);
    expect(out).toContain('# from = "tls://a.example.org:4417"\n');
    expect((await withConfig("config", "check")).code).toBe(0);
  });

  test("both ends, by what each says of itself", async () => {
    configure();
    await withConfig("keygen");
    const there = join(dir, "there");
    mkdirSync(there);
    const theirs = join(there, "mailtwin.toml");
    const dial = '[store.mail.source]\npeer = "a"\nfrom = "tls://a.example.org:4417"\n';
    writeFileSync(theirs, `[identity]\nkey = "${there}/identity.key"\n[store.mail]\npath = "/srv/twin"\n${dial}`);
    const made = await run("keygen", "--config", theirs, "--json");
    const { name } = JSON.parse(made.out) as { readonly name: string };
    const here = await withConfig("pair", "b", name, "--as", "a", "--json");
    const { own } = JSON.parse(here.out) as { readonly own: string };
    expect((await run("pair", "a", own, "--config", theirs)).code).toBe(0);
    for (const each of [config, theirs]) expect((await run("config", "check", "--config", each)).code).toBe(0);
  });

  test("says what another host is to be told: TOML, and nothing is written", async () => {
    configure();
    expect((await withConfig("pair")).code).toBe(78); // no key yet.
    await withConfig("keygen");
    const { code, out } = await withConfig("pair", "--as", "a");
    const { name } = readSiteKey({ disk: openNodeDisk(), path: keyFile });
    expect([code, parse(out)]).toEqual([0, { peer: { a: { key: name } } }]);
    expect((await withConfig("pair", "b", "--as", "a")).out).toContain("# [store.mail.source]\n");
    expect(readdirSync(dir).sort()).toEqual(["identity.key", "mailtwin.toml"]);
  });

  test("this host is called as its configuration says, unless the command line does", async () => {
    configure();
    await withConfig("keygen");
    writeFileSync(config, readFileSync(config, "utf8").replace("[identity]\n", '[identity]\nname = "home"\n'));
    expect(Object.keys(parse((await withConfig("pair")).out)["peer"] as object)).toEqual(["home"]);
    expect(Object.keys(parse((await withConfig("pair", "--as", "x")).out)["peer"] as object)).toEqual(["x"]);
    expect((await withConfig("pair", "--as", "X")).code).toBe(64);
  });

  test("a configuration that was wrong may be wrong still, but not more", async () => {
    configure('control = "relative"\n');
    const { code, err } = await withConfig("pair", "b", KEY);
    expect(code).toBe(0);
    expect(err).toContain("has 1 problem still: mailtwin config check tells them\n");
    expect(err).toContain("mailtwin keygen makes one\n");
  });

  test("refuses to replace a file, and leaves it as it is", async () => {
    configure();
    mkdirSync(join(dir, "conf.d"));
    writeFileSync(peerB(), "# mine\n");
    expect(await withConfig("pair", "b", KEY)).toMatchObject({ code: 73, out: "" });
    expect(readFileSync(peerB(), "utf8")).toBe("# mine\n");
  });

  test("refuses what would make the configuration wrong, says why, and leaves nothing behind", async () => {
    configure();
    await withConfig("keygen");
    await withConfig("pair", "b", KEY);
    const wrong = [
      [["c", KEY], "that is the key of [peer.b]"],
      [["c", OTHER_KEY, "--may-read", "nope"], "there is no store of that name"],
    ] as const;
    for (const [args, words] of wrong) {
      const { code, out, err } = await withConfig("pair", ...args);
      expect([code, out]).toEqual([78, ""]);
      expect(err).toMatch(/^.*peer-c\.toml:\d+:\d+: /);
      expect(err).toContain(words);
    }
    writeFileSync(join(dir, "conf.d", "own.toml"), `[peer.d]\nkey = "${OTHER_KEY}"\n`);
    expect((await withConfig("pair", "d", `sha256:${"A".repeat(43)}=`)).code).toBe(78); // it stands elsewhere.
    expect(readdirSync(join(dir, "conf.d")).sort()).toEqual(["own.toml", "peer-b.toml"]);
    expect((await withConfig("config", "check")).code).toBe(0);
  });

  test("what is found wrong only as it is read again is taken back", async () => {
    configure();
    mkdirSync(join(dir, "conf.d"));
    for (let n = 0; n < CONFIG_FILES_MAX; n += 1) writeFileSync(join(dir, "conf.d", `${n}.toml`), "");
    const { code, out, err } = await withConfig("pair", "b", KEY);
    expect([code, out, existsSync(peerB())]).toEqual([78, "", false]);
    expect(err).toContain("more than 1000 files");
    expect(readdirSync(join(dir, "conf.d"))).toHaveLength(CONFIG_FILES_MAX);
  });

  test.each([
    [["B", KEY]],
    [["../b", KEY]],
    [["", KEY]],
    [["b", "sha256:short"]],
    [["b", ""]],
    [["b", `sha256:${"A".repeat(42)}B=`]],
    [["b", KEY, "third"]],
    [["b", KEY, "--config", ""]],
  ])("%j is not understood: 64, and nothing is written", async (args) => {
    configure();
    const ended = await (args.includes("--config") ? run("pair", ...args) : withConfig("pair", ...args));
    expect([ended.code, ended.out, ended.err === ""]).toEqual([64, "", false]);
    expect(readdirSync(dir)).toEqual(["mailtwin.toml"]);
  });

  test("its own key is not the other host's", async () => {
    configure();
    await withConfig("keygen");
    const { name } = readSiteKey({ disk: openNodeDisk(), path: keyFile });
    expect(await withConfig("pair", "b", name)).toMatchObject({
      code: 64,
      err: expect.stringContaining("key of this host"),
    });
    expect(existsSync(peerB())).toBe(false);
  });
});
