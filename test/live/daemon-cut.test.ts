/** The line is cut for 20 s while much happens at the source, and the replica's daemon is killed, too: nothing is lost, nothing is there twice. */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { describeLive } from "./lab/available.js";
import { messageNames } from "./lab/files.js";
import { connect } from "./lab/imap.js";
import { deliverAll } from "./lab/lmtp.js";
import { until } from "./lab/until.js";
import { openSites, type Sites } from "./sites/lab.js";
import { changeFlags, mailFor } from "./sites/mail.js";
import { folderOf } from "./twin/pair.js";

const USERS = ["u1", "u2"];
const STANDING = 60;
const CUT_MS = 20_000;
/** Arrivals at the replica between two kills. */
const STEP = 150;

describeLive("a line that is cut", () => {
  test("for 20 s, with 1,000 deliveries, 2,000 flag changes and three kills of the replica: equal afterwards", {
    timeout: 420_000,
  }, async () => {
    await using lab = await openSites({ names: ["a", "b"], users: USERS });
    lab.tellWhenFailed();
    const [a, b] = [lab.site("a"), lab.site("b")];
    await deliverAll(a.dovecot, mailFor(USERS, { seed: 1, count: STANDING }), { connections: 2 });
    lab.configureSource("a", ["b"]);
    lab.configureReplica("b", "a");
    await lab.startAll("a", ["b"]);
    await lab.settle("a", "b");

    await lab.network.cut("a", "b");
    const healed = sleep(CUT_MS);
    await Promise.all([
      deliverAll(a.dovecot, mailFor(USERS, { seed: 1_000, count: 1_000 }), { connections: 3 }),
      ...USERS.map((user) => changeSome(lab, user)),
      killAndStart(lab),
    ]);
    await healed;
    expect(messagesAt(lab, "a")).toBe(STANDING + 1_000);
    expect(messagesAt(lab, "b")).toBe(STANDING);
    await lab.network.heal("a", "b");

    for (const arrived of [STEP, 2 * STEP]) {
      await until(`${arrived} arrivals at the replica`, () => messagesAt(lab, "b") >= STANDING + arrived, {
        ...{ deadlineMs: 90_000, pollMs: 5, detail: () => `${a.daemon.tail()}\n${b.daemon.tail()}` },
      });
      expect(messagesAt(lab, "b")).toBeLessThan(STANDING + 1_000);
      await killAndStart(lab);
    }
    const views = await lab.settle("a", "b", { deadlineMs: 240_000 }); // transactions of one change each, on a busy machine.
    for (const user of USERS) {
      const { messages } = folderOf(views, user);
      expect(messages).toHaveLength((STANDING + 1_000) / 2);
      expect(messages[0]).toMatchObject({ uid: 1, flags: ["\\Answered", "\\Seen"], keywords: ["$Forwarded"] });
    }
    for (const site of [a, b]) await site.daemon.stop();
  });
});

async function changeSome(lab: Sites, user: string): Promise<void> {
  await using session = await connect(lab.site("a").dovecot, user);
  await changeFlags(session, { count: 1_000, uidMax: STANDING / USERS.length });
}

async function killAndStart(lab: Sites): Promise<void> {
  const b = lab.site("b");
  await b.daemon.kill9();
  await b.start();
}

function messagesAt(lab: Sites, site: string): number {
  const { store } = lab.site(site).dovecot;
  return USERS.reduce((sum, user) => sum + messageNames(store, `${user}/Maildir`).length, 0);
}
