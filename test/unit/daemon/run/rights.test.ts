/** Peers whose rights are limited to some users: nothing of another's mail is sent, and nothing of it is written. */
import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { refuseAsk, refuseOffer } from "../../../../src/agent/session-rights.js";
import { type RawPath, ROOT_PATH, rawFromText } from "../../../../src/base/raw-name.js";
import type { Explanation } from "../../../../src/daemon/control/explain.js";
import { maySee } from "../../../../src/daemon/run/user-rights.js";
import { openStateReader } from "../../../../src/log/state-reader.js";
import { parseBaseName, parseMailboxGuid, parseUid } from "../../../../src/maildir/ids.js";
import type { Change, Structure, Transaction } from "../../../../src/txn/transaction.js";
import { encodeTransaction } from "../../../../src/txn/transaction-codec.js";
import { until } from "../../../live/lab/until.js";
import type { DaemonEvent } from "../../../live/sites/daemon-process.js";
import { rawDifferences } from "../../../live/twin/raw-compare.js";
import { addMessage, makeMailbox } from "../../../live/twin/small-store.js";
import { mailtwin } from "../mailtwin.js";
import { openTwoDaemons } from "./two-daemons.js";

const isLive = ({ msg, state }: DaemonEvent & { readonly state?: unknown }): boolean =>
  msg === "replica-state" && state === "live";

test("a replica that may have alice's mail gets alice's, and no other, whatever happens to both", async () => {
  await using two = openTwoDaemons();
  two.configure({ replicaPeer: 'users = ["alice"]' });
  makeMailbox(two.source, "alice/Maildir", { messages: 3, seed: 1 });
  makeMailbox(two.source, "bob/Maildir", { messages: 3, seed: 20 });
  two.start("replica");
  const source = two.start("source");
  await source.waitFor("live", isLive);
  addMessage(join(two.source, "bob/Maildir"), { seed: 40 });
  addMessage(join(two.source, "alice/Maildir"), { seed: 41 });
  const differences = () => rawDifferences(join(two.source, "alice/Maildir"), join(two.replica, "alice/Maildir"));
  await until("alice's mail to be equal", () => differences().length === 0);
  expect(readdirSync(two.replica)).toStrictEqual(["alice"]);
});

test("bob's mail is not compared for a replica that may have alice's, though it is asked for, and nothing is noted", async () => {
  await using two = openTwoDaemons();
  two.configure({ replicaPeer: 'users = ["alice"]' });
  makeMailbox(two.source, "alice/Maildir", { messages: 1, seed: 1 });
  makeMailbox(two.source, "bob/Maildir", { messages: 1, seed: 20 });
  two.start("replica");
  const source = two.start("source");
  await source.waitFor("live", isLive);
  const ask = async (...args: string[]) => {
    const place = { cwd: dirname(two.source) };
    const { code, out } = await mailtwin([...args, "--json", "--config", two.configs.source], place);
    return [code, JSON.parse(out)];
  };
  const why = "users of [peer.b]";
  expect(await ask("resync", "--user", "bob")).toStrictEqual([
    77,
    { mailboxes: 0, ofSource: 0, replicas: 0, away: [], limited: [{ name: "mail/b", mailboxes: 1, why }], paused: [] },
  ]);
  expect(await ask("resync", "--user", "alice")).toMatchObject([0, { mailboxes: 1 }]);
  using reader = openStateReader(join(dirname(two.source), "state-a/stores/mail/source.db"));
  await until("alice's to be compared", () => reader.rejections().length === 0);
  expect(existsSync(join(two.replica, "bob"))).toBe(false);
});

test("what a limited peer does not get stands in the status of that replica, and is no trouble", async () => {
  await using two = openTwoDaemons();
  two.configure({ replicaPeer: 'users = ["alice"]' });
  for (const [seed, path] of ["alice/Maildir", "bob/Maildir", "bob/Maildir/.Sent"].entries())
    makeMailbox(two.source, path, { messages: 1, seed: 10 * seed });
  two.start("replica");
  const source = two.start("source");
  await source.waitFor("live", isLive);
  const status = async (...args: readonly string[]) =>
    mailtwin(["status", "--check", ...args, "--config", two.configs.source], { cwd: dirname(two.source) });
  const { code, out } = await status("--json");
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({
    level: "ok",
    stores: [
      {
        replicas: [
          {
            level: "ok",
            limited: {
              ...{ mailboxes: 2, all: 3, why: "users of [peer.b]" },
              named: ["bob/Maildir", "bob/Maildir/.Sent"],
            },
          },
        ],
      },
    ],
  });
  expect((await status()).out).toContain(
    "\n  b does not get 2 of 3 mailboxes (users of [peer.b]): bob/Maildir, bob/Maildir/.Sent\n",
  );
});

test("what a limited peer was not sent is not called acknowledged; nor is it where its rights are wider, until that is compared", async () => {
  await using two = openTwoDaemons();
  two.configure({ replicaPeer: 'users = ["alice"]' });
  makeMailbox(two.source, "alice/Maildir", { messages: 1, seed: 1 });
  makeMailbox(two.source, "bob/Maildir", { messages: 1, seed: 20 });
  const replica = two.start("replica");
  const source = two.start("source");
  await source.waitFor("live", isLive);
  const run = async (...args: string[]) =>
    (await mailtwin([...args, "--config", two.configs.source], { cwd: dirname(two.source) })).out;
  const explained = async () =>
    JSON.parse(await run("explain", "-u", "bob", "INBOX", "2", "--json")) as Pick<Explanation, "log" | "replicas">;
  addMessage(join(two.source, "bob/Maildir"), { seed: 40 });
  addMessage(join(two.source, "alice/Maildir"), { seed: 41 });
  await until("the replica to have what it may have", async () => {
    const { log, replicas } = await explained();
    return log.lastLsn > 1 && replicas[0]?.cursor === log.lastLsn;
  });
  expect(await run("explain", "-u", "bob", "INBOX", "2")).toMatch(
    /\n {4}b: may not have it \(users of \[peer\.b\]\)\n$/,
  );
  expect(await run("explain", "-u", "alice", "INBOX", "2")).toMatch(/\n {4}b: has acknowledged it \(cursor \d+\)\n$/);
  const lsns = [...(await run("log", "tail", "-u", "bob")).matchAll(/^ *(\d+) /gm)].map(([, lsn]) => lsn ?? "");
  expect(await run("log", "show", lsns.at(-1) ?? "")).toContain("b: may not have it (users of its [peer.NAME])\n");

  await replica.stop();
  two.configure({});
  await run("reload");
  await until("its rights to be wider", async () => (await explained()).replicas[0]?.state !== "no-right");
  expect((await explained()).replicas).toMatchObject([
    { state: "to-compare", why: "that was asked for, or its rights are others now" },
  ]);
  two.start("replica");
  await until("bob's to be there", async () => (await explained()).replicas[0]?.state === "acknowledged");
  expect(rawDifferences(join(two.source, "bob/Maildir"), join(two.replica, "bob/Maildir"))).toStrictEqual([]);
});

test("a replica's own mail of others is not looked at, and stays, when it meets a source for alice's", async () => {
  await using two = openTwoDaemons();
  two.configure({ replicaPeer: 'users = ["alice"]', link: 'foreign = "limbo"\n' });
  makeMailbox(two.source, "alice/Maildir", { messages: 3, seed: 1 });
  makeMailbox(two.replica, "alice/Maildir", { messages: 1, seed: 30 });
  makeMailbox(two.replica, "bob/Maildir", { messages: 2, seed: 20 });
  two.start("replica");
  const source = two.start("source");
  await source.waitFor("live", isLive);
  const differences = () => rawDifferences(join(two.source, "alice/Maildir"), join(two.replica, "alice/Maildir"));
  await until("alice's mail to be equal", () => differences().length === 0);
  expect(
    readdirSync(join(two.replica, "bob/Maildir/cur")).length + readdirSync(join(two.replica, "bob/Maildir/new")).length,
  ).toBe(2);
});

test("a source that may write alice's mail only, and sends bob's too, is cut off before anything of bob's is there", async () => {
  await using two = openTwoDaemons();
  two.configure({ sourcePeer: 'users = ["alice"]' });
  makeMailbox(two.source, "bob/Maildir", { messages: 3, seed: 20 });
  const replica = two.start("replica");
  two.start("source");
  const refused = await replica.waitFor("a refusal", ({ msg }) => msg === "store-needs-you");
  expect(refused).toMatchObject({ code: "source-without-right", message: expect.stringContaining("bob/Maildir") });
  expect(existsSync(join(two.replica, "bob"))).toBe(false);
});

describe("what a limited source says", () => {
  const own = parseMailboxGuid("a".repeat(32));
  const other = parseMailboxGuid("b".repeat(32));
  const path = (text: string) => rawFromText(text) as RawPath;
  const rights = {
    mayWrite: maySee(["alice"]),
    pathOf: (guid: string) => (guid === own ? path("alice") : guid === other ? path("bob") : undefined),
  };
  const compare = { kind: "compare", seed: 7 } as const;
  const lost = { ...compare, mailbox: own, path: ROOT_PATH } as const;
  const offer = (mailbox: typeof own, at: RawPath, structure?: Structure, changes: readonly Change[] = []) => {
    const transaction = {
      ...{ mailbox, path: at, uidValidity: 1, uidNext: 9, headerExtra: "", changes, capturedMs: 1 },
      fileOwner: { uid: 0, gid: 0, mode: 0o600 },
      ...(structure === undefined ? {} : { structure }),
    } as unknown as Transaction;
    return { kind: "offer", id: 1, lsn: 1, mailbox, payload: encodeTransaction(transaction) } as const;
  };

  const copyOf = (mailbox: typeof own): Change => {
    const base = parseBaseName("1.M1P1.h");
    const message = {
      uid: parseUid(1),
      base,
      flags: 0,
      keywords: [],
      odd: "",
      tail: "",
      size: 1,
      mtimeS: 1,
      fields: "",
    };
    return { kind: "save", message, origin: { mailbox, uid: parseUid(1), base } } as Change;
  };

  test("ends the link: another's mailbox in its own one's name", () => {
    const say = () => refuseOffer({ ...offer(other, path("alice/.X")), mailbox: own }, rights);
    expect(say).toThrow(expect.objectContaining({ code: "peer-confused" }));
  });

  test.each([
    [
      "a rename that moves another's out of its way",
      () =>
        refuseOffer(offer(own, path("alice/.X"), { kind: "rename", from: path("alice"), displaces: other }), rights),
    ],
    ["a copy of another's", () => refuseOffer(offer(own, path("alice"), undefined, [copyOf(other)]), rights)],
    [
      "to compare another's, under a path of its own",
      () => refuseAsk({ ...compare, mailbox: other, path: path("alice/.X") }, rights),
    ],
    [
      "to compare what it may not know",
      () => refuseAsk({ ...lost, mailbox: parseMailboxGuid("c".repeat(32)) }, rights),
    ],
    ["another's mailbox", () => refuseOffer(offer(other, path("bob")), rights)],
    ["another's mailbox, under a path of its own", () => refuseOffer(offer(other, path("alice/.X")), rights)],
    ["its own, to another's place", () => refuseOffer(offer(own, path("bob/.X")), rights)],
    [
      "a rename from another's",
      () => refuseOffer(offer(own, path("alice/.X"), { kind: "rename", from: path("bob/.X") }), rights),
    ],
    ["the root", () => refuseOffer(offer(parseMailboxGuid("c".repeat(32)), ROOT_PATH), rights)],
    ["to see another's", () => refuseAsk({ kind: "inventory", path: path("bob"), afterUid: 0 }, rights)],
    ["to move another's", () => refuseAsk({ kind: "foreign", path: path("bob"), bases: [], action: "limbo" }, rights)],
    ["to compare another's", () => refuseAsk({ ...compare, mailbox: other, path: path("bob") }, rights)],
    [
      "to be told of another's, under a path of its own",
      () => refuseAsk({ kind: "tell-held", mailbox: other, path: path("alice/.X"), spans: [] }, rights),
    ],
    [
      "to renumber another's",
      () => refuseAsk({ kind: "yield-uids", mailbox: other, uids: [1], from: parseUid(1), floor: 9 }, rights),
    ],
  ])("ends the link: %s", (_what, say) => {
    expect(say).toThrow(expect.objectContaining({ code: "source-without-right", exitCode: 77 }));
  });

  test("is taken where it is its own", () => {
    refuseOffer(offer(own, path("alice"), { kind: "rename", from: path("alice/.Old") }), rights);
    refuseAsk({ kind: "inventory", path: path("alice/.X"), afterUid: 0 }, rights);
    refuseOffer(offer(own, path("alice"), undefined, [copyOf(own)]), rights);
    refuseAsk(lost, rights); // it is gone at the source.
    refuseAsk({ kind: "survey" }, rights);
  });
});
