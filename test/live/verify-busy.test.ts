/**
 * `verify` beside real Dovecots while mail is delivered, marked, moved and expunged, and folders come, go and are renamed, all the time: it
 * says equal each time. What is damaged on the replica meanwhile is found and named, and nothing else is.
 */
import { join } from "node:path";
import { afterEach, expect, onTestFailed, test } from "vitest";
import { describeLive } from "./lab/available.js";
import type { DovecotSite } from "./lab/dovecot.js";
import { deliver, deliverAll } from "./lab/lmtp.js";
import { runTwin } from "./lab/mailtwin.js";
import { makeMessage, makeMessages } from "./lab/messages.js";
import { until } from "./lab/until.js";
import { INBOX, mark } from "./twin/damages.js";
import { MixedChanges } from "./twin/mixed-changes.js";
import { openPair, type Pair } from "./twin/pair.js";

const USERS = ["u1", "u2"];
/** Its INBOX gets mail all the time; the changes stay away from the first messages. */
const [BUSY, DROPPED] = USERS as [string, string];
const RUNS = 5;
const ROUNDS_MIN = 3;
const AT_ONCE_MAX = 4;
const FOLLOWS = { deadlineMs: 60_000, pollMs: 20 };

interface Verified {
  readonly code: number | undefined;
  readonly lines: readonly string[];
}

async function fill(site: DovecotSite): Promise<void> {
  const mail = makeMessages(60, { seed: 1 }).map((message) => ({ user: BUSY, message }));
  await deliverAll(site, mail, { connections: 4 });
  await deliver(site, DROPPED, makeMessage({ seed: 100 }));
}

/**
 * Changes of the source that go on until this is disposed of, no more at a time than the replica can follow: after some the next ones wait for
 * it, whatever else the machine does.
 */
class EndlessChanges implements AsyncDisposable {
  readonly #changes: MixedChanges;
  readonly #pair: Pair;
  readonly #running: Promise<void>;
  #isOver = false;
  steps = 0;
  /** So many differences are not waited for. */
  damaged = 0;

  private constructor(changes: MixedChanges, pair: Pair) {
    this.#changes = changes;
    this.#pair = pair;
    this.#running = this.#run();
    this.#running.catch(() => undefined);
  }

  static async begin(pair: Pair): Promise<EndlessChanges> {
    const options = { site: pair.source, user: BUSY, droppedUser: DROPPED, seed: 4 };
    return new EndlessChanges(await MixedChanges.open(options), pair);
  }

  async #run(): Promise<void> {
    for (; !this.#isOver; this.steps += 1) {
      await this.#changes.step();
      if (this.steps % AT_ONCE_MAX === 0) await until("the replica to follow", () => this.#hasFollowed(), FOLLOWS);
    }
  }

  #hasFollowed(): boolean {
    return this.#pair.fileDifferences().length <= this.damaged;
  }

  /** Throws what a change met. */
  async end(): Promise<void> {
    this.#isOver = true;
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await Promise.allSettled([this.#running]);
    await this.#changes[Symbol.asyncDispose]();
  }
}

describeLive("verify while mail comes and goes", () => {
  const open: AsyncDisposable[] = [];

  afterEach(async () => {
    for (const each of open.splice(0).reverse()) await each[Symbol.asyncDispose]();
  });

  /** `verify`: told with A and B as names of the two. */
  async function expectTrue(pair: Pair, verify: () => Promise<Verified>): Promise<void> {
    const told: Verified[] = [];
    onTestFailed(() => void process.stderr.write(`${told.map((each) => JSON.stringify(each)).join("\n")}\n`));
    const run = async () => {
      const verified = await verify();
      told.push(verified);
      return verified;
    };
    const expectEqual = async () => {
      const { code, lines } = await run();
      expect({ code, lines }).toEqual({ code: 0, lines: [expect.stringMatching(/^equal: [\d,]+ messages in /)] });
    };
    const changes = await EndlessChanges.begin(pair);
    open.push(changes);
    for (let runs = 0; runs < RUNS || changes.steps < ROUNDS_MIN * MixedChanges.ACTIONS_PER_ROUND; runs++)
      await expectEqual();

    const inbox = join(pair.replica.store, BUSY, INBOX);
    changes.damaged = 1;
    mark(inbox, 1, "F");
    for (let runs = 0; runs < 2; runs++) {
      const { code, lines } = await run();
      expect({ code, lines }).toEqual({
        code: 1,
        lines: [
          `${BUSY}/${INBOX}`,
          expect.stringMatching(/^ {2}UID 1: flags none in A, \\Flagged in B$/),
          expect.stringMatching(/^not equal: 1 mailbox differs; A has /),
        ],
      });
    }
    await changes.end();
    expect(changes.steps).toBeGreaterThan(ROUNDS_MIN * MixedChanges.ACTIONS_PER_ROUND);
    mark(inbox, 1, "");
    await pair.settle();
    await expectEqual();
  }

  test("of two directories, beside sync --watch", { timeout: 400_000 }, async () => {
    const pair = await openPair({ users: USERS });
    open.push(pair);
    await fill(pair.source);
    const twin = await pair.start();
    open.push(twin);
    const env = { XDG_STATE_HOME: join(pair.replica.dir, "xdg-state") };
    await expectTrue(pair, async () => {
      const args = ["verify", pair.source.store, pair.replica.store, "--settle", "3"];
      const { code, strayOutput: lines } = await runTwin(args, { env });
      return { code, lines };
    });
    expect(await twin.stop()).toMatchObject({ code: 0 });
  });
});
