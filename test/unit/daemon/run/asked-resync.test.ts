/** A comparison that a person asks for: of a replica that is paused, at the wrong host, and what the status says of what it left. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { CLI } from "../../../live/sites/daemon-process.js";
import { makeMailbox } from "../../../live/twin/small-store.js";
import { openTwoDaemons, type TwoDaemons } from "./two-daemons.js";

const INBOX = "alice/Maildir";

async function tell(two: TwoDaemons, which: "source" | "replica", ...args: readonly string[]) {
  const command = [CLI, ...args, "--config", two.configs[which]];
  const ended = promisify(execFile)(process.execPath, command).then(({ stdout }) => ({ code: 0, stdout, stderr: "" }));
  return ended.catch((error: { readonly code: number; readonly stdout: string; readonly stderr: string }) => error);
}

test("one that is paused: that is said, and the status and the list count the same", { timeout: 60_000 }, async () => {
  await using two = openTwoDaemons();
  makeMailbox(two.source, INBOX, { messages: 3, seed: 1 });
  two.configure({});
  two.start("replica");
  const source = two.start("source");
  await source.waitFor("live", (event) => event.msg === "replica-state" && event["state"] === "live");
  await tell(two, "source", "pause", "b");
  expect(await tell(two, "source", "resync", "--mailbox", INBOX)).toMatchObject({
    stdout: "1 mailbox will be compared\nmail/b is paused, and is compared after mailtwin resume mail/b\n",
  });
  const { stdout: listed } = await tell(two, "source", "rejects", "list", "--json");
  expect(listed.trim().split("\n")).toHaveLength(1);
  const { stores } = JSON.parse((await tell(two, "source", "status", "--json")).stdout) as {
    readonly stores: readonly { readonly replicas: readonly object[] }[];
  };
  expect(stores[0]?.replicas).toMatchObject([{ state: "paused", rejects: 1, troubles: [] }]);
});

test("at the host of the replica: it is refused, and where to ask is said", { timeout: 60_000 }, async () => {
  await using two = openTwoDaemons();
  two.configure({});
  const replica = two.start("replica");
  await replica.waitFor("it to listen", ({ msg }) => msg === "listening");
  for (const more of [[], ["--store", "mail"]]) {
    const { code, stderr } = await tell(two, "replica", "resync", ...more);
    expect([code, stderr]).toStrictEqual([
      64,
      expect.stringMatching(/of mail this host has the replica[\s\S]*Ask at the source/),
    ]);
    const explained = await tell(two, "replica", "explain", ...more, "INBOX", "1");
    expect([explained.code, explained.stderr]).toStrictEqual([
      64,
      expect.stringMatching(
        /of mail this host has the replica, and its source is the store mail of a\.[\s\S]*Ask at the source/,
      ),
    ]);
  }
});
