/** `mailtwin keygen` beside a running daemon: which certificate it shows until it is reloaded, and what the commands say of that. */
import { X509Certificate } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { DaemonProcess } from "../../../live/sites/daemon-process.js";
import { mailtwin } from "../mailtwin.js";
import { freePort, shownAt } from "./tls-daemons.js";
import { openTwoDaemons } from "./two-daemons.js";

test("a renewed certificate is shown after a reload, which says so; another key too", { timeout: 60_000 }, async () => {
  await using two = openTwoDaemons(); // of which this is one, with a configuration of its own.
  const config = join(two.dir, "tls.toml");
  const key = join(two.dir, "identity.key");
  const run = async (...args: readonly string[]) => {
    const ended = await mailtwin([...args, "--config", config], { cwd: two.dir });
    expect(ended).toMatchObject({ code: 0, err: "" });
    return ended.out;
  };
  const port = await freePort();
  writeFileSync(
    config,
    `state_dir = "${two.dir}/state"\ncontrol = "${two.dir}/c.control"\nlisten.tls = ["127.0.0.1:${port}"]\n` +
      `identity.key = "${key}"\n[peer.a]\n[store.mail]\npath = "${two.replica}"\nsource.from = "unix:${two.dir}/none"\n`,
  );
  await run("keygen");
  const ofFile = () => new X509Certificate(readFileSync(key)).fingerprint256;
  const first = ofFile();
  const daemon = new DaemonProcess({ site: "tls", before: [], configPath: config, env: {} });
  try {
    await daemon.waitFor("the start", ({ msg }) => msg === "daemon-started");
    expect(await shownAt(port)).toBe(first);

    const renewed = await run("keygen", "--renew");
    expect(renewed).toMatch(/until mailtwin reload; a restart is not needed\.\nNo other host has to be told\.\n$/);
    expect(ofFile()).not.toBe(first);
    expect(await shownAt(port)).toBe(first);
    expect(await run("reload")).toBe("the certificate of this host's key is another: it was renewed\n");
    expect(await shownAt(port)).toBe(ofFile());
    expect(await run("reload")).toBe("nothing is different\n");

    renameSync(key, `${key}.old`);
    await run("keygen");
    expect(await run("reload")).toMatch(/^this host's key is another: sha256:\S+\n$/);
    expect(await shownAt(port)).toBe(ofFile());
    await daemon.stop();
  } finally {
    daemon.signal("SIGKILL");
  }
});
