/**
 * A client that opens a mailbox on the replica, again and again, while it changes places with another one: it is shown the
 * one or the other, whole, or is told that there is none.
 */
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { describeLive } from "./lab/available.js";
import type { DovecotSite } from "./lab/dovecot.js";
import * as imap from "./lab/imap.js";
import { makeMessage } from "./lab/messages.js";
import { until } from "./lab/until.js";
import { fill, turnAround } from "./twin/folder-changes.js";
import { openPair } from "./twin/pair.js";

const USER = "u1";
const NAMES = ["Left", "Right"];
const LOOKED_AT = "Left";
const ROUNDS = 6;

describeLive("a client of the replica while two mailboxes change places", () => {
  test.each([
    { name: "that hold nothing else", others: [] },
    { name: "that hold folders", others: ["Left/Child", "Right/Child"] },
  ])("$name: it sees the one or the other under a name, or none for a moment", async ({ others }) => {
    await using pair = await openPair({ users: [USER], layout: "fs" });
    await using session = await imap.connect(pair.source, USER);
    await fill(pair.source, session, [...NAMES, ...others]);
    await imap.append(session, "Right", makeMessage({ seed: 4 }));
    await using twin = await pair.start();
    await pair.settleFiles();
    const isOfTwoLogs = await explainTwoLogs(pair.replica);
    pair.excuse(isOfTwoLogs);
    const allowed: string[] = [];
    for (const name of NAMES) {
      const { uidValidity, exists } = await imap.select(session, name);
      allowed.push(`${uidValidity}: ${exists}`);
    }
    const stop = new AbortController();
    const looking = look(pair.replica, stop.signal);
    for (let round = 0; round < ROUNDS; round++) {
      await turnAround(session, NAMES, "Passing");
      await until("equal files", () => pair.fileDifferences().length === 0, {
        detail: () =>
          [...pair.fileDifferences(), ...twin.output.events.slice(-25).map((event) => JSON.stringify(event))].join(
            "\n",
          ),
      });
    }
    stop.abort();
    const { seen, refused } = await looking;
    await pair.settle(USER);
    expect(new Set(seen)).toEqual(new Set(allowed));
    const failed = pair.replica.problems().filter(isOfTwoLogs);
    // At most the one look that falls between two mailboxes, in each round; and nothing else fails inside of Dovecot.
    expect(new Set(failed.map(sessionOf)).size).toBeLessThanOrEqual(ROUNDS);
    expect(refused.filter((answer) => answer === "internal error").length).toBeLessThanOrEqual(failed.length);
    expect(new Set([...refused, ...REFUSALS.values()])).toEqual(new Set(REFUSALS.values()));
    expect(await twin.stop()).toEqual({ code: 0, signal: undefined });
  });
});

/**
 * Dovecot opens `dovecot.index.log` by its name and looks at that name again before it trusts the index. Where another mailbox
 * has come to stand there in between, with its own index, the session fails ("Internal error occurred") and says this one line: both
 * indexes have one number, which is the second in which each was made (`mail_index_create`), and one sequence. Dovecot's
 * own RENAME has its clients fail just so. Returns whether a line is that one, of this mailbox, after making such indexes.
 */
async function explainTwoLogs(site: DovecotSite): Promise<(line: string) => boolean> {
  const logOf = (name: string): string => join(site.mailRoot(USER), name, "dovecot.index.log");
  let identities: string[] = [];
  await until("two indexes that were made in one second", async () => {
    for (const name of NAMES)
      for (const suffix of ["", ".log", ".cache"])
        rmSync(join(site.mailRoot(USER), name, `dovecot.index${suffix}`), { force: true });
    await using client = await imap.connect(site, USER);
    for (const name of NAMES) await imap.select(client, name);
    identities = NAMES.map((name) => readFileSync(logOf(name)).subarray(4, 12).toString("hex"));
    return new Set(identities).size === 1;
  });
  const sequence = Buffer.from(identities[0] ?? "", "hex").readUInt32LE(4);
  const words = `: Error: Mailbox ${LOOKED_AT}: Transaction log ${logOf(LOOKED_AT)}: duplicate transaction log sequence (${sequence})`;
  return (line) => line.includes(` imap(${USER})<`) && line.endsWith(words);
}

/** The part of a log line that names the session. */
function sessionOf(line: string): string {
  return /<\d+><[^>]+>/.exec(line)?.[0] ?? line;
}

const REFUSALS: ReadonlyMap<RegExp, string> = new Map([
  [/^Mailbox doesn't exist: Left /, "none there"],
  [/^Mailbox was deleted under us /, "gone as it was opened"],
  [/^Internal error occurred\. /, "internal error"],
]);

interface Looks {
  /** "UIDVALIDITY: messages" of each look that was answered. */
  readonly seen: readonly string[];
  /** What the others were told, in the words of `REFUSALS` where they are known. */
  readonly refused: readonly string[];
}

/** Opens the folder again and again, each time as a client that has just connected. */
async function look(site: DovecotSite, signal: AbortSignal): Promise<Looks> {
  const seen: string[] = [];
  const refused: string[] = [];
  while (!signal.aborted) {
    await using client = await imap.connect(site, USER);
    try {
      const { uidValidity, exists } = await imap.select(client, LOOKED_AT);
      seen.push(`${uidValidity}: ${exists}`);
    } catch (error) {
      refused.push(wordsOf(error));
    }
  }
  return { seen, refused };
}

function wordsOf(error: unknown): string {
  const isAnswer = error instanceof Error && "responseText" in error && typeof error.responseText === "string";
  const answer = isAnswer ? String(error.responseText) : String(error);
  for (const [pattern, words] of REFUSALS) if (pattern.test(answer)) return words;
  return answer;
}
