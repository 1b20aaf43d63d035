/**
 * A replica of real Dovecots' mail, damaged in all the ways that `verify-damages.test.ts` has, a user for each, all at once: `resync` of the running
 * daemon mends all that is the source's and that a comparison can see, and both Dovecots show the same afterwards. What the replica alone
 * has stays, and so does what a person has to decide, or what only a look at bytes shows.
 */
import { expect, test } from "vitest";
import { describeLive } from "./lab/available.js";
import { until } from "./lab/until.js";
import { openSites } from "./sites/lab.js";
import {
  DAMAGED,
  damageAll,
  expectAllNamed,
  expectLeft,
  RENUMBERED,
  STAYING_IN_DAEMON,
  type Staying,
  startFilled,
  toldIn,
  usersBut,
  verifyAt,
} from "./twin/damaged-users.js";
import { A_BYTE } from "./twin/damages.js";

const USERS = DAMAGED.map(({ user }) => user);
/** `--deep` alone sees it, and mends it. */
const UNSEEN: Staying = { [A_BYTE.name]: A_BYTE.words };
const LEFT: Staying = { ...STAYING_IN_DAEMON, ...RENUMBERED, ...UNSEEN };

describeLive("a replica that is damaged in many ways", () => {
  test("and compared by `resync`: all is mended that a comparison sees, and nothing else is touched", {
    timeout: 600_000,
  }, async () => {
    await using lab = await openSites({ names: ["a", "b"], users: USERS });
    const a = await startFilled(lab);
    const pair = lab.pair("a", "b");

    damageAll(pair.replica);
    const found = await verifyAt(a, "--deep");
    expect(found.code).toBe(1);
    expectAllNamed(toldIn(found.lines));

    const { mark } = a;
    await a.tell("resync", "--replica", "b");
    await a.daemon.waitFor("the comparison to end", ({ msg }) => msg === "replica-compared", mark);
    const named = Object.keys(LEFT);
    const isOver = async (): Promise<boolean> => {
      const { lines } = await verifyAt(a);
      const seen = DAMAGED.filter(({ name }) => named.includes(name) && name !== A_BYTE.name);
      return toldIn(lines).size === seen.length;
    };
    await until("new UIDs of the source's to have come", isOver, { pollMs: 500 });
    const deep = await verifyAt(a, "--deep");
    expect(deep.code).toBe(1);
    expectLeft(toldIn(deep.lines), LEFT);
    await pair.settle(usersBut(LEFT));

    const refused = a.said("transaction-rejected", mark);
    expect(new Set(refused.map(({ code }) => code))).toEqual(
      new Set(["mailbox-occupied", "uidlist-damaged", "uidvalidity-differs"]),
    );
    const again = a.mark;
    await a.tell("resync", "--replica", "b"); // and finds nothing more to do.
    await a.daemon.waitFor("the next comparison to end", ({ msg }) => msg === "replica-compared", again);
    expect(a.said("transaction-shipped", again)).toEqual([]);
    expectLeft(toldIn((await verifyAt(a, "--deep")).lines), LEFT);
    for (const site of [a, lab.site("b")]) await site.daemon.stop();
  });
});
