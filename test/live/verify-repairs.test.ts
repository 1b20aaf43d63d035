/**
 * Replicas of real Dovecots' mail, damaged in all the ways that `verify-damages.test.ts` has, a user for each, all at once: `verify` names each,
 * `verify --repair --deep` mends all that is the source's, and both Dovecots show the same afterwards. What the replica alone has stays, and
 * so does what a person has to decide.
 */
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { describeLive } from "./lab/available.js";
import { runTwin } from "./lab/mailtwin.js";
import { openSites, type Sites } from "./sites/lab.js";
import {
  DAMAGED,
  damageAll,
  expectAllNamed,
  expectLeft,
  fillMail,
  type Staying,
  toldIn,
  usersBut,
} from "./twin/damaged-users.js";
import { openPair, type Pair } from "./twin/pair.js";

const USERS = DAMAGED.map(({ user }) => user);
const RENUMBERED: Staying = { "UIDVALIDITY is another one": [/^UIDVALIDITY \d+ in A, 1234567890 in B: /] };

/** Mail and mailboxes that only the replica has, and a uidlist of which nobody but a person knows what it was. */
const STAYING: Staying = {
  "there is a file without a record": [/^1 message without a UID in B$/],
  "there is a file with a record: mail of the replica's own": [/^UID 900: only in B$/],
  "a message has another base name, in file and record": [/^UID \d+: only in B$/],
  "the uidlist has a line that is none": [/^it could not be read in B: line 4 of its dovecot-uidlist: /],
  "there is a folder more": [/^only B has this mailbox \(0 messages\)$/],
};

/** A mailbox that is another one by its GUID, or has none: a running daemon moves none of it away unasked. */
const STAYING_IN_DAEMON: Staying = {
  ...STAYING,
  "the mailbox has another GUID": [
    /^only A has this mailbox \(2 messages\)$/,
    /^only B has this mailbox \(2 messages\)$/,
  ],
  "the uidlist is gone": [/^it could not be read in B: 2 messages without a UID: /],
};

interface Verified {
  readonly code: number | undefined;
  readonly lines: readonly string[];
}

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
    const lab: Sites = await openSites({ names: ["a", "b"], users: USERS });
    open.push(lab);
    lab.tellWhenFailed();
    const a = lab.site("a");
    await fillMail(a.dovecot);
    lab.configureSource("a", ["b"]);
    lab.configureReplica("b", "a");
    await lab.startAll("a", ["b"]);
    await lab.settle("a", "b");
    const verify = async (...args: readonly string[]): Promise<Verified> => {
      const ended = a.tell("verify", "--settle", "0.3", ...args).then((stdout) => ({ code: 0, stdout }));
      const { code, stdout } = await ended.catch((error: { readonly code: number; readonly stdout: string }) => error);
      const named = stdout
        .replaceAll("the source", "A")
        .replaceAll("the replica", "B")
        .replace(/^mail\/b: /gm, "");
      return { code, lines: named.split("\n") };
    };
    await repairAll(lab.pair("a", "b"), verify, STAYING_IN_DAEMON);
    expect(a.said("mailbox-renumbered")).toMatchObject([
      { mailbox: expect.stringMatching(/^d\d+\/Maildir\/\.Work$/), before: 1234567890, messages: 2 },
    ]);
  });
});
