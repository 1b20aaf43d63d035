/**
 * `verify` beside real Dovecots while mail is delivered, marked, moved and expunged, and folders come, go and are renamed, all the time: it
 * says equal each time. What is damaged on the replica meanwhile is found and named, and nothing else is.
 */
import { join } from "node:path";
import { expect, onTestFailed, test } from "vitest";
import { describeLive } from "./lab/available.js";
import type { DovecotSite } from "./lab/dovecot.js";
import { deliver, deliverAll } from "./lab/lmtp.js";
import { runTwin } from "./lab/mailtwin.js";
import { makeMessage, makeMessages } from "./lab/messages.js";
import { openSites } from "./sites/lab.js";
import { INBOX, mark } from "./twin/damages.js";
import { EndlessChanges } from "./twin/endless-changes.js";
import { expectPeacefulEnd } from "./twin/live-twin.js";
import { MixedChanges } from "./twin/mixed-changes.js";
import { openPair, type Pair } from "./twin/pair.js";

const USERS = ["u1", "u2"];
/** Its INBOX gets mail all the time; the changes stay away from the first messages. */
const [BUSY, DROPPED] = USERS as [string, string];
const RUNS = 3;
const CHANGES_MIN = 3 * MixedChanges.ACTIONS_PER_ROUND;
/** For a machine that is busy with other things. */
const VERIFY_MS_MAX = 240_000;

interface Verified {
  readonly code: number | undefined;
  readonly lines: readonly string[];
}

interface Asked {
  readonly pair: Pair;
  /** What the lines call the two. */
  readonly names: { readonly a: string; readonly b: string };
  /** In front of each line. */
  readonly of: string;
  readonly args: readonly string[];
}

async function fill(site: DovecotSite): Promise<void> {
  const mail = makeMessages(60, { seed: 1 }).map((message) => ({ user: BUSY, message }));
  await deliverAll(site, mail, { connections: 4 });
  await deliver(site, DROPPED, makeMessage({ seed: 100 }));
}

async function expectTrue({ pair, names: { a, b }, of, args }: Asked): Promise<void> {
  const told: Verified[] = [];
  onTestFailed(() => void process.stderr.write(`${told.map((each) => JSON.stringify(each)).join("\n")}\n`));
  const env = { XDG_STATE_HOME: join(pair.replica.dir, "xdg-state") };
  const verify = async (): Promise<Verified> => {
    const { code, strayOutput: lines } = await runTwin(["verify", ...args], { env, msMax: VERIFY_MS_MAX });
    told.push({ code, lines });
    return { code, lines };
  };
  const equal = { code: 0, lines: [expect.stringMatching(new RegExp(`^${of}equal: [\\d,]+ messages in `))] };

  let damaged = 0;
  const hasFollowed = () => pair.fileDifferences().length <= damaged;
  const wish = { site: pair.source, user: BUSY, droppedUser: DROPPED, seed: 4, hasFollowed };
  await using changes = await EndlessChanges.begin(wish);
  for (let runs = 0; runs < RUNS || changes.steps < CHANGES_MIN; runs++) expect(await verify()).toEqual(equal);

  const inbox = join(pair.replica.store, BUSY, INBOX);
  damaged = 1;
  mark(inbox, 1, "F");
  const before = changes.steps;
  const named = [
    `${of}${BUSY}/${INBOX}`,
    `  UID 1: flags none in ${a}, \\Flagged in ${b}`,
    expect.stringMatching(new RegExp(`^${of}not equal: 1 mailbox differs; ${a} has `)),
  ];
  expect(await verify()).toEqual({ code: 1, lines: named });
  await changes.further(1);
  expect(changes.steps).toBeGreaterThan(before);
  await changes.end();
  mark(inbox, 1, "");
  await pair.settle();
  expect(await verify()).toEqual(equal);
}

describeLive("verify while mail comes and goes", () => {
  test("of two directories, beside sync --watch", { timeout: 600_000 }, async () => {
    await using pair = await openPair({ users: USERS });
    await fill(pair.source);
    await using twin = await pair.start();
    const args = [pair.source.store, pair.replica.store, "--state", pair.state];
    await expectTrue({ pair, names: { a: "A", b: "B" }, of: "", args });
    await expectPeacefulEnd(twin);
  });

  test("asked of a daemon, beside another one", { timeout: 600_000 }, async () => {
    await using lab = await openSites({ names: ["a", "b"], users: USERS });
    lab.tellWhenFailed();
    const [a, b] = [lab.site("a"), lab.site("b")];
    await fill(a.dovecot);
    lab.configureSource("a", ["b"]);
    lab.configureReplica("b", "a");
    await lab.startAll("a", ["b"]);
    const names = { a: "the source", b: "the replica" };
    await expectTrue({ pair: lab.pair("a", "b"), names, of: "mail/b: ", args: ["--config", a.configPath] });
    for (const site of [a, b]) {
      expect(site.said("mailbox-rejected")).toEqual([]);
      await site.daemon.stop();
    }
  });
});
