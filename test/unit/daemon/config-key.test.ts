/** What `mailtwin config check` says of this host's key: what the daemon would refuse, in its words, with what needs it. */
import { chmodSync, existsSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock, unixMs } from "../../../src/base/clock.js";
import { openNodeDisk } from "../../../src/base/disk-node.js";
import { createSiteKey } from "../../../src/wire/keys.js";
import { DaemonProcess } from "../../live/sites/daemon-process.js";
import { mailtwin } from "./mailtwin.js";

const LONG_AGO = unixMs(systemClock.nowMs() - 4000 * 86_400_000);
const PEER_KEY = "sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

const LISTENING = '[listen]\ntls = ["127.0.0.1:4417"]\n';
const DIALLING = `[peer.b]\nkey = "${PEER_KEY}"\n[store.mail.replica.b]\nto = "tls://127.0.0.1:1"\npeer = "b"\n`;
const NEITHER = '[store.mail.replica.b]\nto = "unix:/run/b.sock"\n';

let dir: string;
let config: string;
let keyPath: string;

beforeEach(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), "mailtwin-config-key-")));
  config = join(dir, "m.toml");
  keyPath = join(dir, "identity.key");
});

afterEach(() => rmSync(dir, { recursive: true }));

function write(more: string): void {
  const own = `state_dir = "${dir}/state"\ncontrol = "${dir}/control.sock"\n[identity]\nkey = "${keyPath}"\n`;
  writeFileSync(config, `${own}[store.mail]\npath = "${dir}/mail"\n${more}`);
}

const makeKey = (madeMs = systemClock.nowMs()) => createSiteKey({ disk: openNodeDisk(), path: keyPath }, madeMs);
const check = (...more: string[]) => mailtwin(["config", "check", "--config", config, ...more], { cwd: dir });

/** The one problem that is told, without what is to be done. */
async function problem(): Promise<string | undefined> {
  const { code, out, err } = await check();
  const lines = err.trimEnd().split("\n");
  expect([code, out, lines.length]).toEqual([78, "", 3]);
  return lines[0]?.replaceAll(dir, "").split("; ")[0];
}

describe("the key of this host", () => {
  test.each([
    [`${LISTENING}[store.mail.source]\nfrom = "unix:/x"\n`, "8:7"],
    [DIALLING, "10:6"],
  ])("that is not there: with what needs it", async (more, place) => {
    write(more);
    expect(await problem()).toMatch(
      new RegExp(
        `^/m\\.toml:4:7: key = .*: using the key of this site, /identity\\.key: it is not there \\(key-unusable\\), and TLS needs it \\(/m\\.toml:${place}\\)$`,
      ),
    );
    const run = await mailtwin(["run", "--config", config], { cwd: dir });
    expect(run.code).toBe(78);
    expect(JSON.parse(run.err)).toMatchObject({ code: "key-unusable" });
  });

  test("that nothing needs, and is not there: the daemon reads it all the same", async () => {
    write(NEITHER);
    expect(await problem()).toMatch(/: it is not there \(key-unusable\)$/);
    expect((await mailtwin(["run", "--config", config], { cwd: dir })).code).toBe(78);
  });

  test("that others may read, or that is none", async () => {
    write(DIALLING);
    await makeKey();
    expect(await check()).toMatchObject({ code: 0, err: "" });
    chmodSync(keyPath, 0o644);
    expect(await problem()).toMatch(/it is open to others than its owner \(its mode is 0644\) \(key-unusable\), and/);
    writeFileSync(keyPath, "x");
    chmodSync(keyPath, 0o600);
    expect(await problem()).toMatch(/it does not hold a private key and a certificate in PEM.*\(key-unusable\), and/);
    expect((await check()).err).toContain("mailtwin keygen");
  });

  test("that has expired, where it is used", async () => {
    write(DIALLING);
    const { name } = await makeKey(LONG_AGO);
    const told = await problem();
    expect(told).toContain(`using the key of this site, ${name}: its certificate was valid until `);
    expect(told).toMatch(/\(key-expired\), and TLS needs it \(\/m\.toml:10:6\)$/);
    expect((await check()).err).toMatch(
      /; check the clocks .*mailtwin keygen --renew.* \(asked as user \d+, which has to be the daemon's\)\n/,
    );
    write(NEITHER);
    expect(await check()).toMatchObject({ code: 0, err: "" });
  });

  test.each([
    ["dials", DIALLING],
    ["listens", `${LISTENING}[store.mail.source]\nfrom = "unix:/x"\n`],
  ])(
    "that has expired, of a daemon that %s: it does not begin, says what check says, and has opened nothing",
    async (_what, more) => {
      write(more);
      await makeKey(LONG_AGO);
      const told = (await check()).err.split("\n")[0]?.replace(/ \(asked as user .*/, "");
      const run = await mailtwin(["run", "--config", config], { cwd: dir });
      expect([run.code, run.out, existsSync(join(dir, "state"))]).toEqual([78, "", false]);
      expect(JSON.parse(run.err)).toMatchObject({
        ...{ msg: "daemon-failed", level: 50, code: "key-expired", exitCode: 78, problems: [told] },
      });
    },
  );

  test("that has expired, and that no link needs: the daemon begins", async () => {
    write(NEITHER);
    await makeKey(LONG_AGO);
    const daemon = new DaemonProcess({ site: "a", before: [], configPath: config, env: {} });
    try {
      await daemon.waitFor("the start", ({ msg }) => msg === "daemon-started");
      await daemon.stop();
    } finally {
      daemon.signal("SIGKILL");
    }
  });

  test("is a problem like others for machines", async () => {
    write(DIALLING);
    const { code, out } = await check("--json");
    expect(code).toBe(78);
    expect(
      out
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as object),
    ).toMatchObject([
      { event: "problem", file: config, line: 4, column: 7 },
      { event: "error", code: "config-wrong", exitCode: 78 },
    ]);
  });
});
