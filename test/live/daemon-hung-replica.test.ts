/** One of two replicas hangs: its kernel keeps the connection, and nothing answers. The other one gets everything all the same. */
import { expect, test } from "vitest";
import { describeLive } from "./lab/available.js";
import { deliverAll } from "./lab/lmtp.js";
import { openSites } from "./sites/lab.js";
import { mailFor } from "./sites/mail.js";
import { folderOf } from "./twin/pair.js";

describeLive("a replica that hangs", () => {
  test("keeps no mail from the other one, and is equal after it goes on", async () => {
    await using lab = await openSites({ names: ["a", "b", "c"], users: ["u1"] });
    lab.tellWhenFailed();
    const [a, c] = [lab.site("a"), lab.site("c")];
    await deliverAll(a.dovecot, mailFor(["u1"], { seed: 1, count: 5 }));
    lab.configureSource("a", ["b", "c"]);
    lab.configureReplica("b", "a");
    lab.configureReplica("c", "a");
    await lab.startAll("a", ["b", "c"]);

    await c.daemon.pause();
    // More than what is under way at a time, in transactions and in bytes.
    await deliverAll(a.dovecot, mailFor(["u1"], { seed: 100, count: 200, bytes: 8_000 }), { connections: 2 });
    const views = await lab.settle("a", "b");
    expect(folderOf(views, "u1").messages).toHaveLength(205);
    expect(c.daemon.isStopped()).toBe(true);
    expect(lab.pair("a", "c").fileDifferences()).not.toEqual([]);

    c.daemon.resume();
    expect(folderOf(await lab.settle("a", "c"), "u1").messages).toHaveLength(205);
    for (const name of ["a", "b", "c"]) await lab.site(name).daemon.stop();
  });
});
