/**
 * Whoever shows a wrong key, an expired one, another version, or asks for what it has no right to, is refused in words on both sides.
 * Nothing in either store changes, and no state of the store comes to be where nobody had the right to it.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { systemClock, unixMs } from "../../src/base/clock.js";
import { encodeGreeting } from "../../src/wire/greeting.js";
import type { SiteKey } from "../../src/wire/keys.js";
import { PROTOCOL_VERSION } from "../../src/wire/messages.js";
import { describeLive } from "./lab/available.js";
import { listStore } from "./lab/files.js";
import { deliverAll } from "./lab/lmtp.js";
import type { DaemonEvent } from "./sites/daemon-process.js";
import { dialAs, listenAs } from "./sites/fake-peer.js";
import { openSites, type Sites } from "./sites/lab.js";
import { mailFor } from "./sites/mail.js";
import { makeKeyFile } from "./sites/site.js";
import type { Table } from "./sites/site-config.js";

const LONG_AGO = unixMs(systemClock.nowMs() - 4000 * 86_400_000);
const NEWER = encodeGreeting({
  ...{ protocolMin: PROTOCOL_VERSION + 1, protocolMax: PROTOCOL_VERSION + 8 },
  ...{ software: "mailtwin 99", capabilities: [] },
});
/** What the end that dials says of it. */
const DIALLERS_WORD = new Set(["replica-failed", "replica-needs-you"]);

describeLive("a daemon refuses", () => {
  let lab: Sites;
  let before: readonly string[];
  /** Nobody knows it. */
  let stranger: SiteKey;
  let expired: SiteKey;

  beforeAll(async () => {
    // The tests play peers themselves, so all are in one network.
    lab = await openSites({ names: ["a", "b"], users: ["u1"], network: "loopback" });
    await deliverAll(lab.site("a").dovecot, mailFor(["u1"], { seed: 1, count: 3 }));
    stranger = await makeKeyFile(join(lab.site("a").dir, "stranger.key"));
    expired = await makeKeyFile(join(lab.site("a").dir, "expired.key"), LONG_AGO);
    before = listing();
  });

  beforeEach(() => {
    lab.tellWhenFailed();
    configureA({});
    configureB({});
  });

  afterEach(async () => {
    for (const name of ["a", "b"]) {
      const site = lab.site(name);
      if (site.hasDaemon && site.daemon.isRunning) await site.daemon.stop();
    }
    expect(listing()).toEqual(before);
    expect(existsSync(join(lab.site("b").stateDir, "stores")), "a state of the replica").toBe(false);
  });

  afterAll(async () => {
    await lab[Symbol.asyncDispose]();
  });

  function configureA({ peer = {}, replica = {}, ...more }: { peer?: Table; replica?: Table; top?: Table }): void {
    const b = { key: lab.site("b").key.name, ...peer };
    const to = { to: lab.addressOf("a", "b"), peer: "b", ...replica };
    lab.site("a").configure({ ...more, peer: { b }, store: lab.store("a", { replica: { b: to } }) });
  }

  function configureB({ peers = {}, source = {}, ...more }: { peers?: Table; source?: Table; top?: Table }): void {
    const a = { key: lab.site("a").key.name, may_write: ["mail"] };
    lab.site("b").configure({
      ...more,
      listen: { tls: [lab.network.listenAt("b")] },
      peer: { a, ...peers },
      store: lab.store("b", { source: { peer: "a", ...source } }),
    });
  }

  /** Both stores: each name, with what would change if it were written to. */
  function listing(): readonly string[] {
    return ["a", "b"].flatMap((site) =>
      listStore(lab.site(site).dovecot.store).map(
        ({ path, stats }) => `${site} ${path} ${stats.ino} ${stats.size} ${stats.mtimeMs} ${stats.ctimeMs}`,
      ),
    );
  }

  /** Both run; returns what each says of the attempt. */
  async function untilRefused(): Promise<{ readonly atA: DaemonEvent; readonly atB: DaemonEvent }> {
    await lab.site("b").start();
    await lab.site("a").start();
    const atA = await lab.site("a").daemon.waitFor("word of the refusal", ({ msg }) => DIALLERS_WORD.has(msg));
    const atB = await lab.site("b").daemon.waitFor("word of the refusal", ({ msg }) => msg === "link-refused");
    return { atA, atB };
  }

  const said = (code: string, ...words: readonly string[]): unknown =>
    expect.objectContaining({ code, message: expect.stringMatching(words.map(escaped).join(".*")) });

  test("a key that it does not know", async () => {
    configureB({ peers: { a: { key: stranger.name, may_write: ["mail"] } } });
    const { name } = lab.site("a").key;
    expect(await untilRefused()).toEqual({
      atA: said("link-refused", "does not accept our key", name),
      atB: said("peer-unknown", name),
    });
  });

  test("to talk to somebody else at the peer's address", async () => {
    configureA({ peer: { key: stranger.name } });
    const { atA } = await untilRefused();
    expect(atA).toEqual(said("peer-key-differs", lab.site("b").key.name, stranger.name));
    expect(atA.msg).toBe("replica-needs-you");
  });

  test("to dial with its own key when that is expired", async () => {
    configureA({ top: { identity: { key: join(lab.site("a").dir, "expired.key") } } });
    await expectNoBegin("a");
  });

  test("to listen with its own key when that is expired", async () => {
    configureB({ top: { identity: { key: join(lab.site("a").dir, "expired.key") } } });
    await expectNoBegin("b");
  });

  async function expectNoBegin(site: "a" | "b"): Promise<void> {
    const daemon = lab.site(site).spawn();
    const { code } = await daemon.exited;
    expect([code, daemon.strayLines]).toEqual([78, []]);
    const problem = `the key of this site, ${expired.name}: its certificate was valid until `;
    expect(daemon.events).toMatchObject([
      { msg: "daemon-failed", code: "key-expired", problems: [expect.stringContaining(problem)] },
    ]);
  }

  test("a peer whose key is expired, whoever dials", async () => {
    configureB({ peers: { old: { key: expired.name, may_write: ["mail"] } } });
    await lab.site("b").start();
    expect((await dialAs(expired, portOf("b"), NEWER)).toString()).toBe("E");
    await lab.site("b").daemon.waitFor("word of it", ({ msg }) => msg === "link-refused");
    expect(lab.site("b").said("link-refused")).toEqual([said("key-expired", "old", expired.name)]);

    await using listener = await listenAs(expired, NEWER);
    configureA({ peer: { key: expired.name }, replica: { to: listener.address } });
    await lab.site("a").start();
    const atA = await lab.site("a").daemon.waitFor("word of it", ({ msg }) => DIALLERS_WORD.has(msg));
    expect(atA).toEqual(said("key-expired", expired.name));
    expect(listener.heard).toEqual([]);
  });

  test("a version that it does not speak, whoever dials", async () => {
    configureB({ peers: { new: { key: stranger.name, may_write: ["mail"] } } });
    await lab.site("b").start();
    await dialAs(stranger, portOf("b"), NEWER);
    const atB = await lab.site("b").daemon.waitFor("word of it", ({ msg }) => msg === "link-refused");
    expect(atB).toEqual(said("protocol-differs", "mailtwin 99", `${PROTOCOL_VERSION + 1} to`, "this end"));

    await using listener = await listenAs(stranger, NEWER);
    configureA({ peer: { key: stranger.name }, replica: { to: listener.address } });
    await lab.site("a").start();
    const atA = await lab.site("a").daemon.waitFor("word of it", ({ msg }) => DIALLERS_WORD.has(msg));
    expect(atA).toEqual(said("protocol-differs", "mailtwin 99", `${PROTOCOL_VERSION + 1} to`, "this end"));
    expect(atA.msg).toBe("replica-needs-you");
    expect(Buffer.concat(listener.heard).toString("latin1")).toMatch(/^mailtwin\n/);
    expect(Buffer.concat(listener.heard).length).toBeLessThan(200); // its greeting, and nothing more.
  });

  test("a source without the right to the store", async () => {
    configureB({ peers: { c: { key: stranger.name, may_write: ["mail"] } }, source: { peer: "c" } });
    expect(await untilRefused()).toEqual({
      atA: said("no-right", 'may not send to the store "mail"'),
      atB: said("no-right", '"a"', 'may not send to the store "mail"'),
    });
  });

  test("a store that is not there, in the same words", async () => {
    configureA({ replica: { store: "none" } });
    expect(await untilRefused()).toEqual({
      atA: said("no-right", 'may not send to the store "none"'),
      atB: said("no-right", '"a"', 'may not send to the store "none"'),
    });
  });

  test("a replica without the right to the store", async () => {
    const [a, b] = [lab.site("a"), lab.site("b")];
    const peers = { b: { key: b.key.name }, c: { key: stranger.name, may_read: ["mail"] } };
    a.configure({
      listen: { tls: [lab.network.listenAt("a")] },
      peer: peers,
      store: lab.store("a", { replica: { c: { peer: "c" } } }),
    });
    const from = { peer: "a", from: lab.addressOf("b", "a") };
    b.configure({ peer: { a: { key: a.key.name } }, store: lab.store("b", { source: from }) });
    await a.start();
    await b.start();
    const atB = await b.daemon.waitFor("word of the refusal", ({ msg }) => DIALLERS_WORD.has(msg));
    const atA = await a.daemon.waitFor("word of the refusal", ({ msg }) => msg === "link-refused");
    expect(atB).toEqual(said("no-right", 'may not read the store "mail"'));
    expect(atA).toEqual(said("no-right", '"b"', 'may not read the store "mail"'));
  });

  test("to run where a right is missing in the configuration", async () => {
    configureB({ peers: { a: { key: lab.site("a").key.name } } });
    const daemon = lab.site("b").spawn();
    expect(await daemon.exited).toEqual({ code: 78, signal: null });
    expect(daemon.strayLines).toEqual([]);
    expect(daemon.events).toMatchObject([
      { msg: "daemon-failed", problems: [expect.stringContaining('add may_write = ["mail"] to [peer.a]')] },
    ]);
  });

  function portOf(site: string): number {
    return Number(lab.network.listenAt(site).split(":").at(-1));
  }
});

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
