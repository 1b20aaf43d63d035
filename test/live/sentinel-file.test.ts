/** A sentinel lies in the store: where that is one user's Maildir, no client may see a folder of it. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { describeLive } from "./lab/available.js";
import * as imap from "./lab/imap.js";
import { deliver } from "./lab/lmtp.js";
import { makeMessage } from "./lab/messages.js";
import { openPair } from "./twin/pair.js";

describeLive("a file in a mail root", () => {
  test.each(["maildir++", "fs"] as const)("is no folder to Dovecot, %s", async (layout) => {
    await using pair = await openPair({ users: ["u1"], layout });
    const { source } = pair;
    await deliver(source, "u1", makeMessage({ seed: 1 }));
    await using session = await imap.connect(source, "u1");
    await imap.createFolder(session, "Work");
    writeFileSync(join(source.mailRoot("u1"), "store.here"), "");
    await using later = await imap.connect(source, "u1");
    for (const client of [session, later])
      expect((await client.list()).map(({ path }) => path).sort()).toEqual(["INBOX", "Work"]);
  });
});
