/** SIGHUP: what differs begins or ends, and nothing else is touched; a configuration that is wrong changes nothing. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { describeLive } from "./lab/available.js";
import { deliverAll } from "./lab/lmtp.js";
import type { DaemonEvent } from "./sites/daemon-process.js";
import { openSites, type Sites } from "./sites/lab.js";
import { mailFor } from "./sites/mail.js";

describeLive("a reload of the configuration", () => {
  test("adds and removes a replica, refuses what is wrong, and the other replica keeps its link", async () => {
    await using lab = await openSites({ names: ["a", "b", "c"], users: ["u1"] });
    lab.tellWhenFailed();
    const [a, b, c] = [lab.site("a"), lab.site("b"), lab.site("c")];
    await deliverAll(a.dovecot, mailFor(["u1"], { seed: 1, count: 5 }));
    lab.configureSource("a", ["b"]);
    lab.configureReplica("b", "a");
    lab.configureReplica("c", "a");
    await c.start();
    await lab.startAll("a", ["b"]);
    const linksOfB = [b.mark, a.mark] as const;

    lab.configureSource("a", ["b", "c"]);
    const added = a.mark;
    expect(await a.reload()).toMatchObject({ msg: "config-reloaded" });
    await a.untilReplica("c", "live", added);
    await deliverTo(lab, ["b", "c"], 100);

    writeFileSync(a.configPath, "[store.mail]\nreplcia = 1\n");
    expect(await a.reload()).toMatchObject({
      msg: "config-refused",
      problems: expect.arrayContaining([expect.stringMatching(/mailtwin\.toml:2:1: .*replcia.*replica/)]),
    });
    await deliverTo(lab, ["b", "c"], 200);

    lab.configureSource("a", ["b", "c"], { top: { state_dir: join(a.dir, "elsewhere") } });
    expect(await a.reload()).toMatchObject({ msg: "config-refused", code: "restart-needed" });
    await deliverTo(lab, ["b", "c"], 300);

    lab.configureSource("a", ["b"]);
    const removed = c.mark;
    expect(await a.reload()).toMatchObject({ msg: "config-reloaded" });
    await c.daemon.waitFor("its source to be gone", ({ msg }) => msg === "source-gone", removed);
    await deliverTo(lab, ["b"], 400);
    expect(lab.pair("a", "c").fileDifferences()).not.toEqual([]);

    expect(b.daemon.events.slice(linksOfB[0]).filter(isAboutLinks)).toEqual([]);
    expect(a.daemon.events.slice(linksOfB[1]).filter((event) => event["replica"] === "b" && isState(event))).toEqual(
      [],
    );
    for (const site of [a, b, c]) await site.daemon.stop();
  });

  test("of a replica: its store goes on being served when only a peer came, and listens where it is told", async () => {
    await using lab = await openSites({ names: ["a", "b"], users: ["u1"], network: "loopback" });
    lab.tellWhenFailed();
    const [a, b] = [lab.site("a"), lab.site("b")];
    await deliverAll(a.dovecot, mailFor(["u1"], { seed: 1, count: 5 }));
    lab.configureSource("a", ["b"]);
    lab.configureReplica("b", "a");
    await lab.startAll("a", ["b"]);
    const links = b.mark;
    const socket = join(b.dir, "link.sock");
    lab.configureReplica("b", "a", { listen: { tls: [lab.network.listenAt("b")], unix: [socket] } });
    expect(await b.reload()).toMatchObject({ msg: "config-reloaded" });
    expect(b.said("listening", links)).toEqual([expect.objectContaining({ address: `unix:${socket}` })]);
    await deliverTo(lab, ["b"], 100);
    expect(b.daemon.events.slice(links).filter(isAboutLinks)).toEqual([]);
    for (const site of [a, b]) await site.daemon.stop();
  });
});

/** Mail comes to the source; returns when it is at each of the replicas. */
async function deliverTo(lab: Sites, replicas: readonly string[], seed: number): Promise<void> {
  await deliverAll(lab.site("a").dovecot, mailFor(["u1"], { seed, count: 10 }));
  for (const replica of replicas) await lab.settle("a", replica);
}

function isAboutLinks({ msg }: DaemonEvent): boolean {
  return ["source-connected", "source-gone", "store-opened", "link-refused"].includes(msg);
}

function isState({ msg }: DaemonEvent): boolean {
  return msg === "replica-state" || msg === "replica-failed" || msg === "replica-needs-you";
}
