/**
 * A twin of a real Dovecot's mail, damaged in many ways on the replica's side, each alone: `verify` finds each and names it. Each damage is
 * done to a copy that was just compared and found equal, so that what is kept from that look must not hide it.
 */
import { execFileSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describeLive } from "./lab/available.js";
import * as imap from "./lab/imap.js";
import { deliver } from "./lab/lmtp.js";
import { runTwin, type TwinRun } from "./lab/mailtwin.js";
import { makeMessage } from "./lab/messages.js";
import { A_BYTE, DAMAGES, type Damage, INBOX, moveToNew, WORK } from "./twin/damages.js";
import { openPair, type Pair } from "./twin/pair.js";

describeLive("verify of a twin whose replica is damaged", () => {
  let pair: Pair | undefined;
  let copy = "";

  beforeAll(async () => {
    pair = await openPair({ users: ["u1"] });
    const { source } = pair;
    for (const seed of [1, 2, 3]) await deliver(source, "u1", makeMessage({ seed }));
    await using session = await imap.connect(source, "u1");
    await imap.append(session, "INBOX", makeMessage({ seed: 4 }), { flags: ["\\Seen"] });
    await imap.append(session, "INBOX", makeMessage({ seed: 5 }), { flags: ["todo"] });
    await imap.createFolder(session, "Work");
    for (const seed of [6, 7]) await imap.append(session, "Work", makeMessage({ seed }));
    const run = await pair.sync();
    expect(run.code, JSON.stringify(run)).toBe(0);
    copy = join(pair.replica.dir, "copy");
  });

  afterAll(async () => {
    await pair?.[Symbol.asyncDispose]();
  });

  async function verify(b: string, ...args: readonly string[]): Promise<TwinRun> {
    if (pair === undefined) throw new Error("the pair did not start");
    const env = { XDG_STATE_HOME: join(pair.replica.dir, "xdg-state") };
    return await runTwin(["verify", pair.source.store, b, "--settle", "0.1", ...args], { env });
  }

  /** Whole anew: other inodes, and nothing of the damage before. */
  function copyReplica(): void {
    rmSync(copy, { recursive: true, force: true });
    execFileSync("cp", ["-a", pair?.replica.store ?? "", copy]);
  }

  async function expectEqual(...args: readonly string[]): Promise<void> {
    const run = await verify(copy, ...args);
    const words = [expect.stringMatching(/^equal: 7 messages in 2 mailboxes \(/)];
    expect(run).toMatchObject({ code: 0, strayOutput: words, stderr: "" });
  }

  async function expectFound({ mailbox, words }: Damage, ...args: readonly string[]): Promise<void> {
    const run = await verify(copy, ...args);
    const lines = run.strayOutput;
    expect(run.code, JSON.stringify(run)).toBe(1);
    const told = lines.slice(0, -1).filter((line) => line.startsWith("  "));
    expect(told.map((line) => line.trim())).toEqual(words.map((each) => expect.stringMatching(each)));
    const named = lines.slice(0, -1).filter((line) => !line.startsWith("  "));
    expect(new Set(named)).toEqual(new Set([`u1/${mailbox}`]));
    expect(lines.at(-1)).toMatch(/^not equal: [12] mailboxe?s? differs?; A has 7 messages in 2 mailboxes, B /);
  }

  test.each(DAMAGES.filter(({ isDeep }) => isDeep !== true))("$name", async (damage) => {
    copyReplica();
    await expectEqual();
    damage.make(join(copy, "u1"));
    await expectFound(damage);
  });

  test.each(DAMAGES.filter(({ isDeep }) => isDeep === true))(
    "$name: found at a first look, and later where all is read",
    async (damage) => {
      copyReplica();
      await expectEqual();
      damage.make(join(copy, "u1"));
      await expectFound(damage, "--deep");
      copyReplica();
      damage.make(join(copy, "u1"));
      await expectFound(damage);
    },
  );

  test(`${A_BYTE.name}: found where all is read, and nowhere else`, async () => {
    copyReplica();
    A_BYTE.make(join(copy, "u1"));
    await expectEqual();
    await expectFound(A_BYTE, "--deep");
  });

  test("a message in new/ instead of cur/ is no difference", async () => {
    copyReplica();
    await expectEqual();
    moveToNew(join(copy, "u1"));
    await expectEqual();
  });

  test("what the replica's own Dovecot changes is found, and named as its client sees it", async () => {
    if (pair === undefined) throw new Error("the pair did not start");
    const { replica } = pair;
    expect((await verify(replica.store)).code).toBe(0);
    await using session = await imap.connect(replica, "u1");
    await imap.select(session, "INBOX");
    await imap.store(session, [2], { add: ["\\Answered", "later"] });
    const run = await verify(replica.store);
    expect(run.strayOutput.slice(0, -1)).toEqual([
      `u1/${INBOX}`,
      "  UID 2: flags none in A, \\Answered in B; keywords none in A, later in B",
    ]);
    await imap.store(session, [2], { remove: ["\\Answered", "later"] });
    expect((await verify(replica.store)).code).toBe(0);
    expect(readdirSync(join(replica.store, "u1", WORK, "cur"))).toHaveLength(2);
  });
});
