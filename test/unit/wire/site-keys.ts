/** Keys of sites for tests, made as mailtwin makes them. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock, type UnixMs } from "../../../src/base/clock.js";
import { openNodeDisk } from "../../../src/base/disk-node.js";
import { createSiteKey, pemOf, renewSiteKey, type SiteKey } from "../../../src/wire/keys.js";

/** Of a key that was made at that time. */
export async function makeSiteKey(nowMs: UnixMs = systemClock.nowMs()): Promise<SiteKey> {
  const dir = mkdtempSync(join(tmpdir(), "mtl-key-"));
  try {
    return await createSiteKey({ disk: openNodeDisk(), path: join(dir, "site.key") }, nowMs);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** The same key with another certificate. */
export async function renewedOf({ privateKey, certificate }: SiteKey): Promise<SiteKey> {
  const dir = mkdtempSync(join(tmpdir(), "mtl-key-"));
  try {
    const path = join(dir, "site.key");
    writeFileSync(path, `${pemOf(privateKey)}${certificate}`, { mode: 0o600 });
    return await renewSiteKey({ disk: openNodeDisk(), path }, systemClock.nowMs());
  } finally {
    rmSync(dir, { recursive: true });
  }
}
