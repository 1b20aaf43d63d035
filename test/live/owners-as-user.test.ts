/**
 * A run that is not root's, on one user's own mail. A file cannot be given away then, but it gets the group that it has at the
 * source wherever the user is in that group; where he is not, his own group gets nothing that was meant for another one.
 *
 * The ids are numbers that no account of this machine has.
 */
import { chmodSync, chownSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { describeLive } from "./lab/available.js";
import { listStore } from "./lab/files.js";
import * as imap from "./lab/imap.js";
import { deliver } from "./lab/lmtp.js";
import { makeMessage } from "./lab/messages.js";
import { cliAs, runTwinAs } from "./twin/as-user.js";
import { expectPeacefulEnd } from "./twin/live-twin.js";
import { ownershipDifferences, ownershipOf } from "./twin/ownership.js";
import { openPair } from "./twin/pair.js";
import { rawDifferences } from "./twin/raw-compare.js";
import { addMessage, type Bench, makeMailbox, openBench } from "./twin/small-store.js";

const ANN = { uid: 71_001, gid: 71_001 };
const READERS_GID = 71_200;
const STRANGERS_GID = 71_300;
const MEMBER = { ...ANN, groups: [READERS_GID] };

describeLive("as a user, on his own mail that a group of his may read", () => {
  test("the first run, live, and the replica's Dovecot afterwards", async () => {
    const extraConfig = `mail_access_groups = ${READERS_GID}`;
    await using pair = await openPair({ users: ["ann"], ownerOf: () => ANN, extraConfig });
    const { source, replica } = pair;
    for (const dir of [replica.dir, replica.store]) chownSync(dir, ANN.uid, ANN.gid);
    for (const dir of [join(source.store, "ann"), source.mailRoot("ann")]) makeOwned(dir, 0o2750, READERS_GID);
    for (const seed of [1, 2]) await deliver(source, "ann", makeMessage({ seed }));
    using cli = cliAs(MEMBER);
    await using twin = await pair.start({ cli: cli.path });
    await pair.settle();
    expect(ownershipOf(replica.store).get("ann/Maildir/cur")).toBe(`2750 ${ANN.uid}:${READERS_GID}`);
    expect(ownershipOf(replica.store).get("ann/Maildir/dovecot-uidlist")).toBe(`0640 ${ANN.uid}:${READERS_GID}`);
    await using session = await imap.connect(source, "ann");
    await imap.createFolder(session, "New.Box", { subscribe: false });
    for (const path of ["INBOX", "New.Box"])
      for (const seed of [3, 4]) await imap.append(session, path, makeMessage({ seed }), { flags: ["$Label"] });
    await imap.select(session, "INBOX");
    await imap.copy(session, [1], "New.Box");
    await imap.expunge(session, [2]);
    await pair.settle();
    await imap.renameFolder(session, "New.Box", "Other.Place.Box");
    await pair.settle();
    await expectPeacefulEnd(twin);
    await deliver(replica, "ann", makeMessage({ seed: 5 }));
    await using there = await imap.connect(replica, "ann");
    await imap.select(there, "Other.Place.Box");
    await imap.store(there, "1:*", { add: ["\\Seen", "$New"] });
    await imap.expunge(there, [1]);
    pair.expectQuiet();
  });
});

test.skipIf(process.getuid?.() !== 0)(
  "as a user, of mail with a group of his and of mail with another one [needs root to become that user]",
  async () => {
    using bench = benchOfAnn();
    await expectCopied(bench);
    for (const path of ["Mine", "Others"]) addMessage(join(bench.source, path), { seed: 50 });
    give(bench);
    await expectCopied(bench);
    const is = ownershipOf(bench.replica);
    const ofMine = [...is].filter(([path]) => path.startsWith("Mine"));
    expect(new Set(ofMine.map(([, words]) => words))).toEqual(
      new Set([`2770 ${ANN.uid}:${READERS_GID}`, `0660 ${ANN.uid}:${READERS_GID}`, `0660 *:${READERS_GID}`]),
    );
    const ofOthers = [...is].filter(([path]) => path.startsWith("Others"));
    expect(new Set(ofOthers.map(([, words]) => words))).toEqual(
      new Set([`0755 ${ANN.uid}:${ANN.gid}`, `0644 ${ANN.uid}:${ANN.gid}`]),
    );
  },
);

/** One mailbox of each group, both open to it, and the second one a little to everybody. */
function benchOfAnn(): Bench {
  const bench = openBench();
  chownSync(bench.dir, ANN.uid, ANN.gid);
  chownSync(bench.source, ANN.uid, ANN.gid);
  chmodSync(bench.dir, 0o755);
  for (const [path, seed] of [
    ["Mine", 10],
    ["Others", 20],
  ] as const)
    makeMailbox(bench.source, path, { messages: 3, seed });
  give(bench);
  return bench;
}

function give(bench: Bench): void {
  for (const [path, gid, world] of [
    ["Mine", READERS_GID, 0],
    ["Others", STRANGERS_GID, 0o5],
  ] as const) {
    const mailbox = join(bench.source, path);
    makeOwned(mailbox, 0o2770 | world, gid);
    for (const file of listStore(mailbox)) {
      chownSync(join(mailbox, file.path), ANN.uid, gid);
      chmodSync(join(mailbox, file.path), file.kind === "directory" ? 0o2770 | world : 0o660 | (world & 0o4));
    }
  }
}

function makeOwned(path: string, mode: number, gid: number): void {
  mkdirSync(path, { recursive: true });
  chownSync(path, ANN.uid, gid);
  chmodSync(path, mode); // after chown, which clears the set-id bits.
}

async function expectCopied({ source, replica, state }: Bench): Promise<void> {
  const run = await runTwinAs(MEMBER, ["sync", source, replica, "--json", "--state", state]);
  expect(run.code, JSON.stringify(run)).toBe(0);
  expect(rawDifferences(source, replica)).toEqual([]);
  expect(ownershipDifferences(source, replica).filter((words) => !words.startsWith("Others"))).toEqual([]);
}
