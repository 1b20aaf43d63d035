/** A `sync` to HOST:DST over a real sshd: what it removed over there comes back at the source, for clients of both as new mail under one UID. */
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { mailtwin } from "../unit/daemon/mailtwin.js";
import { type Sshd, startSshd, whyNoSshd } from "../unit/wire/sshd.js";
import { describeLive } from "./lab/available.js";
import * as imap from "./lab/imap.js";
import { makeMessage } from "./lab/messages.js";
import { CLI } from "./sites/daemon-process.js";
import { folderOf, openPair, type Pair } from "./twin/pair.js";

const USERS = ["u1", "u2"];
const DATE = new Date("2021-03-04T05:06:07Z");

describeLive("removed mail over ssh", () => {
  let pair: Pair | undefined;
  let sshd: Sshd | undefined;

  beforeAll(async () => {
    if (whyNoSshd() !== undefined) return;
    sshd = await startSshd();
    pair = await openPair({ users: USERS });
    for (const user of USERS) {
      await using session = await imap.connect(pair.source, user);
      await imap.createFolder(session, "Work");
      for (const seed of [1, 2, 3])
        await imap.append(session, "INBOX", makeMessage({ seed }), { flags: ["\\Seen"], date: DATE });
      for (const seed of [4, 5]) await imap.append(session, "Work", makeMessage({ seed }), { date: DATE });
    }
    await run("sync");
  }, 120_000);

  beforeEach((context) => {
    const why = whyNoSshd();
    if (why !== undefined) context.skip(why);
  });

  afterAll(async () => {
    await sshd?.[Symbol.asyncDispose]();
    await pair?.[Symbol.asyncDispose]();
  });

  /** As an operator on the source's host says it, of that pair. Returns its JSON lines. */
  async function run(...command: readonly string[]): Promise<readonly Record<string, unknown>[]> {
    const [{ source, replica, state }, { address, program }] = [must(pair), must(sshd)];
    const there = `env XDG_STATE_HOME=${join(replica.dir, "there")} ${process.execPath} ${CLI}`;
    const how = [
      "-e",
      `${program.join(" ")} -p ${address.port}`,
      "--remote-mailtwin",
      there,
      "--state",
      state,
      "--json",
    ];
    const words = command[0] === "undelete" ? command.slice(0, 2) : command.slice(0, 1);
    const stores = [source.store, `${address.user}@${address.host}:${replica.store}`];
    const all = [...words, ...stores, ...how, ...command.slice(words.length)];
    const { code, out, err } = await mailtwin(all, { cwd: source.dir });
    expect(code, `${command.join(" ")}: ${out}${err}`).toBe(0);
    const lines = out.split("\n").filter((line) => line !== "");
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  test("a message that was expunged", async () => {
    const { source } = must(pair);
    const before = folderOf(await must(pair).settle("u1"), "u1").messages.find(({ uid }) => uid === 2);
    await using session = await imap.connect(source, "u1");
    await imap.select(session, "INBOX");
    await imap.expunge(session, [2]);
    await run("sync");
    const listed = await run("undelete", "list", "-u", "u1");
    expect(listed).toMatchObject([{ user: "u1", folder: "INBOX", uid: 2, cause: "expunge", isThere: true }]);
    const wish = ["-u", "u1", "--mailbox", "INBOX", "--uid", "2"];
    expect(await run("undelete", "restore", ...wish, "--dry-run")).toMatchObject([{ event: "would-restore" }]);
    expect(await run("undelete", "restore", ...wish)).toMatchObject([{ event: "restored", to: "u1/Maildir" }]);
    expect(await run("undelete", "restore", ...wish)).toMatchObject([{ event: "already-restored" }]);
    await imap.select(session, "INBOX"); // Dovecot looks, and numbers it.
    await run("sync");
    const { messages } = folderOf(await must(pair).settle("u1"), "u1"); // of both, through IMAP.
    expect(messages.map(({ uid }) => uid)).toEqual([1, 3, 4]);
    expect(messages.at(-1)).toMatchObject({ internalDateMs: DATE.getTime(), bodySha256: before?.bodySha256 });
    expect(await run("verify")).toMatchObject([{ equal: true }]);
  }, 120_000);

  test("all of a folder that was deleted", async () => {
    await using session = await imap.connect(must(pair).source, "u2");
    const before = folderOf(await must(pair).settle("u2"), "u2", "Work").messages.map(({ bodySha256 }) => bodySha256);
    await imap.deleteFolder(session, "Work");
    await run("sync");
    expect((await run("undelete", "list", "-u", "u2")).at(-1)).toMatchObject({ folder: ".Work", kind: "mailbox" });
    await imap.createFolder(session, "Work");
    const done = await run("undelete", "restore", "-u", "u2", "--mailbox", "Work", "--all");
    expect(done).toMatchObject([{ event: "restored" }, { event: "restored" }]);
    await imap.select(session, "Work");
    await run("sync");
    const { messages } = folderOf(await must(pair).settle("u2"), "u2", "Work");
    expect(messages.map(({ uid, internalDateMs }) => [uid, internalDateMs])).toEqual([
      [1, DATE.getTime()],
      [2, DATE.getTime()],
    ]);
    expect(messages.map(({ bodySha256 }) => bodySha256).sort()).toEqual([...before].sort());
    expect(await run("verify")).toMatchObject([{ equal: true }]);
  }, 120_000);
});

function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("it is not there");
  return value;
}
