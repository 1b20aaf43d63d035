/**
 * A seed that is killed, or cut off, goes on where it was: what crosses the link again is what the replica had asked for and not applied
 * (`aheadBytesMax`), whichever end dies, and both are equal at the end, as files and through IMAP.
 */
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { SESSION_LIMITS } from "../../src/agent/session-limits.js";
import { overSsh } from "../unit/daemon/reject/over-ssh.js";
import { describeLive } from "./lab/available.js";
import type { DovecotSite } from "./lab/dovecot.js";
import { messageNames } from "./lab/files.js";
import { deliverAll } from "./lab/lmtp.js";
import { runTwin, type TwinRun } from "./lab/mailtwin.js";
import { until } from "./lab/until.js";
import { openSites } from "./sites/lab.js";
import { mailFor } from "./sites/mail.js";
import { seededRandom } from "./twin/mixed-changes.js";
import { openPair } from "./twin/pair.js";
import { rawDifferences } from "./twin/raw-compare.js";
import { fileMail } from "./twin/raw-mail.js";
import { summaryOf } from "./twin/small-store.js";

const USERS = ["u1", "u2"];
const BODY_BYTES = 100_000;
const EACH = 320;
const ALL = USERS.length * EACH;
const STORE_BYTES = ALL * BODY_BYTES;
/** Also what else is said: offers, outcomes, heads. */
const BESIDE = 1.01;
const CUTTER = fileURLToPath(new URL("twin/ssh-cutter.mjs", import.meta.url));
const NEVER = Number.MAX_SAFE_INTEGER;

/** Of exactly BODY_BYTES, and nearly nothing of it can be compressed. */
function noise(seed: number): Buffer {
  const random = seededRandom(seed);
  const body = Buffer.alloc(BODY_BYTES, 0x0a);
  const head = body.write(
    `From: a@example.org\nSubject: ${seed}\nMIME-Version: 1.0\nContent-Transfer-Encoding: 8bit\n\n`,
  );
  for (let at = head; at < BODY_BYTES; at++) {
    const value = Math.floor(random() * 188);
    if ((at - head) % 400 !== 399) body[at] = value < 94 ? 0x21 + value : 0xa1 + value - 94;
  }
  return body;
}

async function fill(source: DovecotSite): Promise<void> {
  await deliverAll(source, mailFor(USERS, { seed: 1, count: USERS.length }));
  for (const [i, user] of USERS.entries())
    await fileMail({ site: source, user }, { count: EACH, seed: 0, makeBody: (index) => noise(1 + i * EACH + index) });
}

/** Bytes of the large ones. */
function visibleAt({ store }: DovecotSite): number {
  const names = USERS.filter((user) => existsSync(join(store, user, "Maildir/cur"))).flatMap((user) =>
    messageNames(store, `${user}/Maildir`),
  );
  return names.filter((name) => name.includes(`,S=${BODY_BYTES},`)).length * BODY_BYTES;
}

describeLive("a seed that does not come to its end at once", () => {
  test("over ssh: cut or killed at 10, 50 and 90 %, it sends again what was asked for and not applied, at the most", {
    timeout: 420_000,
  }, async () => {
    await using pair = await openPair({ users: USERS });
    const { source, replica } = pair;
    await fill(source);
    const { destination, rsh, remoteMailtwin } = overSsh({ dir: replica.dir, replica: replica.store });
    const cutter = join(replica.dir, "ssh-cutter");
    let runs = 0;
    const seed = async (limit: number, action: string): Promise<{ readonly run: TwinRun; readonly bytes: number }> => {
      runs += 1;
      const countFile = join(replica.dir, `count-${runs}`);
      const words = [process.execPath, CUTTER, countFile, limit, `'${action}'`, rsh].join(" ");
      writeFileSync(cutter, `#!/bin/sh\nexec ${words} "$@"\n`);
      chmodSync(cutter, 0o755);
      const flags = ["-e", cutter, "--remote-mailtwin", remoteMailtwin, "--state", pair.state, "--json"];
      const run = await runTwin(["sync", source.store, destination, ...flags], { msMax: 120_000 });
      await until("the replica's end to be gone", () => existsSync(countFile));
      return { run, bytes: Number(readFileSync(countFile, "utf8")) };
    };

    let sent = 0;
    for (const [i, [share, action]] of CUTS.entries()) {
      const limit = Math.round(share * STORE_BYTES) - visibleAt(replica);
      const { run, bytes } = await seed(limit, action);
      expect([run.code, run.signal], JSON.stringify(run.events)).toEqual(
        action === "source killed" ? [undefined, "SIGKILL"] : [expect.any(Number), undefined],
      );
      expect(run.code).not.toBe(0);
      expect(bytes).toBeGreaterThanOrEqual(limit);
      sent += bytes;
      // As much as all runs have sent, but for what one or the other has lost.
      expect(visibleAt(replica)).toBeGreaterThanOrEqual(sent / BESIDE - (i + 1) * SESSION_LIMITS.aheadBytesMax);
    }
    const standing = visibleAt(replica);
    expect(standing).toBeLessThan(STORE_BYTES);
    const { run, bytes } = await seed(NEVER, "nothing");
    expect(run.code, JSON.stringify(run.events.at(-1))).toBe(0);
    const small = Number(summaryOf(run)["bodiesBytes"]) % BODY_BYTES; // those that came by LMTP.
    expect(summaryOf(run)).toMatchObject({ bodiesBytes: STORE_BYTES - standing + small });
    expect(sent + bytes).toBeLessThanOrEqual((STORE_BYTES + CUTS.length * SESSION_LIMITS.aheadBytesMax) * BESIDE);
    expect(rawDifferences(source.store, replica.store)).toEqual([]);
    await pair.settle();
  });

  test("over TLS: a daemon that is killed at 10, 40 and 70 %, at either end, the same", {
    timeout: 420_000,
  }, async () => {
    await using lab = await openSites({ names: ["a", "b"], users: USERS });
    lab.tellWhenFailed();
    const [a, b] = [lab.site("a"), lab.site("b")];
    await fill(a.dovecot);
    lab.configureSource("a", ["b"]);
    lab.configureReplica("b", "a");
    await Promise.all([a.start(), b.start()]);
    const untilVisible = (share: number) =>
      until(`${share} of it at the replica`, () => visibleAt(b.dovecot) >= share * STORE_BYTES, {
        ...{ pollMs: 2, detail: () => `${a.daemon.tail()}\n${b.daemon.tail()}` },
      });

    await untilVisible(0.1);
    await a.daemon.kill9();
    await b.daemon.waitFor("the source to be gone", ({ msg }) => msg === "source-gone");
    const standing = visibleAt(b.dovecot);
    expect(standing).toBeLessThan(STORE_BYTES);
    await a.start();
    // Two more transactions are left at the last one: whoever polls on a busy machine is late for a single one.
    for (const share of [0.4, 0.7]) {
      await untilVisible(share);
      await b.daemon.kill9();
      expect(visibleAt(b.dovecot)).toBeLessThan(STORE_BYTES);
      await b.start();
    }
    await lab.settle("a", "b");
    const sent = Number((await a.statusOf("b"))["bytesSent"]);
    expect(sent).toBeGreaterThanOrEqual(STORE_BYTES - standing);
    expect(sent).toBeLessThanOrEqual((STORE_BYTES - standing + 2 * SESSION_LIMITS.aheadBytesMax) * BESIDE);
    expect(rawDifferences(a.dovecot.store, b.dovecot.store)).toEqual([]);
    for (const site of [a, b]) await site.daemon.stop();
  });
});

const CUTS = [
  [0.1, "source killed"],
  [0.5, "cut"],
  [0.9, "replica killed"],
] as const;
