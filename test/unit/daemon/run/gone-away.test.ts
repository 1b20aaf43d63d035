/** Who is gone: a source that is dialled is told of until it is back, a replica that dials in is away, and a pause with mail behind it is told. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { until } from "../../../live/lab/until.js";
import { CLI, type DaemonEvent } from "../../../live/sites/daemon-process.js";
import { addMessage, makeMailbox } from "../../../live/twin/small-store.js";
import { openTwoDaemons, type TwoDaemons } from "./two-daemons.js";

const INBOX = "alice/Maildir";

const isState = (state: string) => (event: DaemonEvent) => event.msg === "replica-state" && event["state"] === state;

const ask = async (two: TwoDaemons, which: "source" | "replica", ...args: readonly string[]) =>
  (await promisify(execFile)(process.execPath, [CLI, ...args, "--config", two.configs[which]])).stdout;

test("a replica that dials in and is gone, killed or stopped, is away: no trouble at its source", {
  timeout: 60_000,
}, async () => {
  await using two = openTwoDaemons();
  two.configureDialIn();
  makeMailbox(two.source, INBOX, { messages: 1, seed: 1 });
  const source = two.start("source");
  for (const signal of ["SIGKILL", "SIGTERM"] as const) {
    const replica = two.start("replica");
    let since = source.events.length;
    await source.waitFor("live", isState("live"), since);
    since = source.events.length;
    replica.signal(signal);
    await source.waitFor("away", isState("away"), since);
    expect(await ask(two, "source", "resync")).toBe(
      "1 mailbox will be compared\nmail/b is not connected, and is compared when it is\n",
    );
    expect(await ask(two, "source", "status"), signal).toMatch(/: all is well\n[\s\S]* b: +away /);
  }
  expect(source.events.filter(({ msg }) => msg === "replica-gone")).toHaveLength(2);
  expect(source.events.filter(({ msg }) => msg === "replica-failed")).toStrictEqual([]);
  await source.stop();
});

test("a source that is dialled and is killed: its replica says so, and when it tries again, until it is back", {
  timeout: 60_000,
}, async () => {
  await using two = openTwoDaemons();
  two.configureDialIn();
  makeMailbox(two.source, INBOX, { messages: 1, seed: 1 });
  let source = two.start("source");
  const replica = two.start("replica");
  await source.waitFor("live", isState("live"));
  source.signal("SIGKILL");
  await replica.waitFor("the loss", ({ msg, code }) => msg === "replica-failed" && code === "link-closed");
  await replica.waitFor("a try", ({ msg, code }) => msg === "replica-failed" && code === "peer-unreachable");
  const healing =
    /: healing: [\s\S]*not connected, the last time .* ago, last tried .* ago, next try in .*;[\s\S]*\(peer-unreachable, for /;
  await until("the next try to be told", async () => healing.test(await ask(two, "replica", "status")));
  source = two.start("source");
  await source.waitFor("live", isState("live"));
  await until("all to be well", async () => (await ask(two, "replica", "status")).includes("all is well"));
  await Promise.all([source.stop(), replica.stop()]);
});

test("a pause with mail behind it is told, since when it is, also over a restart; nothing else is while it lasts", {
  timeout: 60_000,
}, async () => {
  await using two = openTwoDaemons();
  two.configure({});
  makeMailbox(two.source, INBOX, { messages: 1, seed: 1 });
  const replica = two.start("replica");
  let source = two.start("source");
  await source.waitFor("live", isState("live"));
  await replica.stop();
  await source.waitFor("the failure", ({ msg }) => msg === "replica-failed");
  await ask(two, "source", "pause", "b");
  expect(await ask(two, "source", "status")).toContain(": all is well\n");
  addMessage(join(two.source, INBOX), { seed: 40 });
  const told = async () => {
    const { level, stores } = JSON.parse(await ask(two, "source", "status", "--json", "--check")) as {
      readonly level: string;
      readonly stores: readonly { readonly replicas: readonly { readonly troubles: readonly object[] }[] }[];
    };
    return { level, troubles: stores[0]?.replicas[0]?.troubles ?? [] };
  };
  await until("the mail to be captured", async () => (await told()).level !== "ok");
  const before = await told();
  expect(before).toMatchObject({
    level: "healing",
    troubles: [{ code: "replica-paused", words: expect.stringContaining("it is 1 behind") }],
  });
  await source.stop();
  source = two.start("source");
  await source.waitFor("paused", isState("paused"));
  expect(await told()).toStrictEqual(before);
  await source.stop();
});
