/** A mailbox that the replica refuses: what either host says of it, and until when. Two daemons, as their operators have them. */
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { until } from "../../../live/lab/until.js";
import { CLI, type DaemonEvent } from "../../../live/sites/daemon-process.js";
import { addMessage, makeMailbox } from "../../../live/twin/small-store.js";
import { openTwoDaemons, type TwoDaemons } from "./two-daemons.js";

const INBOX = "alice/Maildir";
const BOB = "bob/Maildir";

type Host = "source" | "replica";

async function tell(two: TwoDaemons, which: Host, ...args: readonly string[]) {
  const command = [CLI, ...args, "--config", two.configs[which]];
  const ended = promisify(execFile)(process.execPath, command).then(({ stdout }) => ({ code: 0, stdout, stderr: "" }));
  return ended.catch((error: { readonly code: number; readonly stdout: string; readonly stderr: string }) => error);
}

interface Told {
  readonly level: string;
  readonly stores: readonly {
    readonly refused?: { readonly mailboxes: number; readonly named: readonly Readonly<Record<string, unknown>>[] };
    readonly replicas: readonly {
      readonly rejects: number;
      readonly troubles: readonly { readonly code: string }[];
    }[];
  }[];
}

async function statusAt(two: TwoDaemons, which: Host): Promise<Told> {
  return JSON.parse((await tell(two, which, "status", "--json")).stdout) as Told;
}

const isSaid = (msg: string) => (event: DaemonEvent) => event.msg === msg;
const isLive = (event: DaemonEvent) => event.msg === "replica-state" && event["state"] === "live";

test("the replica's host needs a person as long as it is refused, over links and restarts, and both say the same of it", {
  timeout: 120_000,
}, async () => {
  await using two = openTwoDaemons();
  two.configure({});
  makeMailbox(two.source, INBOX, { messages: 3, seed: 1 });
  makeMailbox(two.source, BOB, { messages: 1, seed: 20 });
  let replica = two.start("replica");
  let source = two.start("source");
  await source.waitFor("live", isLive);
  expect(await tell(two, "replica", "status", "--check")).toMatchObject({ code: 0 });
  expect(await statusAt(two, "replica")).not.toHaveProperty("stores.0.refused");

  const uidlist = join(two.replica, INBOX, "dovecot-uidlist");
  const whole = readFileSync(uidlist);
  writeFileSync(uidlist, Buffer.concat([whole, Buffer.from("no record\n")]));
  addMessage(join(two.source, INBOX), { seed: 40 });
  const told = await replica.waitFor("its own word of it", isSaid("mailbox-needs-you"));
  expect(told).toMatchObject({
    ...{ level: 50, store: "mail", mailbox: INBOX, code: "uidlist-damaged", message: expect.stringMatching(/line 5/) },
    hint: expect.stringMatching(/^Restore dovecot-uidlist .* Its source tries again by itself/),
  });
  await source.waitFor("another try", isSaid("transaction-rejected-again"));
  const check = await tell(two, "replica", "status", "--check");
  expect(check).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/needs you:\n {2}mail: alice.*line 5.*\(uidlist-damaged, for .*\)\n {4}Restore/),
  });
  const first = (await statusAt(two, "replica")).stores[0]?.refused;
  expect(first).toMatchObject({ mailboxes: 1, named: [{ code: "uidlist-damaged", level: "needs-you" }] });

  // One name for it at the source, which says what to do.
  const { stdout: listed } = await tell(two, "source", "rejects", "list", "--json");
  const [row] = listed
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { code: string; number: string; hint: string });
  const there = (await statusAt(two, "source")).stores[0]?.replicas[0];
  expect(there?.troubles.map(({ code }) => code)).toStrictEqual([row?.code]);
  expect(row?.code).toBe("uidlist-damaged");
  const shown = await tell(two, "source", "rejects", "show", row?.number ?? "");
  expect(shown.stdout).toMatch(/\nwhat to do +On the replica's host, restore dovecot-uidlist/);

  // Another link: nothing is forgotten meanwhile.
  await source.stop();
  await replica.waitFor("the end of the link", isSaid("source-gone"));
  expect((await statusAt(two, "replica")).stores[0]?.refused).toStrictEqual(first);
  source = two.start("source");
  await source.waitFor("live", isLive);
  expect((await statusAt(two, "replica")).stores[0]?.refused).toMatchObject({
    sinceMs: first?.named[0]?.["sinceMs"],
  });
  expect(replica.events.filter(isSaid("mailbox-needs-you"))).toHaveLength(1);

  // Another daemon of the replica: the source's first try says it again.
  await replica.stop();
  replica = two.start("replica");
  await tell(two, "source", "fetch-now");
  await replica.waitFor("its own word of it", isSaid("mailbox-needs-you"));
  expect(await tell(two, "replica", "status", "--check")).toMatchObject({ code: 1 });

  writeFileSync(uidlist, whole);
  const stdout = expect.stringMatching(/^(1 reject will be tried again|nothing is rejected)\n$/); // it may have tried by itself.
  expect(await tell(two, "source", "rejects", "retry", "b")).toMatchObject({ code: 0, stdout });
  await replica.waitFor("that it is well", isSaid("mailbox-well"));
  await source.waitFor("the end of the rejection", isSaid("rejection-over"));
  expect(await tell(two, "replica", "status", "--check")).toMatchObject({ code: 0 });
  expect(await statusAt(two, "replica")).not.toHaveProperty("stores.0.refused");
  await until("the source to be well", async () => (await statusAt(two, "source")).level === "ok");
  await Promise.all([source.stop(), replica.stop()]);
});

test("where nothing is rejected that is said, of all and of what was named", { timeout: 60_000 }, async () => {
  await using two = openTwoDaemons();
  two.configure({});
  makeMailbox(two.source, BOB, { messages: 1, seed: 20 });
  two.start("replica");
  const source = two.start("source");
  await source.waitFor("live", isLive);
  const since = source.events.length;
  for (const asked of ["retry", "skip"]) {
    expect(await tell(two, "source", "rejects", asked, "b")).toStrictEqual({
      ...{ code: 0, stdout: "nothing is rejected\n", stderr: "" },
    });
    for (const [named, words] of [
      [["-u", "bob"], 'of user "bob"'],
      [["-u", "bob", "--mailbox", "INBOX"], 'of mailbox "INBOX" of user "bob"'],
      [["--mailbox", BOB], `of mailbox "${BOB}"`],
    ] as const)
      expect(await tell(two, "source", "rejects", asked, "b", ...named)).toMatchObject({
        ...{ code: 66, stdout: "" },
        stderr: expect.stringContaining(`looking for what mail/b has refused ${words}: it refuses nothing of that`),
      });
    expect(await tell(two, "source", "rejects", asked, "b", "-u", "bib")).toMatchObject({
      ...{ code: 64, stderr: expect.stringMatching(/none of that name \(did you mean "bob"\?\)/) },
    });
  }
  expect(source.events.slice(since).filter(isSaid("replica-state"))).toStrictEqual([]); // the link is the same.
});
