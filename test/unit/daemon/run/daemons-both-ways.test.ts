/** A pair that daemons keep, and `mailtwin sync` (or another daemon) in the other direction: refused, before anything is made or written. */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { runTwin, startTwin } from "../../../live/lab/mailtwin.js";
import { until } from "../../../live/lab/until.js";
import { CLI, type DaemonEvent } from "../../../live/sites/daemon-process.js";
import { rawDifferences } from "../../../live/twin/raw-compare.js";
import { addMessage, expectRefusal, makeMailbox } from "../../../live/twin/small-store.js";
import { openTwoDaemons, type TwoDaemons } from "./two-daemons.js";

const INBOX = "alice/Maildir";
const NOTE = ".replica.mailtwin/twin-over-link.json";

const isLive = ({ msg, state }: DaemonEvent & { readonly state?: unknown }) =>
  msg === "replica-state" && state === "live";

const untilEqual = (two: TwoDaemons) =>
  until("both to be equal", () => {
    const isThere = existsSync(join(two.replica, INBOX, "dovecot-uidlist"));
    return isThere && rawDifferences(join(two.source, INBOX), join(two.replica, INBOX)).length === 0;
  });

/** From the replica to the source, as a host of its own by what stands in for ssh where `over` says so. */
function syncBack(two: TwoDaemons, over: "here" | "ssh", ...args: readonly string[]) {
  const [home, ssh] = [join(two.dir, "state-home"), join(two.dir, "ssh")];
  mkdirSync(home, { mode: 0o700, recursive: true });
  const drop = "while case $1 in -*) true ;; *) false ;; esac; do shift; done; shift 2";
  writeFileSync(ssh, `#!/bin/sh\n${drop}\nXDG_STATE_HOME=${home} exec sh -c "$*"\n`);
  chmodSync(ssh, 0o755);
  const remote = [`a.example.org:${two.source}`, "-e", ssh, "--remote-mailtwin", `node ${CLI}`];
  const to = over === "here" ? [two.source] : remote;
  return runTwin(["sync", two.replica, ...to, "--json", ...args], { env: { XDG_STATE_HOME: home } });
}

/** All that a refused run must not change: on the source's host, and in the source. */
const seenOf = (two: TwoDaemons) => [
  readdirSync(two.source, { recursive: true }).map(String).sort(),
  readFileSync(join(two.source, INBOX, "dovecot-uidlist"), "latin1"),
  existsSync(join(two.dir, ".source.mailtwin")),
];

describe("a sync from the replica of a daemon to its source", () => {
  test("is refused, here and over ssh, while the daemons run and when they do not", { timeout: 90_000 }, async () => {
    await using two = openTwoDaemons();
    makeMailbox(two.source, INBOX, { messages: 3, seed: 1 });
    two.configure({});
    const daemons = [two.start("replica"), two.start("source")];
    await untilEqual(two);
    const before = seenOf(two);
    const refused = async (): Promise<void> => {
      for (const over of ["here", "ssh"] as const)
        for (const more of [[], ["--foreign", "keep"]])
          expectRefusal(await syncBack(two, over, ...more), "stores-swapped", 78, "the twin of", "twin-over-link.json");
      expectRefusal(await syncBack(two, "here", "--dry-run"), "stores-swapped", 78);
    };
    await refused();
    for (const daemon of daemons) await daemon.stop();
    await refused();
    expect(seenOf(two)).toStrictEqual(before);
  });

  test("is refused as well where the replica's scratch directory is elsewhere", { timeout: 90_000 }, async () => {
    await using two = openTwoDaemons();
    makeMailbox(two.source, INBOX, { messages: 3, seed: 1 });
    two.configure({});
    const config = readFileSync(two.configs.replica, "utf8");
    const scratch = `scratch = "${two.dir}/elsewhere"\n[store.mail.source]`;
    writeFileSync(two.configs.replica, config.replace("[store.mail.source]", scratch));
    const daemons = [two.start("replica"), two.start("source")];
    await untilEqual(two);
    const before = seenOf(two);
    const refused = async (): Promise<void> => {
      for (const over of ["here", "ssh"] as const)
        expectRefusal(await syncBack(two, over), "stores-swapped", 78, "the twin of", "twin-over-link.json");
    };
    await refused();
    for (const daemon of daemons) await daemon.stop();
    await refused();
    expect(seenOf(two)).toStrictEqual(before);
    expect(readdirSync(join(two.dir, ".replica.mailtwin")).sort()).toEqual(["lock.db", "twin-over-link.json"]);
  });

  test("is free where the replica had mail of its own, nothing was written, and the daemon is gone", async () => {
    await using two = openTwoDaemons();
    makeMailbox(two.source, INBOX, { messages: 3, seed: 1 });
    makeMailbox(two.replica, "u9/Maildir", { messages: 2, seed: 70 });
    two.configure({});
    const [replica, source] = [two.start("replica"), two.start("source")];
    await source.waitFor("the refusal", ({ code }) => code === "destination-has-mail");
    expect(existsSync(join(two.dir, NOTE))).toBe(true);
    await source.stop();
    await replica.stop();
    expect(existsSync(join(two.dir, NOTE))).toBe(false);
  });

  test("is refused where the replica dials, too", { timeout: 60_000 }, async () => {
    await using two = openTwoDaemons();
    makeMailbox(two.source, INBOX, { messages: 3, seed: 1 });
    two.configure({});
    const edit = (config: string, ...parts: readonly (readonly [string, string])[]) => {
      let text = readFileSync(config, "utf8");
      for (const [from, to] of parts) text = text.replace(from, to);
      writeFileSync(config, text);
    };
    const at = `unix:${two.dir}/link`;
    const listen = `listen.unix = ["${two.dir}/link"]`;
    edit(two.configs.source, ["[peer.b]", `${listen}\n[peer.b]\nmay_read = ["mail"]`], [`to = "${at}"\n`, ""]);
    edit(two.configs.replica, [listen, ""], ['may_write = ["mail"]', ""], ['peer = "a"', `peer = "a"\nfrom = "${at}"`]);
    const daemons = [two.start("source"), two.start("replica")];
    await untilEqual(two);
    const before = seenOf(two);
    expectRefusal(await syncBack(two, "here"), "stores-swapped", 78);
    expect(seenOf(two)).toStrictEqual(before);
    for (const daemon of daemons) await daemon.stop();
  });

  test("is refused again when a note that was damaged has met the next link", { timeout: 60_000 }, async () => {
    await using two = openTwoDaemons();
    makeMailbox(two.source, INBOX, { messages: 3, seed: 1 });
    two.configure({});
    const replica = two.start("replica");
    let source = two.start("source");
    await untilEqual(two);
    writeFileSync(join(two.dir, NOTE), '{"lineage":');
    await source.stop();
    source = two.start("source");
    await source.waitFor("live", isLive);
    expectRefusal(await syncBack(two, "here"), "stores-swapped", 78);
    await Promise.all([source.stop(), replica.stop()]);
  });
});

describe("roles of daemons", () => {
  test("that are exchanged exchange the direction that is refused", { timeout: 90_000 }, async () => {
    await using two = openTwoDaemons();
    makeMailbox(two.source, INBOX, { messages: 3, seed: 1 });
    const period = async (takes: "source" | "replica", sends: "source" | "replica"): Promise<void> => {
      const daemons = [two.start(takes), two.start(sends)] as const;
      await daemons[1].waitFor("live", isLive);
      await untilEqual(two);
      for (const daemon of daemons) await daemon.stop();
    };
    two.configure({});
    await period("replica", "source");
    two.configureExchanged();
    await period("source", "replica");
    expect(existsSync(join(two.dir, NOTE))).toBe(false);
    const env = { XDG_STATE_HOME: join(two.dir, "home") };
    const there = await runTwin(["sync", two.source, two.replica, "--json"], { env });
    expectRefusal(there, "stores-swapped", 78, two.source);
    two.configure({});
    await period("replica", "source");
    expectRefusal(await syncBack(two, "here"), "stores-swapped", 78, two.replica);
  });

  test("are not believed while a sync in the other direction is live; what an ended one has left is no bar", {
    timeout: 90_000,
  }, async () => {
    await using two = openTwoDaemons();
    makeMailbox(two.replica, INBOX, { messages: 3, seed: 1 });
    await using sync = await startTwin({
      source: two.replica,
      replica: two.source,
      state: join(two.dir, "state-sync"),
    });
    two.configure({});
    const replica = two.start("replica");
    const source = two.start("source");
    const told = (event: DaemonEvent) => event["code"] === "stores-swapped" && event.msg.endsWith("-needs-you");
    await source.waitFor("the refusal", told);
    await replica.waitFor("its own words", told);
    expect(existsSync(join(two.dir, NOTE))).toBe(false);
    await sync.stop();
    await source.waitFor("live", isLive);
    addMessage(join(two.source, INBOX), { seed: 50 });
    await untilEqual(two);
    expectRefusal(await syncBack(two, "here"), "stores-swapped", 78);
    await Promise.all([source.stop(), replica.stop()]);
  });
});
