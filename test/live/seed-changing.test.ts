/**
 * All that happens to mail, from the start of the first copy on, by LMTP and IMAP: into an empty destination by `sync --watch`, and into an
 * empty replica by a daemon. Nothing is lost, nothing is there twice, and both are equal through IMAP.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { describeLive } from "./lab/available.js";
import type { DovecotSite } from "./lab/dovecot.js";
import { messageNames } from "./lab/files.js";
import * as imap from "./lab/imap.js";
import { deliver } from "./lab/lmtp.js";
import { runTwin } from "./lab/mailtwin.js";
import { makeMessage } from "./lab/messages.js";
import { until } from "./lab/until.js";
import { openSites } from "./sites/lab.js";
import { EndlessChanges } from "./twin/endless-changes.js";
import { expectPeacefulEnd } from "./twin/live-twin.js";
import { MixedChanges, seededRandom } from "./twin/mixed-changes.js";
import { openPair } from "./twin/pair.js";
import { rawDifferences } from "./twin/raw-compare.js";
import { fileMail } from "./twin/raw-mail.js";

/** Mail is changed all the time, files come without a record, what stands is changed anywhere in it. */
const [BUSY, DROPPED, OLD] = ["u1", "u2", "u3"] as const;
const USERS = [BUSY, DROPPED, OLD];
const STANDING = { [BUSY]: 2_000, [OLD]: 3_000 };
const ALL = 5_000;
/** Of what stands at the source, when the program is stopped in the middle of it. */
const SHARES = [0.1, 0.4, 0.8];

async function fill(source: DovecotSite): Promise<void> {
  for (const user of USERS) await deliver(source, user, makeMessage({ seed: 1 }));
  for (const [user, count] of Object.entries(STANDING)) await fileMail({ site: source, user }, { count, seed: 10 });
}

/** Of mail that stood there before: copied already, just being copied, or still to be. */
class ChangesOfOld implements AsyncDisposable {
  readonly #session: Awaited<ReturnType<typeof imap.connect>>;
  readonly #random = seededRandom(3);

  private constructor(session: Awaited<ReturnType<typeof imap.connect>>) {
    this.#session = session;
  }

  static async open(site: DovecotSite): Promise<ChangesOfOld> {
    const session = await imap.connect(site, OLD);
    await imap.createFolder(session, "Kept");
    await imap.select(session, "INBOX");
    return new ChangesOfOld(session);
  }

  async round(): Promise<void> {
    await imap.store(this.#session, this.#some(40), { add: ["\\Flagged", "kept"] });
    await imap.move(this.#session, this.#some(15), "Kept");
    await imap.copy(this.#session, this.#some(15), "Kept");
    await imap.expunge(this.#session, this.#some(15));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session.logout();
  }

  /** A few of those that expunges have gone through are so many still that each change meets some. */
  #some(count: number): string {
    const first = 1 + Math.floor(this.#random() * (STANDING[OLD] - 3 * count));
    return `${first}:${first + 3 * count}`;
  }
}

function visibleAt({ store }: DovecotSite): number {
  const users = USERS.filter((user) => existsSync(join(store, user, "Maildir/cur")));
  return users.reduce((sum, user) => sum + messageNames(store, `${user}/Maildir`).length, 0);
}

interface Copier {
  pause(): Promise<void>;
  resume(): void;
}

/** Changes that never rest; and a round of each kind while the program that copies stands still, in the middle of each share. */
async function changeMeanwhile(changes: EndlessChanges, { source, replica }: Sides, copier: Copier): Promise<void> {
  await using old = await ChangesOfOld.open(source);
  await changes.further(1);
  for (const share of SHARES) {
    await until(`${share} of the mail at the replica`, () => visibleAt(replica) >= share * ALL, { pollMs: 1 });
    await copier.pause();
    const before = visibleAt(replica);
    expect(before).toBeLessThan(ALL);
    await old.round();
    await changes.further(MixedChanges.ACTIONS_PER_ROUND);
    expect(visibleAt(replica)).toBe(before);
    copier.resume();
    await old.round();
  }
}

interface Sides {
  readonly source: DovecotSite;
  readonly replica: DovecotSite;
}

const beginChanges = (site: DovecotSite) => EndlessChanges.begin({ site, user: BUSY, droppedUser: DROPPED, seed: 7 });

describeLive("a source that changes while it is seeded", () => {
  test("by sync --watch, into an empty destination", { timeout: 420_000 }, async () => {
    await using pair = await openPair({ users: USERS });
    const { source, replica } = pair;
    await fill(source);
    await using changes = await beginChanges(source);
    await using twin = pair.spawn();
    await changeMeanwhile(changes, pair, twin);
    await twin.waitFor("live", ({ event }) => event === "live");
    await changes.further(MixedChanges.ACTIONS_PER_ROUND);
    await changes.end();
    await pair.settle();
    expect(rawDifferences(source.store, replica.store)).toEqual([]);
    const args = ["verify", source.store, replica.store, "--deep", "--quiet", "--state", pair.state];
    expect(await runTwin(args)).toMatchObject({ code: 0, strayOutput: [], stderr: "" });
    await expectPeacefulEnd(twin);
  });

  test("by a daemon, whose replica is empty", { timeout: 420_000 }, async () => {
    await using lab = await openSites({ names: ["a", "b"], users: USERS });
    lab.tellWhenFailed();
    const [a, b] = [lab.site("a"), lab.site("b")];
    await fill(a.dovecot);
    await using changes = await beginChanges(a.dovecot);
    lab.configureSource("a", ["b"]);
    lab.configureReplica("b", "a");
    await Promise.all([a.start(), b.start()]);
    const copier = { pause: () => b.daemon.pause(), resume: () => b.daemon.signal("SIGCONT") };
    await changeMeanwhile(changes, { source: a.dovecot, replica: b.dovecot }, copier);
    await a.untilReplica("b", "live");
    await changes.further(MixedChanges.ACTIONS_PER_ROUND);
    await changes.end();
    await lab.settle("a", "b");
    expect(rawDifferences(a.dovecot.store, b.dovecot.store)).toEqual([]);
    expect(await a.tell("verify", "--deep")).toMatch(/^mail\/b: equal: /);
    expect(a.said("mailbox-rejected")).toEqual([]);
    for (const site of [a, b]) await site.daemon.stop();
  });
});
