/**
 * Replicas of real Dovecots' mail, damaged in all the ways that `verify-damages.test.ts` has, a user for each, all at once: `verify` names each,
 * `verify --repair --deep` mends all that is the source's, and both Dovecots show the same afterwards. What the replica alone has stays, and
 * so does what a person has to decide.
 */
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { describeLive } from "./lab/available.js";
import { runTwin } from "./lab/mailtwin.js";
import { openSites } from "./sites/lab.js";
import {
  DAMAGED,
  damageAll,
  expectAllNamed,
  expectLeft,
  fillMail,
  RENUMBERED,
  STAYING,
  STAYING_IN_DAEMON,
  type Staying,
  startFilled,
  toldIn,
  usersBut,
  type Verified,
  verifyAt,
} from "./twin/damaged-users.js";
import { openPair, type Pair } from "./twin/pair.js";

const USERS = DAMAGED.map(({ user }) => user);
describeLive("a twin that is damaged in many ways", () => {
  const open: AsyncDisposable[] = [];

  afterEach(async () => {
    for (const each of open.splice(0).reverse()) await each[Symbol.asyncDispose]();
  });

  /** Named, mended, named again; then with the UIDVALIDITY. Both Dovecots have opened all of it before. */
  async function repairAll(pair: Pair, verify: (...args: readonly string[]) => Promise<Verified>, staying: Staying) {
    damageAll(pair.replica);
    const found = await verify("--deep");
    expect(found.code).toBe(1);
    expectAllNamed(toldIn(found.lines));

    const repaired = await verify("--deep", "--repair");
    expect(repaired.code).toBe(1);
    expectLeft(toldIn(repaired.lines), { ...staying, ...RENUMBERED });
    expect(repaired.lines).toContainEqual(
      expect.stringMatching(
        /^1 mailbox of B has another UIDVALIDITY and was left as it is: --accept-uidvalidity gives it that of A/,
      ),
    );

    const accepted = await verify("--deep", "--repair", "--accept-uidvalidity");
    expect(accepted.code).toBe(1);
    expectLeft(toldIn(accepted.lines), staying);
    expectLeft(toldIn((await verify("--deep")).lines), staying);
    await pair.settle(usersBut(staying));
  }

  test("and kept by sync: all is named, and mended", { timeout: 600_000 }, async () => {
    const pair = await openPair({ users: USERS });
    open.push(pair);
    await fillMail(pair.source);
    expect((await pair.sync()).code).toBe(0);
    await pair.settle();
    const env = { XDG_STATE_HOME: join(pair.replica.dir, "xdg-state") };
    const verify = async (...args: readonly string[]): Promise<Verified> => {
      const state = args.includes("--repair") ? ["--state", pair.state] : [];
      const words = ["verify", pair.source.store, pair.replica.store, "--settle", "0.1", ...args, ...state];
      const { code, strayOutput: lines } = await runTwin(words, { env, msMax: 300_000 });
      return { code, lines };
    };
    await repairAll(pair, verify, STAYING);
  });

  test("and kept by a daemon: all is named, and mended while it runs", { timeout: 600_000 }, async () => {
    const lab = await openSites({ names: ["a", "b"], users: USERS });
    open.push(lab);
    const a = await startFilled(lab);
    await repairAll(lab.pair("a", "b"), (...args) => verifyAt(a, ...args), STAYING_IN_DAEMON);
    expect(a.said("mailbox-renumbered")).toMatchObject([
      { mailbox: expect.stringMatching(/^d\d+\/Maildir\/\.Work$/), before: 1234567890, messages: 2 },
    ]);
  });
});
