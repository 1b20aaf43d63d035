/** `verify A B --sample 1/2`: what differs in bytes alone is found on one of two days, and each message is read on one of them. */
import { cpSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { type Bench, makeMailbox, openBench } from "../../live/twin/small-store.js";
import { mailtwin } from "./mailtwin.js";

const DAY_MS = 86_400_000;
const IMPORT = `--import ${fileURLToPath(new URL("other-time.mjs", import.meta.url))}`;
const INBOX = "u1/Maildir";
/** Later than what the files say. */
const NOON_MS = (Math.floor(Date.now() / DAY_MS) + 1.5) * DAY_MS;

interface Told {
  readonly equal: boolean;
  readonly read: number;
  readonly differences: readonly { readonly mailbox: string; readonly findings: readonly object[] }[];
}

/** Another byte in the message with that UID, under an unchanged name, with its size and date. */
function changeByte(store: string, uid: number): void {
  const dir = join(store, INBOX);
  const record = readFileSync(join(dir, "dovecot-uidlist"), "latin1")
    .split("\n")
    .find((line) => line.startsWith(`${uid} `));
  const base = record?.slice(record.indexOf(":") + 1) ?? "";
  const file = join(dir, "cur", readdirSync(join(dir, "cur")).find((name) => name.startsWith(`${base}:`)) ?? "");
  const bytes = readFileSync(file);
  const { atimeMs, mtimeMs } = statSync(file);
  bytes[40] = (bytes[40] ?? 0) ^ 1;
  writeFileSync(file, bytes);
  utimesSync(file, atimeMs / 1000, mtimeMs / 1000);
}

async function verifyOn(day: number, { dir, source, replica, state }: Bench, sample = "1/2") {
  const env = {
    ...{ NODE_OPTIONS: IMPORT, MAILTWIN_TEST_MS: String(NOON_MS + day * DAY_MS) },
    XDG_STATE_HOME: join(dir, "xdg"),
  };
  const args = ["verify", source, replica, "--state", state, "--settle", "0", "--json", "--sample", sample];
  const { code, out } = await mailtwin(args, { cwd: dir, env });
  const { equal, read, differences } = JSON.parse(out) as Told;
  const found = differences.map(({ mailbox, findings }) => ({ mailbox, findings }));
  return { code, equal, read, found };
}

// 130 messages are two chunks: UIDs 1 to 127, and 128 to 130.
test.each([
  [5, 127],
  [129, 3],
])(
  "a byte of UID %i is found on the day on which its %i are read, and that day comes again",
  {
    timeout: 120_000,
  },
  async (uid, beside) => {
    using bench = openBench();
    makeMailbox(bench.source, INBOX, { messages: 130 });
    cpSync(bench.source, bench.replica, { recursive: true, preserveTimestamps: true });
    changeByte(bench.replica, uid);
    const days = [await verifyOn(0, bench), await verifyOn(1, bench)];
    const finding = { kind: "body", uid, words: `UID ${uid}: its bytes differ` };
    const found = { code: 1, equal: false, read: beside, found: [{ mailbox: INBOX, findings: [finding] }] };
    const missed = { code: 0, equal: true, read: 130 - beside, found: [] };
    expect(days.toSorted((one, other) => Number(one.equal) - Number(other.equal))).toEqual([found, missed]);
    expect([await verifyOn(2, bench), await verifyOn(3, bench)]).toEqual(days);
  },
);
