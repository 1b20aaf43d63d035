/** What can be asked for from which host, and what a status says of a store that is not open. */
import { execFile } from "node:child_process";
import { existsSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { until } from "../../../live/lab/until.js";
import { CLI, type DaemonEvent } from "../../../live/sites/daemon-process.js";
import { rawDifferences } from "../../../live/twin/raw-compare.js";
import { addMessage, makeMailbox } from "../../../live/twin/small-store.js";
import { openTwoDaemons, type TwoDaemons } from "./two-daemons.js";

const INBOX = "alice/Maildir";

async function tell(two: TwoDaemons, which: "source" | "replica", ...args: readonly string[]) {
  const command = [CLI, ...args, "--config", two.configs[which]];
  const ended = promisify(execFile)(process.execPath, command).then(({ stdout }) => ({ code: 0, stdout, stderr: "" }));
  return ended.catch((error: { readonly code: number; readonly stdout: string; readonly stderr: string }) => error);
}

const isSaid = (msg: string) => (event: DaemonEvent) => event.msg === msg;
const isLive = (event: DaemonEvent) => event.msg === "replica-state" && event["state"] === "live";

test("at the host of a replica that is dialled: connected or not is said, and where to ask", {
  timeout: 60_000,
}, async () => {
  await using two = openTwoDaemons();
  two.configure({ link: 'mode = "on-demand"\n' });
  makeMailbox(two.source, INBOX, { messages: 2, seed: 1 });
  const replica = two.start("replica");
  const source = two.start("source");
  await source.waitFor("it to wait", ({ msg, state }) => msg === "replica-state" && state === "away");
  for (const named of [[], ["mail"]])
    expect(await tell(two, "replica", "fetch-now", ...named)).toMatchObject({
      ...{ code: 69, stderr: "" },
      stdout: expect.stringMatching(
        /^mail: a dials this host, and is not connected, .*fetch-now.* on the host of a.*\n$/,
      ),
    });
  expect(await tell(two, "source", "fetch-now")).toMatchObject({ code: 0, stdout: "asked for: 1 replica\n" });
  await until("both to be equal", () => {
    const there = join(two.replica, INBOX);
    return existsSync(join(there, "dovecot-uidlist")) && rawDifferences(join(two.source, INBOX), there).length === 0;
  });
  await replica.waitFor("the end of the link", isSaid("source-gone"));

  two.configure({});
  await tell(two, "source", "reload");
  await source.waitFor("live", isLive);
  expect(await tell(two, "replica", "fetch-now")).toMatchObject({
    ...{ code: 0, stdout: "mail is connected already: what changes is sent as it comes\n" },
  });
  expect(await tell(two, "source", "fetch-now")).toMatchObject({
    ...{ code: 0, stdout: "mail/b is connected already: what changes is sent as it comes\n" },
  });
  expect(JSON.parse((await tell(two, "source", "fetch-now", "--json")).stdout)).toStrictEqual({
    ...{ asked: 0, paused: [], connected: ["mail/b"], beyond: [] },
  });
  await tell(two, "source", "pause", "b");
  addMessage(join(two.source, INBOX), { seed: 40 });
  await until("the link to be gone", async () => (await tell(two, "replica", "fetch-now")).code === 69);
  await Promise.all([source.stop(), replica.stop()]);
});

test("at a source whose replica dials in, and is not there: that is said", { timeout: 60_000 }, async () => {
  await using two = openTwoDaemons();
  makeMailbox(two.source, INBOX, { messages: 1, seed: 1 });
  writeFileSync(
    two.configs.source,
    `state_dir = "${two.dir}/state-a"\ncontrol = "${two.dir}/a.control"\nidentity = { name = "a" }\n` +
      `listen.unix = ["${two.dir}/link"]\n[peer.b]\nmay_read = ["mail"]\n[store.mail]\npath = "${two.source}"\n` +
      `[store.mail.replica.b]\npeer = "b"\n`,
  );
  const source = two.start("source");
  await source.waitFor("it to wait", ({ msg, state }) => msg === "replica-state" && state === "away");
  expect(await tell(two, "source", "fetch-now", "b")).toMatchObject({
    ...{
      code: 69,
      stdout: expect.stringMatching(/^mail\/b: it dials this host, and is not connected, .* on its host\n$/),
    },
  });
});

test("a store that is not open has no numbers, and its replicas cannot be asked for; one that is has all of them", {
  timeout: 60_000,
}, async () => {
  await using two = openTwoDaemons();
  two.configure({});
  makeMailbox(two.source, INBOX, { messages: 2, seed: 1 });
  const aside = join(two.dir, "aside");
  renameSync(two.source, aside);
  const replica = two.start("replica");
  await replica.waitFor("it to listen", isSaid("listening"));
  const source = two.start("source");
  await source.waitFor("the failure", ({ msg }) => msg === "store-needs-you" || msg === "store-failed");
  const numbers = ["mailboxes", "messages", "log", "watch", "sweeps"];
  const stores = async (which: "source" | "replica") =>
    (JSON.parse((await tell(two, which, "status", "--json")).stdout) as { stores: Record<string, unknown>[] })
      .stores[0];
  for (const which of ["source", "replica"] as const) {
    const store = await stores(which);
    for (const number of numbers) expect(store).not.toHaveProperty(number);
    expect((await tell(two, which, "status")).stdout).toMatch(/^mail: (source|replica), .*: not open$/m);
  }
  expect((await stores("source"))?.["replicas"]).toMatchObject([{ name: "b" }]);
  for (const number of ["cursor", "lagTransactions", "lagMs", "rejects"])
    expect((await stores("source"))?.["replicas"]).not.toHaveProperty(["0", number]);
  expect(await tell(two, "source", "fetch-now")).toMatchObject({
    ...{ code: 69, stdout: "mail/b: its store is not open: `mailtwin status` says why\n" },
  });

  renameSync(aside, two.source);
  await source.waitFor("live", isLive);
  const store = await stores("source");
  expect(store).toMatchObject({
    ...{ mailboxes: 1, messages: 2, log: { lastLsn: 1 }, replicas: [{ cursor: 1, lagTransactions: 0, rejects: 0 }] },
    sweeps: { count: expect.any(Number), lastMs: expect.any(Number) },
  });
  expect((await tell(two, "source", "status")).stdout).toMatch(/; sweeps: \d+, the last .* ago, caught/);
  expect(await stores("replica")).toMatchObject({ mailboxes: 1, messages: 2 });
});
