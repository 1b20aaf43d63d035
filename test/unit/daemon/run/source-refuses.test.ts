/** What keeps a source from going on, and needs a person: the host of the replica says it too, until the source goes on. */
import { execFile } from "node:child_process";
import { existsSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { MetLink } from "../../../../src/daemon/run/met-link.js";
import { openMemoryLink } from "../../../../src/wire/memory-link.js";
import { PROTOCOL_VERSION, type WireMessage } from "../../../../src/wire/messages.js";
import { FakeClock } from "../../../fake-clock.js";
import { until } from "../../../live/lab/until.js";
import { CLI, type DaemonEvent } from "../../../live/sites/daemon-process.js";
import { rawDifferences } from "../../../live/twin/raw-compare.js";
import { addMessage, makeMailbox } from "../../../live/twin/small-store.js";
import { turns } from "../../../turns.js";
import { openTwoDaemons, type TwoDaemons } from "./two-daemons.js";

const INBOX = "alice/Maildir";

async function statusAtReplica(two: TwoDaemons) {
  const command = [CLI, "status", "--json", "--config", two.configs.replica];
  const { stdout } = await promisify(execFile)(process.execPath, command);
  const { level, stores } = JSON.parse(stdout) as {
    readonly level: string;
    readonly stores: readonly {
      readonly troubles: readonly { readonly code: string; readonly words: string; readonly hint: string }[];
    }[];
  };
  return { level, troubles: stores[0]?.troubles ?? [] };
}

test("mail that only the replica has at first contact: its host says what the source says, until that is settled", {
  timeout: 60_000,
}, async () => {
  await using two = openTwoDaemons();
  two.configure({});
  makeMailbox(two.source, INBOX, { messages: 3, seed: 1 });
  makeMailbox(two.replica, "bob/Maildir", { messages: 2, seed: 7 });
  const replica = two.start("replica");
  const source = two.start("source");
  const isRefused = ({ msg, code }: DaemonEvent & { readonly code?: unknown }) =>
    msg === "store-needs-you" && code === "source-refuses";
  await replica.waitFor("the source's words", isRefused);
  expect(await statusAtReplica(two)).toMatchObject({
    level: "needs-you",
    troubles: [
      {
        code: "source-refuses",
        words: expect.stringMatching(/^serving the source: it ended the link, and says: .*2 messages/),
        hint: expect.stringContaining("set foreign in the [store.NAME.replica.NAME] at the source"),
      },
    ],
  });
  renameSync(join(two.replica, "bob"), join(two.dir, "bob"));
  const inbox = [join(two.source, INBOX), join(two.replica, INBOX)] as const;
  await until(
    "both to be equal",
    () => existsSync(join(inbox[1], "dovecot-uidlist")) && rawDifferences(...inbox).length === 0,
  );
  await until("all to be well", async () => (await statusAtReplica(two)).level === "ok");
  expect(replica.events.filter(isRefused)).toHaveLength(1); // however often it was tried.
  await Promise.all([source.stop(), replica.stop()]);
});

test("what the replica's host refuses its source for is told there, until that is settled", {
  timeout: 60_000,
}, async () => {
  await using two = openTwoDaemons();
  two.configure({});
  makeMailbox(two.source, INBOX, { messages: 3, seed: 1 });
  const replica = two.start("replica");
  let source = two.start("source");
  const isLive = (event: DaemonEvent) => event.msg === "replica-state" && event["state"] === "live";
  await source.waitFor("live", isLive);
  await source.stop();
  const [state, aside] = [join(two.dir, "state-a", "stores"), join(two.dir, "aside")];
  renameSync(state, aside);
  source = two.start("source");
  await until("the trouble", async () => (await statusAtReplica(two)).level === "needs-you");
  expect((await statusAtReplica(two)).troubles).toMatchObject([
    { code: "replica-of-another", words: expect.stringContaining(two.replica) },
  ]);
  await source.stop();
  renameSync(state, join(two.dir, "new-state"));
  renameSync(aside, state);
  source = two.start("source");
  await source.waitFor("live", isLive);
  await until("all to be well", async () => (await statusAtReplica(two)).level === "ok");
  await Promise.all([source.stop(), replica.stop()]);
});

test("a replica that was emptied: its host says so, and what to look at, and keeps what it knows", {
  timeout: 60_000,
}, async () => {
  await using two = openTwoDaemons();
  two.configure({});
  makeMailbox(two.source, INBOX, { messages: 3, seed: 1 });
  const replica = two.start("replica");
  let source = two.start("source");
  const isLive = (event: DaemonEvent) => event.msg === "replica-state" && event["state"] === "live";
  await source.waitFor("live", isLive);
  await source.stop();
  renameSync(join(two.replica, "alice"), join(two.dir, "alice"));
  writeFileSync(join(two.replica, "not-empty"), "");
  source = two.start("source");
  await until("the trouble", async () => (await statusAtReplica(two)).level === "needs-you");
  const { troubles } = await statusAtReplica(two);
  expect(troubles).toMatchObject([
    {
      code: "source-refuses",
      hint: `Nothing was written. Mount or restore ${two.replica}. To fill an empty one on purpose, stop mailtwin on this host, move ${two.dir}/state-b/stores/mail away, and start it again. It is tried again by itself, and at once by \`mailtwin fetch-now\` on the host that dials.`,
    },
  ]);
  const told = replica.events.find(({ msg, code }) => msg === "store-needs-you" && code === "source-refuses");
  expect(told?.["hint"]).toBe(troubles[0]?.hint);
  const gone = replica.events.filter(({ msg, code }) => msg === "source-gone" && code === "source-refuses");
  expect(new Set(gone.map(({ hint }) => hint))).toStrictEqual(new Set([troubles[0]?.hint]));
  renameSync(join(two.dir, "alice"), join(two.replica, "alice"));
  addMessage(join(two.source, INBOX), { seed: 41 });
  await until("all to be well", async () => (await statusAtReplica(two)).level === "ok");
  await Promise.all([source.stop(), replica.stop()]);
});

describe("a link to a source goes well", () => {
  const stop = new AbortController();
  const hello = { kind: "hello", protocol: PROTOCOL_VERSION, logId: "1".repeat(32), software: "x" } as const;
  const answer = { ok: true, answer: { kind: "standing", mailboxes: [], more: false } } as const;

  async function open() {
    const clock = new FakeClock();
    const { source, replica } = openMemoryLink();
    const met = new MetLink(replica, clock);
    const reading = (async (): Promise<void> => {
      for await (const _ of met.messages(stop.signal));
    })();
    reading.catch(() => undefined);
    const say = async (message: WireMessage): Promise<void> => {
      await source.send(message, stop.signal);
      await turns(5);
    };
    return { clock, met, say };
  }

  test("when what it sends is applied", async () => {
    const { met, say } = await open();
    await say(hello);
    expect(met.isWell).toBe(false);
    met.noteApplied();
    expect(met.isWell).toBe(true);
  });

  test("when it has asked nothing for a minute after its last answer, and not while it waits for one", async () => {
    const { clock, met, say } = await open();
    await clock.advance(120_000);
    expect(met.isWell).toBe(false); // nobody has said anything.
    await say(hello);
    await clock.advance(59_000);
    await say({ kind: "request", id: 1, ask: { kind: "standing", after: "" } });
    await clock.advance(120_000);
    expect(met.isWell).toBe(false);
    await met.send({ kind: "reply", id: 1, result: answer }, stop.signal);
    await clock.advance(59_000);
    expect(met.isWell).toBe(false);
    await clock.advance(1_000);
    expect(met.isWell).toBe(true);
  });
});
