/** `mailtwin log`, as a shell sees it: words, JSON, exit codes, while somebody else has the database open for writing. */
import { once } from "node:events";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseMailboxGuid, parseUidValidity } from "../../../../src/maildir/ids.js";
import { encodeTransaction } from "../../../../src/txn/transaction-codec.js";
import { openInlineStateWriter } from "../../../contract/inline-state-writer.js";
import { until } from "../../../live/lab/until.js";
import { NOTHING_CAPTURED, rawPath } from "../../log/state-fixtures.js";
import { expunge, marks, message, rebind, save, transaction } from "../../txn/txn-fixtures.js";
import { HOSTILE_PATH, type LogBench, openLogBench, runCli, startCli } from "./log-bench.js";

const TIME = "2025-11-23T15:50:00Z";
const LINE_1 = `     1  ${TIME}  alice/Maildir/.Sent: deliver UID 1 (12 bytes)`;

let bench: LogBench;

beforeEach(() => {
  bench = openLogBench();
});

afterEach(() => bench[Symbol.asyncDispose]());

const lsnsIn = (out: string) => [...out.matchAll(/^ *(\d+) /gm)].map(([, lsn]) => Number(lsn));
const parsed = (out: string) =>
  out
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe("log tail", () => {
  test("shows the last ten, a line each, or as many as asked for", async () => {
    for (let uid = 1; uid <= 12; uid++) await bench.append({ changes: [save(uid)] });
    const ten = bench.run("log", "tail");
    expect([ten.code, ten.err, lsnsIn(ten.out)]).toStrictEqual([0, "", [3, 4, 5, 6, 7, 8, 9, 10, 11, 12]]);
    expect(lsnsIn(bench.run("log", "tail", "-n", "2").out)).toStrictEqual([11, 12]);
    const all = bench.run("log", "tail", "-n", "500").out.split("\n");
    expect([all.length, all[0], all.at(-1)]).toStrictEqual([13, LINE_1, ""]);
    expect(bench.run("log", "tail", "-n", "0")).toStrictEqual({ code: 0, out: "", err: "" });
  });

  test("of an empty log, and of one that was trimmed, says how it is", async () => {
    expect(bench.run("log", "tail")).toMatchObject({ code: 0, out: "", err: expect.stringContaining("none so far") });
    await bench.append({ changes: [save(1)] }, { changes: [save(2)] });
    await bench.writer.trim({ upTo: 1, needsResync: [], nowMs: 5 });
    expect(lsnsIn(bench.run("log", "tail").out)).toStrictEqual([2]);
    await bench.writer.trim({ upTo: 2, needsResync: [], nowMs: 5 });
    expect(bench.run("log", "tail").err).toContain("the log is empty, the last one was 2");
  });

  test("of one user or mailbox finds the last ones, however far back", async () => {
    const other = Array.from({ length: 600 }, () => ({ path: rawPath("alicea/Maildir"), changes: [expunge(1)] }));
    await bench.append({ changes: [save(1)] }, { path: rawPath("alice/Maildir"), changes: [save(2)] }, ...other);
    const of = (...args: readonly string[]) => lsnsIn(bench.run("log", "tail", ...args).out);
    expect(of("-u", "alice")).toStrictEqual([1, 2]);
    expect(of("-u", "alice", "-n", "1")).toStrictEqual([2]);
    expect(of("--mailbox", ".Sent")).toStrictEqual([1]);
    expect(of("--mailbox", "alice/Maildir")).toStrictEqual([2]);
    expect(of("-u", "alice", "--mailbox", "Maildir")).toStrictEqual([2]);
    expect(of("--mailbox", "0123456789abcdef0123456789abcdef", "-n", "2")).toStrictEqual([601, 602]);
    expect(bench.run("log", "tail", "-u", "bob")).toMatchObject({ code: 64, out: "" });
  });

  test("shows hostile names as text, and an entry that it cannot read as such", async () => {
    await bench.append({ path: HOSTILE_PATH, changes: [save(1)] });
    await bench.appendBytes(Uint8Array.of(0xff, 0xff, 0xff));
    const { code, out } = bench.run("log", "tail");
    expect(code).toBe(1);
    expect(out.split("\n")[0]).toContain("bob/\\x1b[31mred\\x0aline\\xff: deliver UID 1");
    expect(out.split("\n")[1]).toMatch(/^ {5}2 .* mailbox 0123456789abcdef.*this version cannot read it/);
    const [, unreadable] = parsed(bench.run("log", "tail", "--json").out);
    expect(unreadable).toStrictEqual({
      ...{ lsn: 2, captured: TIME, capturedMs: 1_763_913_000_123, mailbox: "0123456789abcdef0123456789abcdef" },
      problem: expect.stringContaining("decoding a transaction"),
    });
  });

  test("follows what comes, what was trimmed before it was seen, and a log that begins anew", async () => {
    await bench.append({ changes: [save(1)] }, { changes: [save(2)] });
    const child = startCli("log", "tail", "-n", "1", "-f", "--state", bench.state);
    let [out, err] = ["", ""];
    child.stdout?.on("data", (text: Buffer) => (out += text.toString()));
    child.stderr?.on("data", (text: Buffer) => (err += text.toString()));
    const exited = once(child, "exit");
    try {
      await until("the last one", () => lsnsIn(out).includes(2), { deadlineMs: 20_000 });
      await bench.append({ changes: [save(3)] });
      await until("what came", () => lsnsIn(out).includes(3), { deadlineMs: 20_000 });
      child.kill("SIGSTOP"); // so that it cannot look in between.
      await bench.append({ changes: [save(4)] }, { changes: [save(5)] }, { changes: [save(6)] });
      await bench.writer.trim({ upTo: 5, needsResync: [], nowMs: 5 });
      child.kill("SIGCONT");
      await until("what was left", () => lsnsIn(out).includes(6), { deadlineMs: 20_000 });
      expect(err).toContain("transactions 4 to 5 were trimmed");

      await beginAnew();
      await until("the new log", () => lsnsIn(out).at(-1) === 1, { deadlineMs: 20_000 });
      expect(err).toContain("it began anew");
      expect(lsnsIn(out)).toStrictEqual([2, 3, 6, 1]);
    } finally {
      child.kill("SIGINT");
    }
    expect(await exited).toStrictEqual([0, null]);
  });

  /** As a run does that has to compare again: the old database is removed, another one is made. */
  async function beginAnew(): Promise<void> {
    await bench.writer[Symbol.asyncDispose]();
    for (const end of ["", "-wal", "-shm"]) rmSync(`${bench.state}/source.db${end}`, { force: true });
    const anew = openInlineStateWriter(`${bench.state}/source.db`);
    const { mailbox, capturedMs } = transaction();
    const bytes = encodeTransaction(transaction({ changes: [save(9)] }));
    await anew.appendCaptured({ ...NOTHING_CAPTURED, transactions: [{ mailbox, capturedMs, bytes }] });
    await anew[Symbol.asyncDispose]();
  }

  test("ends with its reader while it follows", async () => {
    await bench.append({ changes: [save(1)] });
    const child = startCli("log", "tail", "-f", "--state", bench.state);
    const exited = once(child, "exit");
    await once(child.stdout ?? child, "data");
    child.stdout?.destroy();
    await until(
      "the end",
      async () => {
        await bench.append({ changes: [save(2)] });
        return child.exitCode !== null;
      },
      { deadlineMs: 20_000 },
    );
    expect(await exited).toStrictEqual([0, null]);
  });
});

describe("log show", () => {
  test("tells all of a transaction, and who has it", async () => {
    const changes = [
      expunge(3),
      marks(4, { flags: 0 }, { flags: 1 << 4, keywords: ["$Junk"] }),
      rebind(5, message(6)),
      save(7, { flags: 1 << 1 }),
    ];
    for (const replica of ["far", "near"]) await bench.writer.addReplica(replica, 5);
    await bench.append({ changes });
    await bench.writer.setCursor("near", 1);
    const { code, out, err } = bench.run("log", "show", "1");
    expect([code, err]).toStrictEqual([0, ""]);
    expect(out.split("\n")).toStrictEqual([
      "transaction  1",
      `captured     ${TIME}`,
      "mailbox      alice/Maildir/.Sent",
      "GUID         0123456789abcdef0123456789abcdef",
      "UIDVALIDITY  1700000000, next UID 100",
      "replica      far: lacks it still; it has all up to 0",
      "replica      near: has it, or has refused it (mailtwin rejects list)",
      "changes      4 changes",
      "  expunge UID 3",
      "      file m3,S=12",
      "  mark UID 4 (+seen +$Junk)",
      "      file m4,S=12",
      "      seen $Junk",
      "  move UID 5 to UID 6",
      "      file m5,S=12, then m6,S=12",
      "  deliver UID 7 (12 bytes)",
      "      file m7,S=12",
      `      date ${TIME}; flagged`,
      "      owner 1000:1000, mode 0600",
      "",
    ]);
  });

  test("tells what became of a mailbox, and of a replica that is compared", async () => {
    await bench.append({ changes: [] }, { path: HOSTILE_PATH, structure: { kind: "rename", from: rawPath("\x07") } });
    await bench.writer.trim({ upTo: 1, needsResync: [], nowMs: 5 });
    await bench.writer.addReplica("far", 1_763_913_000_000);
    const { out } = bench.run("log", "show", "2");
    expect(out).toContain("mailbox             bob/\\x1b[31mred\\x0aline\\xff\n");
    expect(out).toContain("mailbox as a whole  rename it from \\x07\n");
    expect(out).toContain(`far: will get it by a comparison: it needs resync since ${TIME}\n`);
  });

  test("says of a replica that may not have the mailbox just that, and of one that is to be compared no more", async () => {
    for (const [replica, users] of [
      ["far", '["bob"]'],
      ["near", '["alice"]'],
      ["old", "null"],
      ["odd", "{]"],
    ] as const) {
      await bench.writer.addReplica(replica, 5);
      await bench.writer.setMeta(`rights-${replica}`, users);
    }
    await bench.append({ changes: [save(1)] });
    for (const replica of ["far", "near", "old", "odd"]) await bench.writer.setCursor(replica, 1);
    await bench.writer.trim({ upTo: 0, needsResync: [{ replica: "old", why: "asked" }], nowMs: 1_763_913_000_000 });
    const { out } = bench.run("log", "show", "1");
    expect(out).toContain("far: may not have it (users of its [peer.NAME])\n");
    expect(out).toContain("near: has it, or has refused it (mailtwin rejects list)\n");
    expect(out).toContain(`old: has it, or will get it by a comparison: it needs resync since ${TIME}\n`);
    expect(out).toContain("odd: has it, or has refused it (mailtwin rejects list)\n");
  });

  test("of one that is not there says why, with 66", async () => {
    await bench.append({ changes: [save(1)] }, { changes: [save(2)] }, { changes: [save(3)] });
    await bench.writer.trim({ upTo: 2, needsResync: [], nowMs: 5 });
    const trimmed = bench.run("log", "show", "2");
    expect([trimmed.code, trimmed.err.split("\n")[0]]).toStrictEqual([
      66,
      "mailtwin: showing transaction 2: it was trimmed (the log has 3 to 3).",
    ]);
    expect(bench.run("log", "show", "4")).toMatchObject({ code: 66, err: expect.stringContaining("not there yet") });
    for (const wrong of ["0", "-1", "1.5", "x", "", "99999999999999999999"])
      expect(bench.run("log", "show", "--", wrong).code).toBe(64);
  });
});

describe("log export", () => {
  test("has everything, and names as texts that can be told apart", async () => {
    const { uid, base } = message(8);
    const origin = { mailbox: parseMailboxGuid("f".repeat(32)), uid, base };
    await bench.append({ path: HOSTILE_PATH, changes: [{ ...save(7, { keywords: ["\xe4"] }), origin }] });
    await bench.append({ structure: { kind: "reset", before: parseUidValidity(1) } });
    const { code, out } = bench.run("log", "export");
    expect(code).toBe(0);
    expect(parsed(out)).toStrictEqual([
      {
        ...{ lsn: 1, captured: TIME, capturedMs: 1_763_913_000_123, mailbox: "0123456789abcdef0123456789abcdef" },
        ...{ path: "bob/\\x1b[31mred\\x0aline\\xff", uidValidity: 1_700_000_000, uidNext: 100, headerExtra: "" },
        fileOwner: { uid: 1000, gid: 1000, mode: 0o600 },
        changes: [
          {
            ...{ kind: "save", uid: 7, base: "m7,S=12", size: 12, date: TIME, mtimeS: 1_763_913_000 },
            ...{ fields: "S12 W13", flags: [], keywords: ["\\xe4"] },
            origin: { mailbox: "f".repeat(32), uid: 8, base: "m8,S=12" },
          },
        ],
      },
      expect.objectContaining({ lsn: 2, structure: { kind: "reset", before: 1 }, changes: [] }),
    ]);
  });

  test("of a range has what of it is there, and tells of the rest", async () => {
    await bench.append(...Array.from({ length: 6 }, (_, i) => ({ changes: [save(i + 1)] })));
    await bench.writer.trim({ upTo: 2, needsResync: [], nowMs: 5 });
    const of = (...args: readonly string[]) => {
      const { code, out, err } = bench.run("log", "export", ...args);
      return [code, parsed(out).map(({ lsn }) => lsn), err.split("\n")[0]];
    };
    expect(of()).toStrictEqual([0, [3, 4, 5, 6], ""]);
    expect(of("--from", "5", "--to", "9")).toStrictEqual([0, [5, 6], ""]);
    expect(of("--to", "3", "--from", "1")).toStrictEqual([
      ...[0, [3]],
      "mailtwin: transactions 1 to 2 are not in the log any more",
    ]);
    expect(of("--from", "7").slice(0, 2)).toStrictEqual([66, []]);
    expect(of("--to", "2").slice(0, 2)).toStrictEqual([66, []]);
    expect(of("--to", "4", "--from", "5").slice(0, 2)).toStrictEqual([64, []]);
  });

  test("of more than a pipe takes at once is whole, and ends early with its reader", async () => {
    const changes = Array.from({ length: 500 }, (_, i) => save(i + 1));
    await bench.append(...Array.from({ length: 40 }, () => ({ changes, uidNext: 1000 })));
    const { code, out } = bench.run("log", "export");
    expect([code, parsed(out).map(({ lsn }) => lsn)]).toStrictEqual([0, Array.from({ length: 40 }, (_, i) => i + 1)]);
    const child = startCli("log", "export", "--state", bench.state);
    const exited = once(child, "exit");
    await once(child.stdout ?? child, "data");
    child.stdout?.destroy();
    expect(await exited).toStrictEqual([0, null]);
  });
});

describe("the place of the log", () => {
  test("is that of the store which the configuration names, or of the only one", async () => {
    await using place = openLogBench("var/stores/mail/");
    await place.append({ changes: [save(1)] });
    const config = join(place.root, "mailtwin.toml");
    const one = configOf(place.root, ["mail"]);
    writeFileSync(config, one, { mode: 0o600 });
    for (const store of [[], ["--store", "mail"]])
      expect(runCli("log", "tail", "--config", config, ...store)).toMatchObject({ code: 0, out: `${LINE_1}\n` });
    const wrong = runCli("log", "tail", "--config", config, "--store", "mial");
    expect(wrong).toMatchObject({ code: 64, err: expect.stringContaining("no store mial; did you mean mail?") });

    writeFileSync(config, configOf(place.root, ["mail", "more"], "copy"));
    const several = runCli("log", "tail", "--config", config);
    expect(several).toMatchObject({ code: 64, err: expect.stringContaining("several (mail, more)") });
    expect(runCli("log", "tail", "--config", config, "--store", "more")).toMatchObject({
      ...{ code: 66, err: expect.stringContaining("var/stores/more/source.db") },
    });
    expect(runCli("log", "tail", "--config", config, "--store", "copy")).toMatchObject({
      code: 64,
      err: expect.stringContaining(
        `choosing a store: the log is at the source; of copy this host has the replica, and its source is the store copy of unix:${place.root}/near.sock (`,
      ),
    });
    writeFileSync(config, configOf(place.root, [], "copy"));
    expect(runCli("rejects", "list", "--config", config)).toMatchObject({
      code: 64,
      err: expect.stringMatching(
        /of copy this host has the replica.*`mailtwin status` here says what this replica refuses/,
      ),
    });
  });

  test("is found while the configuration is wrong, or is not there", async () => {
    await using place = openLogBench("var/stores/mail/");
    await place.append({ changes: [save(1)] });
    await place.reject(1);
    const config = join(place.root, "mailtwin.toml");
    writeFileSync(config, `${configOf(place.root, ["mail"])}\nnonsense = 1\n`, { mode: 0o600 });
    const asked = (...args: readonly string[]) => runCli(...args, "--config", config);
    for (const args of [
      ["log", "tail"],
      ["log", "export"],
      ["log", "show", "1"],
      ["rejects", "list"],
    ]) {
      const { code, out, err } = asked(...args);
      expect([code, err]).toStrictEqual([0, expect.stringMatching(/^warning: .*nonsense.*looked for in .*--state/)]);
      expect(out).toMatch(/alice/);
    }
    expect(asked("log", "tail", "--store", "mial").err).toContain("no store mial; did you mean mail?");
    writeFileSync(config, `${configOf(place.root, ["mail"])}\npath = /var/vmail\n`); // what stands above that is read.
    expect(asked("log", "tail")).toStrictEqual({
      ...{ code: 0, out: `${LINE_1}\n` },
      err: expect.stringMatching(/^warning: .*no TOML.*looked for in .*var; --state names another one\)\n$/),
    });
    // No TOML at all: nothing in it says where the state is.
    writeFileSync(config, "state_dir = ");
    const { code, err } = asked("log", "tail");
    expect([code, err]).toStrictEqual([66, expect.stringMatching(/no TOML.*--state names another one/s)]);
    const state = join(place.root, "var");
    for (const store of [[], ["--store", "mail"]])
      expect(runCli("log", "tail", "--state", state, ...store)).toStrictEqual({ code: 0, out: `${LINE_1}\n`, err: "" });
    expect(runCli("rejects", "show", "1", "--state", state)).toMatchObject({ code: 0, err: "" });
    expect(runCli("log", "tail", "--state", state, "--config", config).code).toBe(64);
    expect(runCli("log", "tail", "--config", join(place.root, "none.toml")).code).toBe(66);
  });

  test("in a state directory alone is that of a store that is a source now", async () => {
    await using place = openLogBench("var/stores/mail/");
    await place.append({ changes: [save(1)] });
    const state = join(place.root, "var");
    for (const name of ["old", "copy"]) mkdirSync(join(state, "stores", name));
    await openInlineStateWriter(join(state, "stores/old/source.db"))[Symbol.asyncDispose]();
    await openInlineStateWriter(join(state, "stores/copy/replica.db"))[Symbol.asyncDispose]();
    const of = (...args: readonly string[]) => runCli("log", "tail", "--state", state, ...args);
    expect(of()).toMatchObject({ code: 64, err: expect.stringContaining("several (mail, old)") });
    writeFileSync(join(state, "stores/old/role"), "replica\n");
    expect(of()).toMatchObject({ code: 0, out: `${LINE_1}\n` });
    expect(of("--store", "old")).toMatchObject({ code: 0, out: "" });
    expect(of("--store", "copy").err).toContain("of copy this host has the replica");
    rmSync(join(state, "stores/mail/source.db"));
    expect(of()).toMatchObject({ code: 64, err: expect.stringContaining("of copy this host has the replica") });
    expect(of("--store", "../stores/mail")).toMatchObject({
      code: 64,
      err: expect.stringContaining("there is no store"),
    });
  });

  test("that is none is told, and nothing is made there", async () => {
    const empty = join(bench.root, "empty");
    mkdirSync(empty);
    expect(runCli("log", "tail", "--state", empty)).toMatchObject({
      code: 66,
      err: expect.stringContaining("there is no"),
    });
    writeFileSync(join(empty, "source.db"), "no database, as large as one may be. ".repeat(200));
    expect(runCli("log", "tail", "--state", empty).code).toBe(78);
    expect(runCli("log", "tail", "--state", empty, "--store", "x").code).toBe(64);
    expect(runCli("log", "tail", "--state", "").code).toBe(64);
    rmSync(join(empty, "source.db"));
    await openInlineStateWriter(join(empty, "source.db"))[Symbol.asyncDispose]();
    expect(runCli("log", "tail", "--state", empty).code).toBe(0);
  });

  /** Stores that are sources, and one that is a replica. */
  function configOf(root: string, sources: readonly string[], replica?: string): string {
    const store = (name: string) => {
      mkdirSync(join(root, name), { recursive: true });
      return `[store.${name}]\npath = "${join(root, name)}"\n`;
    };
    const to = (name: string) => `[store.${name}.replica.far]\nto = "unix:${root}/far-${name}.sock"\n`;
    const from = (name: string) => `[store.${name}.source]\nfrom = "unix:${root}/near.sock"\n`;
    const copies = replica === undefined ? [] : [store(replica), from(replica)];
    return [`state_dir = "${root}/var"\n`, ...sources.flatMap((name) => [store(name), to(name)]), ...copies].join("\n");
  }
});
