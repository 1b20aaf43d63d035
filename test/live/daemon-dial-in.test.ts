/** A replica that nobody can dial (behind NAT, a laptop) dials its source; and one on demand gets nothing before it is asked for. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { describeLive } from "./lab/available.js";
import { connect } from "./lab/imap.js";
import { deliverAll } from "./lab/lmtp.js";
import { openSites, type Sites } from "./sites/lab.js";
import { changeFlags, mailFor } from "./sites/mail.js";

describeLive("a replica that dials in", () => {
  test("gets all, from the beginning and after either end was away", async () => {
    await using lab = await openSites({ names: ["a", "b"], users: ["u1"] });
    lab.tellWhenFailed();
    const [a, b] = [lab.site("a"), lab.site("b")];
    await deliver(lab, 1);
    a.configure({
      listen: { tls: [lab.network.listenAt("a")] },
      peer: lab.peers(["b"], { may_read: ["mail"] }),
      store: lab.store("a", { replica: { laptop: { peer: "b" } } }),
    });
    b.configure({
      peer: lab.peers(["a"]),
      store: lab.store("b", { source: { peer: "a", from: lab.addressOf("b", "a") } }),
    });
    await a.start();
    await a.untilReplica("laptop", "away");
    await b.start();
    await a.untilReplica("laptop", "live");
    await lab.settle("a", "b");

    await b.daemon.stop();
    await deliver(lab, 100);
    await b.start();
    await lab.settle("a", "b");

    await a.daemon.kill9();
    await deliver(lab, 200);
    await a.start();
    await lab.settle("a", "b");

    await lab.network.cut("a", "b");
    await deliver(lab, 300);
    await b.daemon.kill9();
    await lab.network.heal("a", "b");
    await b.start();
    await lab.settle("a", "b");
    for (const site of [a, b]) await site.daemon.stop();
  });
});

describeLive("a replica on demand", () => {
  test("is sent nothing before it is asked for", async () => {
    await using lab = await openSites({ names: ["a", "b", "c"], users: ["u1"] });
    lab.tellWhenFailed();
    const [a, b, c] = [lab.site("a"), lab.site("b"), lab.site("c")];
    await deliver(lab, 1);
    lab.configureReplica("b", "a");
    lab.configureReplica("c", "a");
    const replicas = {
      b: { to: lab.addressOf("a", "b"), peer: "b", mode: "on-demand" },
      c: { to: lab.addressOf("a", "c"), peer: "c" },
    };
    a.configure({ peer: lab.peers(["b", "c"]), store: lab.store("a", { replica: replicas }) });
    await Promise.all([b.start(), c.start()]);
    await a.start();
    await deliver(lab, 100);
    await lab.settle("a", "c");
    expect(b.said("source-connected")).toEqual([]);
    expect(existsSync(join(b.dovecot.mailRoot("u1"), "cur"))).toBe(false);

    expect(await a.statusOf("b")).toMatchObject({ state: "away", bytesSent: 0 });

    const asked = a.mark;
    await a.tell("fetch-now", "mail/b");
    await lab.settle("a", "b");
    await a.untilReplica("b", "away", asked);
    const { mark } = b;
    await deliver(lab, 200);
    await lab.settle("a", "c");
    expect(b.said("source-connected", mark)).toEqual([]);
    expect(lab.pair("a", "b").fileDifferences()).not.toEqual([]);
    await a.tell("fetch-now", "b");
    await lab.settle("a", "b");
    for (const site of [a, b, c]) await site.daemon.stop();
  });
});

async function deliver(lab: Sites, seed: number): Promise<void> {
  const { dovecot } = lab.site("a");
  await deliverAll(dovecot, mailFor(["u1"], { seed, count: 10 }));
  await using session = await connect(dovecot, "u1");
  await changeFlags(session, { count: 20, uidMax: 10 });
}
