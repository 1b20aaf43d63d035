/** `sync --resync --dry-run`: what it tells is what the run then does, and nothing is written. */
import { appendFileSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { runTwin } from "../../live/lab/mailtwin.js";
import { rawDifferences, treeState } from "../../live/twin/raw-compare.js";
import {
  addFile,
  addMessage,
  type Bench,
  eventsOf,
  filledBench,
  makeMailbox,
  summaryOf,
} from "../../live/twin/small-store.js";

const INBOX = "u1/Maildir";
const WORK = "u1/Maildir/.Work";
const OTHER = "u2/Maildir";
const TIMEOUT = { timeout: 120_000 };
let bench: Bench;

beforeEach(async () => {
  bench = filledBench();
  expect((await bench.sync()).code).toBe(0);
});

afterEach(() => bench[Symbol.dispose]());

const isRead = /(^\. )|state.*-(?:shm|wal)/; // a database that is read gets its -shm and -wal beside it.
const unread = (lines: readonly string[]) => lines.filter((line) => !isRead.test(line));

/** The plan of a dry run that wrote nothing. */
async function planned(...args: readonly string[]) {
  const before = unread(treeState(bench.dir));
  const run = await bench.sync("--resync", "--dry-run", ...args);
  expect(unread(treeState(bench.dir))).toStrictEqual(before);
  const [plan, ...others] = eventsOf(run, "resync-plan");
  expect(others, JSON.stringify(run)).toStrictEqual([]);
  const words = eventsOf(run, "plan").map((event) => String(event["words"]));
  return { code: run.code, plan: plan ?? {}, words };
}

/** Kinds and counts of what would be done, mailbox by mailbox. */
function actionsIn({ plans }: Readonly<Record<string, unknown>>) {
  const told = plans as readonly {
    readonly mailbox: string;
    readonly actions: readonly { readonly kind: string; readonly count: number }[];
  }[];
  return Object.fromEntries(
    told.map(({ mailbox, actions }) => [mailbox, actions.map(({ kind, count }) => `${kind} ${count}`)]),
  );
}

const fileOf = (path: string, uid: number): string => {
  const base = new RegExp(`^${uid} [^:]*:(.*)$`, "m").exec(
    readFileSync(join(bench.replica, path, "dovecot-uidlist"), "latin1"),
  )?.[1];
  const cur = join(bench.replica, path, "cur");
  return join(cur, readdirSync(cur).find((name) => name.startsWith(base ?? "?")) ?? "?");
};

function flag(path: string, uid: number): void {
  const file = fileOf(path, uid);
  renameSync(file, file.replace(/:2,.*/, ":2,F"));
}

test("equal stores: nothing to do; -v names what is equal", TIMEOUT, async () => {
  const { code, plan, words } = await planned();
  expect(code).toBe(0);
  expect(plan).toMatchObject({ mailboxes: 3, messages: 9, equal: 3, toChange: 0, failed: 0, plans: [], sums: [] });
  expect(words).toStrictEqual([]);
  expect(actionsIn((await planned("-v")).plan)).toStrictEqual({ [INBOX]: [], [WORK]: [], [OTHER]: [] });
});

test("what was changed on DST, and what SRC has got since, is told; the run does that", TIMEOUT, async () => {
  flag(INBOX, 2);
  rmSync(fileOf(INBOX, 3));
  renameSync(join(bench.replica, WORK), join(bench.replica, INBOX, ".Job"));
  addMessage(join(bench.source, INBOX), { seed: 60 });
  makeMailbox(bench.source, "u3/Maildir", { messages: 2, seed: 80 });
  rmSync(join(bench.source, OTHER), { recursive: true });
  const { code, plan } = await planned();
  expect(code).toBe(0);
  expect(actionsIn(plan)).toStrictEqual({
    [INBOX]: ["marks 1", "new-uid 1", "add 1"],
    [WORK]: ["rename 1"],
    [OTHER]: ["delete 1"],
    "u3/Maildir": ["make 1", "add 2"],
  });
  const run = await bench.sync("--resync");
  expect(run.code, JSON.stringify(run)).toBe(0);
  expect(summaryOf(run)).toMatchObject({ mailboxesDeleted: 1, renumberedInSource: 1 });
  expect(rawDifferences(bench.source, bench.replica)).toStrictEqual([]);
  expect((await planned()).plan).toMatchObject({ mailboxes: 3, equal: 3 });
});

test("as text it has the words of the daemon's, without a name before each line", TIMEOUT, async () => {
  flag(INBOX, 2);
  const args = ["sync", bench.source, bench.replica, "--state", bench.state, "--resync", "-n"];
  const run = await runTwin(args);
  expect(run.code, run.stderr).toBe(0);
  expect(run.strayOutput).toStrictEqual([
    INBOX,
    "  change flags of 1 message: the source's are others",
    "    UID 2: flags \\Seen in the source, \\Flagged in the replica",
    "in all: 1 message with other flags",
    expect.stringMatching(/^1 mailbox of 3 would be changed \(/),
  ]);
});

test("files of SRC without a UID, and mail that only DST has, are told as what happens to them", TIMEOUT, async () => {
  addFile(join(bench.source, INBOX), { seed: 60 });
  addMessage(join(bench.replica, OTHER), { seed: 70 });
  const { code, plan, words } = await planned();
  expect(code).toBe(0);
  expect(words).toStrictEqual([`${INBOX}: give UIDs to 1 message of SRC without one, and deliver`]);
  expect(actionsIn(plan)).toStrictEqual({ [OTHER]: ["raise 1", "keep 1"] });
});

test("what the brake would hold back is told as left, unless it is approved", TIMEOUT, async () => {
  makeMailbox(bench.source, "u3/Maildir", { messages: 600, bytes: 60, seed: 1000 });
  expect((await bench.sync()).code).toBe(0);
  rmSync(join(bench.source, "u3/Maildir"), { recursive: true });
  const { plan } = await planned();
  expect(plan).toMatchObject({ heldBack: 600, toChange: 0 });
  expect(actionsIn(plan)).toStrictEqual({ "u3/Maildir": ["held-back 600"] });
  const approved = await planned("--approve-deletions");
  expect(actionsIn(approved.plan)).toStrictEqual({ "u3/Maildir": ["delete 1"] });
});

test("mail that only DST has keeps a mailbox there that SRC has deleted, or goes with it", TIMEOUT, async () => {
  addMessage(join(bench.replica, OTHER), { seed: 70 });
  rmSync(join(bench.source, OTHER), { recursive: true });
  expect(actionsIn((await planned()).plan)).toStrictEqual({ [OTHER]: ["keep-mailbox 1"] });
  const { code, plan } = await planned("--foreign", "limbo");
  expect(code).toBe(0);
  expect(actionsIn(plan)).toStrictEqual({ [OTHER]: ["delete 1"] });
  expect(plan).toMatchObject({ plans: [{ actions: [{ words: "delete the mailbox, with 3 messages" }] }] });
  const run = await bench.sync("--resync", "--foreign", "limbo");
  expect(run.code, JSON.stringify(run)).toBe(0);
  expect(existsSync(join(bench.replica, OTHER))).toBe(false);
});

test("a mailbox that cannot be compared is told, with the exit code 1", TIMEOUT, async () => {
  appendFileSync(join(bench.replica, WORK, "dovecot-uidlist"), "no record\n");
  const { code, plan } = await planned();
  expect(code).toBe(1);
  expect(plan).toMatchObject({ equal: 2, failed: 1, plans: [{ mailbox: WORK, failure: { code: "uidlist-damaged" } }] });
});

test(
  "of what is no twin yet, or has a state that is outdated, it is the dry run of a first contact",
  TIMEOUT,
  async () => {
    const list = join(bench.replica, WORK, "dovecot-uidlist");
    writeFileSync(list, readFileSync(list, "latin1").replace(/G\w+/, `G${"e".repeat(32)}`));
    const outdated = await bench.sync("--resync", "--dry-run");
    expect(eventsOf(outdated, "resync-plan")).toStrictEqual([]);
    expect(String(eventsOf(outdated, "plan")[0]?.["words"])).toMatch(/comparing as at first contact$/);

    const replica = join(bench.dir, "fresh");
    const args = ["sync", bench.source, replica, "--json", "--state", join(bench.dir, "fresh-state"), "--resync", "-n"];
    const run = await runTwin(args);
    expect(run.code, JSON.stringify(run)).toBe(0);
    expect(eventsOf(run, "plan").length).toBeGreaterThan(3);
    expect(existsSync(replica) || existsSync(join(bench.dir, "fresh-state"))).toBe(false);
  },
);

test("an emptied DST is refused, as the run is", TIMEOUT, async () => {
  rmSync(bench.replica, { recursive: true });
  const run = await bench.sync("--resync", "--dry-run");
  expect(eventsOf(run, "error")).toMatchObject([{ code: (await bench.sync("--resync")).events.at(-1)?.["code"] }]);
  expect(run.code).not.toBe(0);
});
