/**
 * Folders in folders that are renamed faster than the twin looks, with pauses by seed: whichever state it saw in between, each
 * mailbox ends where the source has it, without a problem, and nothing of it goes to the limbo.
 */
import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { describeLive } from "./lab/available.js";
import * as imap from "./lab/imap.js";
import { deliver } from "./lab/lmtp.js";
import { makeMessage } from "./lab/messages.js";
import { messageInodes } from "./twin/folder-changes.js";
import { useLiveTwin } from "./twin/live-twin.js";
import { seededRandom } from "./twin/mixed-changes.js";

const USERS = Array.from({ length: 12 }, (_, index) => `n${index + 1}`);
const PAUSES_MS = [0, 10, 30, 60, 100];

for (const { layout, separator } of [
  { layout: "fs", separator: "/" },
  { layout: "maildir++", separator: "." },
] as const) {
  describeLive(`nested folders that change places while the twin looks, ${layout}`, () => {
    const path = (name: string): string => name.replaceAll("/", separator);
    const lab = useLiveTwin({
      users: USERS,
      layout,
      prepare: async ({ source }) => {
        for (const [index, user] of USERS.entries()) {
          await deliver(source, user, makeMessage({ seed: 1 }));
          await using session = await imap.connect(source, user);
          for (const name of ["a", "a/b", "a/b/c", "z"]) await imap.createFolder(session, path(name));
          // Of every second user two of the folders that change places are empty.
          const filled = index % 2 === 0 ? ["a", "a/b", "a/b/c", "z"] : ["a", "a/b/c"];
          for (const [at, name] of filled.entries())
            await imap.append(session, path(name), makeMessage({ seed: 10 + at }));
        }
      },
    });

    test("each ends where the source has it, with the files it had", async () => {
      const { pair } = lab;
      await pair.settleFiles();
      const inodes = USERS.map((user) => messageInodes(pair.replica, user));
      for (const [index, user] of USERS.entries()) {
        const random = seededRandom(index + 1);
        await using session = await imap.connect(pair.source, user);
        for (const [from, to] of [
          ["a", "q/a2"],
          ["z", "tmp1"],
          ["q/a2/b", "z"],
          ["tmp1", "q/a2/b"],
        ] as const) {
          await imap.renameFolder(session, path(from), path(to));
          await sleep(PAUSES_MS[Math.floor(random() * PAUSES_MS.length)]); // another moment for the twin to look in.
        }
      }
      await pair.settle();
      expect(USERS.map((user) => messageInodes(pair.replica, user))).toEqual(inodes);
      const limbo = join(dirname(pair.replica.store), `.${basename(pair.replica.store)}.mailtwin`, "limbo");
      expect(existsSync(limbo) ? readdirSync(limbo) : []).toEqual([]);
    });
  });
}
