/** `verify A B --deep --repair` of a pair that `sync` keeps: a body is written over only where it is known to be the bad one. */
import { appendFileSync, readdirSync, readFileSync, renameSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Bench, makeMailbox, openBench, summaryOf } from "../../live/twin/small-store.js";
import { mailtwin } from "./mailtwin.js";

const INBOX = "u1/Maildir";

async function verify({ dir, source, replica, state }: Bench, ...args: readonly string[]) {
  const all = ["verify", source, replica, "--state", state, "--settle", "0.1", "--deep", ...args];
  return mailtwin(all, { cwd: dir, env: { XDG_STATE_HOME: join(dir, "xdg") } });
}

/** Another byte under an unchanged name, with its size and date. */
function changeByte(store: string, mailbox = INBOX) {
  const cur = join(store, mailbox, "cur");
  const file = join(cur, readdirSync(cur).sort()[0] ?? "");
  const whole = readFileSync(file);
  const { atimeMs, mtimeMs } = statSync(file);
  const changed = Buffer.from(whole);
  changed[40] = (changed[40] ?? 0) ^ 1;
  writeFileSync(file, changed);
  utimesSync(file, atimeMs / 1000, mtimeMs / 1000);
  return { file, whole, changed };
}

test("B's that were changed are A's again, A's that were changed stay, and so do B's, unless A is trusted", {
  timeout: 180_000,
}, async () => {
  using bench = openBench();
  makeMailbox(bench.source, INBOX, { messages: 3 });
  expect((await bench.sync()).code).toBe(0);

  const there = changeByte(bench.replica);
  expect(await verify(bench)).toMatchObject({
    code: 1,
    out: expect.stringMatching(/^ {2}UID \d: its bytes differ: those in B were changed$/m),
  });
  expect(readFileSync(there.file)).toEqual(there.changed);
  expect(await verify(bench, "--repair")).toMatchObject({ code: 0, out: expect.stringMatching(/^equal: 3 messages/m) });
  expect(readFileSync(there.file)).toEqual(there.whole);

  const here = changeByte(bench.source);
  const stays = await verify(bench, "--repair", "--json");
  expect(stays.code).toBe(1);
  expect(JSON.parse(stays.out)).toMatchObject({
    repaired: 0,
    differences: [
      {
        mailbox: INBOX,
        findings: [
          {
            ...{ kind: "body", side: "a" },
            words: expect.stringMatching(
              /^UID \d: its bytes differ: those in A were changed, those in B are what was read first$/,
            ),
          },
        ],
      },
    ],
  });
  expect([readFileSync(there.file), readFileSync(here.file)]).toEqual([here.whole, here.changed]);

  expect(await verify(bench, "--repair", "--trust-source")).toMatchObject({ code: 0 });
  expect([readFileSync(there.file), readFileSync(here.file)]).toEqual([here.changed, here.changed]);
  changeByte(bench.replica);
  expect(await verify(bench, "--repair"), "what was trusted is what is known").toMatchObject({ code: 0 });
  expect(readFileSync(there.file)).toEqual(here.changed);
});

test("where nobody knows what they were they stay, and --trust-source is for --repair", async () => {
  using bench = openBench();
  makeMailbox(bench.source, INBOX, { messages: 2 });
  expect((await bench.sync()).code).toBe(0);
  const { file, changed } = changeByte(bench.replica);
  const elsewhere = { ...bench, state: join(bench.dir, "no-state") };
  expect(await verify(elsewhere, "--repair")).toMatchObject({
    code: 1,
    out: expect.stringMatching(/^ {2}UID \d: its bytes differ$/m),
  });
  expect(readFileSync(file)).toEqual(changed);
  expect(await verify(bench, "--trust-source")).toMatchObject({
    code: 64,
    err: expect.stringContaining("--trust-source is for --repair"),
  });
});

test("of a message that was moved to another mailbox it is known what its bytes were, though nobody has read them there", async () => {
  using bench = openBench();
  const inbox = makeMailbox(bench.source, INBOX, { messages: 2 });
  const work = makeMailbox(bench.source, `${INBOX}/.Work`, { messages: 0 });
  expect((await bench.sync()).code).toBe(0);
  const [name = ""] = readdirSync(join(inbox, "cur"));
  renameSync(join(inbox, "cur", name), join(work, "cur", name));
  appendFileSync(join(work, "dovecot-uidlist"), `1 :${name.split(":")[0]}\n`);
  expect(summaryOf(await bench.sync())).toMatchObject({ saves: 1, expunges: 1, bodiesBytes: 0 });
  const { file, whole } = changeByte(bench.replica, `${INBOX}/.Work`);
  expect(await verify(bench, "--repair")).toMatchObject({ code: 0 });
  expect(readFileSync(file)).toEqual(whole);
});
