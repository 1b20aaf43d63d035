/** What is no mailtwin, and does not take this site's key: with TLS 1.3 the dialler is done before that shows, and has to name the key. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer } from "node:tls";
import { beforeAll, expect, test } from "vitest";
import { systemClock } from "../../../src/base/clock.js";
import { pemOf, type SiteKey } from "../../../src/wire/keys.js";
import { dialTls } from "../../../src/wire/tls-carrier.js";
import { makeSiteKey } from "./site-keys.js";

const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;

let site: SiteKey;
let peer: SiteKey;

beforeAll(async () => {
  [site, peer] = await Promise.all([makeSiteKey(), makeSiteKey()]);
});

const coded = (code: string, words: string): unknown =>
  expect.objectContaining({ code, message: expect.stringContaining(words) });

function dial(port: number): Promise<unknown> {
  const ends = { key: peer, peerKey: site.name, clock: systemClock };
  return dialTls({ address: { kind: "tls", host: "127.0.0.1", port }, ...ends }, new AbortController().signal);
}

test.skipIf(!hasOpenssl)("by an alert of TLS [needs openssl]", async () => {
  const dir = mkdtempSync(join(tmpdir(), "mtl-alert-"));
  const pem = join(dir, "site.pem");
  writeFileSync(pem, `${pemOf(site.privateKey)}${site.certificate}`);
  const strict = ["-Verify", "1", "-verify_return_error"]; // no authority has signed what is shown.
  const server = spawn("openssl", ["s_server", "-accept", "127.0.0.1:0", "-cert", pem, "-key", pem, ...strict]);
  try {
    let said = "";
    while (!/ACCEPT .*:\d+\n/.test(said)) {
      const [bytes] = (await once(server.stdout, "data")) as [Buffer];
      said += String(bytes);
    }
    await expect(dial(Number(/ACCEPT .*:(\d+)\n/.exec(said)?.[1]))).rejects.toThrow(
      coded("link-refused", `unknown ca): it seems not to accept our key: run mailtwin pair NAME ${peer.name}`),
    );
  } finally {
    server.kill();
    rmSync(dir, { recursive: true });
  }
});

test("without a word", async () => {
  const pem = { key: pemOf(site.privateKey), cert: site.certificate, minVersion: "TLSv1.3" as const };
  const server = createServer({ ...pem, requestCert: true, rejectUnauthorized: true, ca: [site.certificate] });
  server.on("tlsClientError", () => undefined).listen(0, "127.0.0.1");
  await once(server, "listening");
  await expect(dial((server.address() as AddressInfo).port)).rejects.toThrow(
    coded("peer-unreachable", `or does not accept our key: run mailtwin pair NAME ${peer.name}`),
  );
  server.close();
});
