/** A mailbox is missing on a replica while a run is live: all of the replica is looked at before anything is made anew. */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MissingLooks } from "../../../src/agent/missing-looks.js";
import type { MailboxGuid } from "../../../src/maildir/ids.js";
import { FakeClock } from "../../fake-clock.js";
import { addMessage, makeMailbox } from "../../live/twin/small-store.js";
import { turns, until } from "../../turns.js";
import { guid } from "./pair.js";
import { RealPair, type RealRun } from "./real-pair.js";

const [INBOX, WORK, OTHER] = ["u1/Maildir", "u1/Maildir/.Work", "u2/Maildir"];

describe("over real stores", () => {
  let pair: RealPair;
  let source: string;
  let replica: string;
  let run: RealRun;

  beforeEach(async () => {
    pair = await RealPair.open();
    ({ source, replica } = pair.bench);
    makeMailbox(source, INBOX, { messages: 4 });
    makeMailbox(source, WORK, { messages: 3, seed: 10 });
    makeMailbox(source, OTHER, { messages: 2, seed: 20 });
    run = pair.start();
    await run.untilAcked(await pair.capture());
  });

  afterEach(async () => {
    await run.cut();
    await pair[Symbol.asyncDispose]();
  });

  const rejections = () => pair.sourceReader.rejections();
  const looks = () => run.sent.filter((it) => it.kind === "request" && it.ask.kind === "standing").length;
  const clock = () => pair.clock as FakeClock;

  async function deliver(path: string, seed: number): Promise<void> {
    addMessage(join(source, path), { seed });
    await pair.capture();
    run.agent.wake();
  }

  async function untilEqual(): Promise<void> {
    await until(() => rejections().length === 0 && pair.differences.length === 0, "both are equal");
  }

  /** Until the next try of a mailbox that was refused has gone as far as it can. */
  async function nextTry(): Promise<void> {
    await until(() => rejections().length > 0, "it is refused");
    await turns(200);
    await clock().advance(1_000);
    await turns(200);
  }

  test("where all is gone the link ends, and nothing is made anew by it or by the next", async () => {
    for (const name of readdirSync(replica)) rmSync(join(replica, name), { recursive: true });
    await deliver(WORK, 30);
    await nextTry();
    const message = "looking at what far has: none of the 3 mailboxes that were written there is left";
    await expect(run.agentRun).rejects.toMatchObject({ code: "replica-emptied", message });
    expect(readdirSync(replica)).toStrictEqual([]);
    await run.cut();
    run = pair.start();
    await expect(run.agentRun).rejects.toMatchObject({ code: "replica-emptied" });
    expect(readdirSync(replica)).toStrictEqual([]);
  });

  test("where all is gone a new mailbox is not made either: it would stand for all the others", async () => {
    for (const name of readdirSync(replica)) rmSync(join(replica, name), { recursive: true });
    makeMailbox(source, "u3/Maildir", { messages: 2, seed: 40 });
    await pair.capture();
    run.agent.wake();
    await nextTry();
    await expect(run.agentRun).rejects.toMatchObject({ code: "replica-emptied" });
    expect(readdirSync(replica)).toStrictEqual([]);
    await run.cut();
    run = pair.start();
    await expect(run.agentRun).rejects.toMatchObject({ code: "replica-emptied" });
    expect(readdirSync(replica)).toStrictEqual([]);
    expect(pair.replicaReader.mailboxes()).toHaveLength(3); // it still knows what was there.
  });

  test("where one still stands a new mailbox is made", async () => {
    rmSync(join(replica, "u1"), { recursive: true });
    makeMailbox(source, "u3/Maildir", { messages: 2, seed: 40 });
    await pair.capture();
    run.agent.wake();
    await until(() => existsSync(join(replica, "u3/Maildir/dovecot-uidlist")), "it is made");
    expect(rejections()).toStrictEqual([]);
    expect(existsSync(join(replica, "u1"))).toBe(false); // until something comes for it, or all is compared.
  });

  test("where all is gone one that is compared by hand is not made anew", async () => {
    for (const name of readdirSync(replica)) rmSync(join(replica, name), { recursive: true });
    await run.agent.resync(pair.guidAt(WORK));
    await expect(run.agentRun).rejects.toMatchObject({ code: "replica-emptied" });
    expect(readdirSync(replica)).toStrictEqual([]);
  });

  test("where some are gone all of these are made anew, though mail came for one only", async () => {
    rmSync(join(replica, "u1"), { recursive: true });
    await deliver(WORK, 30);
    await nextTry();
    await untilEqual();
    expect(new Set(run.rejected.map(({ mailbox }) => mailbox))).toStrictEqual(new Set([pair.guidAt(WORK)]));
    expect(looks()).toBe(1);
  });

  test("where one is put back from a backup as well all are compared", async () => {
    rmSync(join(replica, WORK), { recursive: true });
    const uidlist = join(replica, OTHER, "dovecot-uidlist");
    const [header, first] = readFileSync(uidlist, "latin1").split("\n");
    writeFileSync(uidlist, `${header?.replace(/ N\d+/, " N2")}\n${first}\n`, "latin1");
    for (const name of readdirSync(join(replica, OTHER, "cur")))
      if (!first?.includes(name.split(":")[0] ?? "")) rmSync(join(replica, OTHER, "cur", name));
    await deliver(WORK, 30);
    await nextTry();
    await until(() => run.compared.length === 1, "all are compared");
    await untilEqual();
  });

  test("where all go later that is found after a pause, and other mailboxes do not wait for it", async () => {
    rmSync(join(replica, WORK), { recursive: true });
    await deliver(WORK, 30);
    await nextTry();
    await untilEqual();
    rmSync(join(replica, "u1"), { recursive: true });
    await deliver(INBOX, 31);
    await nextTry();
    expect([looks(), existsSync(join(replica, INBOX))]).toStrictEqual([1, false]);
    await deliver(OTHER, 32);
    const isThere = () => readdirSync(join(replica, OTHER, "cur")).length === 3;
    await until(isThere, "the other one goes on");
    rmSync(join(replica, "u2"), { recursive: true });
    await clock().advance(10_000);
    await expect(run.agentRun).rejects.toMatchObject({ code: "replica-emptied" });
    expect(readdirSync(replica)).toStrictEqual([]);
  });

  test("an agent that does not heal leaves that to the next run", async () => {
    await run.end();
    run = pair.start({ heals: false });
    await run.untilAcked(pair.sourceReader.lastLsn());
    const before = looks();
    rmSync(join(replica, WORK), { recursive: true });
    await deliver(WORK, 30);
    await run.untilAcked(pair.sourceReader.lastLsn());
    expect(rejections()).toMatchObject([{ code: "mailbox-missing" }]);
    expect(looks()).toBe(before);
  });
});

describe("looks", () => {
  const { signal } = new AbortController();
  const [a, b] = [guid("a"), guid("b")];
  let clock: FakeClock;
  /** Each ends a look. */
  let looks: (() => void)[];
  let missing: MissingLooks;
  let seen: string[];

  beforeEach(() => {
    clock = new FakeClock();
    [looks, seen] = [[], []];
    missing = new MissingLooks({ clock, look: () => new Promise<void>((resolve) => looks.push(resolve)) });
  });

  function wait(mailbox: MailboxGuid, name: string): void {
    void missing.untilSeen(mailbox, signal).then(() => seen.push(name));
  }

  test("a mailbox that was not refused is not waited for", async () => {
    wait(a, "a");
    await turns();
    expect([seen, looks.length]).toStrictEqual([["a"], 0]);
  });

  test("one look is for all that were refused before", async () => {
    for (const mailbox of [a, b]) missing.note(mailbox);
    wait(a, "a");
    wait(b, "b");
    looks[0]?.();
    await turns();
    expect([seen, looks.length]).toStrictEqual([["a", "b"], 1]);
  });

  test("what is refused while a look is under way has another one, after a pause", async () => {
    missing.note(a);
    wait(a, "a");
    missing.note(b);
    wait(b, "b");
    looks[0]?.();
    await turns();
    expect([seen, looks.length]).toStrictEqual([["a"], 1]);
    await clock.advance(9_999);
    expect(looks).toHaveLength(1);
    await clock.advance(1);
    expect(looks).toHaveLength(2);
    looks[1]?.();
    await turns();
    expect([seen, clock.timerCount]).toStrictEqual([["a", "b"], 0]);
  });

  test("one that is asked for does not wait for the pause", async () => {
    missing.note(a);
    wait(a, "a");
    missing.noteAsked(b);
    wait(b, "b");
    looks[0]?.();
    await turns();
    expect([seen, looks.length]).toStrictEqual([["a"], 2]);
    looks[1]?.();
    await turns();
    expect(seen).toStrictEqual(["a", "b"]);
  });

  test("a look that fails fails all who wait for it", async () => {
    const error = new Error("all is gone");
    missing = new MissingLooks({ clock, look: () => Promise.reject(error) });
    missing.note(a);
    const both = await Promise.allSettled([missing.untilSeen(a, signal), missing.untilSeen(b, signal)]);
    expect(both.map((it) => it.status === "rejected" && it.reason === error)).toStrictEqual([true, true]);
  });
});
