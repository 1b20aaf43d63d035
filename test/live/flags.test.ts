/**
 * Flags and keywords: set, taken away, by the thousand, and under letters that differ on the two sides.
 */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { describeLive } from "./lab/available.js";
import { messageNames } from "./lab/files.js";
import * as imap from "./lab/imap.js";
import { deliver, deliverAll } from "./lab/lmtp.js";
import { makeMessage, makeMessages } from "./lab/messages.js";
import { useLiveTwin } from "./twin/live-twin.js";
import { folderOf } from "./twin/pair.js";
import { fileMail } from "./twin/raw-mail.js";

const MANY = 5_000;

describeLive("what is marked at the source", () => {
  const users = ["u1", "u2", "u3"];
  const lab = useLiveTwin({
    users,
    prepare: async ({ source }) => {
      for (const user of users) await deliver(source, user, makeMessage({ seed: 1 }));
      const more = makeMessages(5, { seed: 10 }).map((message) => ({ user: "u1", message }));
      await deliverAll(source, more);
      await fileMail({ site: source, user: "u2" }, { count: MANY - 1, seed: 100 });
    },
  });

  test("one flag on one message, and off again", async () => {
    const { pair } = lab;
    await using session = await imap.connect(pair.source, "u1");
    await imap.select(session, "INBOX");
    for (const flag of ["\\Seen", "\\Answered", "\\Flagged", "\\Draft", "\\Deleted"]) {
      await imap.store(session, [2], { add: [flag] });
    }
    const marked = folderOf(await pair.settle("u1"), "u1").messages[1];
    expect(marked?.flags).toEqual(["\\Answered", "\\Deleted", "\\Draft", "\\Flagged", "\\Seen"]);
    await imap.store(session, [2], { remove: ["\\Deleted", "\\Seen"] });
    expect(folderOf(await pair.settle("u1"), "u1").messages[1]?.flags).toEqual(["\\Answered", "\\Draft", "\\Flagged"]);
    await imap.store(session, [2], { set: [] });
    expect(folderOf(await pair.settle("u1"), "u1").messages[1]?.flags).toEqual([]);
  });

  test("keywords, new and known, on and off", async () => {
    const { pair } = lab;
    await using session = await imap.connect(pair.source, "u1");
    await imap.select(session, "INBOX");
    await imap.store(session, [1, 3], { add: ["$Label1", "to-do"] });
    await imap.store(session, [3, 4], { add: ["to-do", "$Forwarded", "\\Seen"] });
    await imap.store(session, [1], { remove: ["$Label1"] });
    const messages = folderOf(await pair.settle("u1"), "u1").messages;
    const keywordsByUid = Object.fromEntries(messages.map(({ uid, keywords }) => [uid, keywords]));
    expect(keywordsByUid).toMatchObject({
      1: ["to-do"],
      3: ["$Forwarded", "$Label1", "to-do"],
      4: ["$Forwarded", "to-do"],
      5: [],
    });
    await imap.store(session, "1:*", { set: ["\\Seen"] });
    const after = folderOf(await pair.settle("u1"), "u1").messages;
    expect(after.flatMap(({ keywords }) => keywords)).toEqual([]);
    expect(after.every(({ flags }) => flags.join() === "\\Seen")).toBe(true);
  });

  test("all 26 letters of a mailbox", async () => {
    const { pair } = lab;
    await using session = await imap.connect(pair.source, "u1");
    await imap.createFolder(session, "Letters");
    await imap.append(session, "Letters", makeMessage({ seed: 50 }));
    await imap.select(session, "Letters");
    const names = Array.from({ length: 26 }, (_, i) => `word${i}`);
    await imap.store(session, [1], { add: names });
    const [message] = folderOf(await pair.settle("u1"), "u1", "Letters").messages;
    expect(message?.keywords).toHaveLength(26);
  });

  test(`${MANY} messages at once`, async () => {
    const { pair } = lab;
    const counted = { bodies: false, deadlineMs: 60_000 } as const;
    await using session = await imap.connect(pair.source, "u2");
    await imap.select(session, "INBOX");
    await imap.store(session, "1:*", { add: ["\\Flagged"] });
    const flagged = folderOf(await pair.settle("u2", counted), "u2").messages;
    expect(flagged.filter(({ flags }) => flags.join() === "\\Flagged")).toHaveLength(MANY);
    await imap.store(session, "1:*", { add: ["$Bulk", "\\Seen"], remove: ["\\Flagged"] });
    const labelled = folderOf(await pair.settle("u2", counted), "u2").messages;
    expect(labelled.filter(({ flags, keywords }) => [...flags, ...keywords].join() === "\\Seen,$Bulk")).toHaveLength(
      MANY,
    );
    await imap.store(session, "1:2500", { remove: ["$Bulk"] });
    const half = folderOf(await pair.settle("u2", counted), "u2").messages;
    expect(half.filter(({ keywords }) => keywords.length === 0)).toHaveLength(2_500);
  });

  test("two keywords whose letters are swapped on the replica", async () => {
    const { pair } = lab;
    for (const message of makeMessages(2, { seed: 60 })) await deliver(pair.source, "u3", message);
    await pair.settle("u3");
    await using reader = await imap.connect(pair.replica, "u3");
    await imap.select(reader, "INBOX");
    await imap.store(reader, [1], { add: ["beta"] }); // so that "beta" has the first letter there.
    await imap.store(reader, [1], { remove: ["beta"] });
    await using session = await imap.connect(pair.source, "u3");
    await imap.select(session, "INBOX");
    await imap.store(session, [1], { add: ["alpha"] });
    await imap.store(session, [2], { add: ["beta"] });
    await imap.store(session, [3], { add: ["alpha", "beta", "\\Seen"] });
    const messages = folderOf(await pair.settle("u3"), "u3").messages;
    expect(messages.map(({ keywords }) => keywords)).toEqual([["alpha"], ["beta"], ["alpha", "beta"]]);
    const keywordFile = (site: typeof pair.source) => readFileSync(`${site.mailRoot("u3")}/dovecot-keywords`, "latin1");
    expect(keywordFile(pair.source)).toBe("0 alpha\n1 beta\n");
    expect(keywordFile(pair.replica)).toBe("0 beta\n1 alpha\n");
    const infos = (site: typeof pair.source) =>
      messageNames(site.store, "u3/Maildir")
        .map((name) => name.slice(name.indexOf(":2,")))
        .sort();
    expect(infos(pair.source)).toEqual([":2,Sab", ":2,a", ":2,b"]);
    expect(infos(pair.replica)).toEqual([":2,Sab", ":2,a", ":2,b"]);
    await imap.store(session, [1], { remove: ["alpha"] });
    await pair.settle("u3");
    expect(infos(pair.replica)).toEqual([":2,", ":2,Sab", ":2,a"]); // "a" is beta there: message 2.
  });
});
