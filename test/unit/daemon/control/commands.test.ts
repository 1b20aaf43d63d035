/** The commands that speak with a daemon, as a shell sees them: their words and their exit codes. */
import { once } from "node:events";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../../../src/base/clock.js";
import { findControl } from "../../../../src/daemon/control/find-control.js";
import type { ReplicaPlan } from "../../../../src/daemon/control/plan-answer.js";
import { type ControlBench, EXPLANATION, openControlBench, PLAN, STATUS } from "../../../contract/control-bench.js";
import { linesOf, mailtwin, start } from "../mailtwin.js";
import { replica, source, status, trouble } from "./statuses.js";

const SICK = status(source("mail", { replicas: [replica("b", { troubles: [trouble("needs-you")] })] }));
const HEALING = status(source("mail", { replicas: [replica("b", { troubles: [trouble("healing")] })] }));

let bench: ControlBench;

beforeEach(() => {
  bench = openControlBench(systemClock);
});

afterEach(() => bench[Symbol.asyncDispose]());

const run = (...args: readonly string[]) => mailtwin([...args, "--control", bench.place.path], { cwd: bench.dir });

describe("status", () => {
  test("is shown to people, and to machines with the level of each thing", async () => {
    await bench.open();
    const { code, out, err } = await run("status");
    expect([code, err]).toEqual([0, ""]);
    expect(out).toMatch(
      /^mailtwin 0\.1\.0, pid 4711, .*: all is well\n\nmail: source, \/var\/vmail: .*\n[\s\S]*\n {2}from a: connected/,
    );
    const json = await run("status", "--json");
    expect(JSON.parse(json.out)).toMatchObject({ level: "ok", pid: STATUS.pid, stores: [{ level: "ok" }, {}, {}] });
  });

  test.each([
    [STATUS, 0],
    [HEALING, 0],
    [SICK, 1],
  ])("--check asks whether a person is needed: %#", async (each, code) => {
    await bench.open({ status: () => each });
    expect((await run("status", "--check")).code).toBe(code);
    expect((await run("status")).code).toBe(0);
  });

  test("--watch goes on, over a daemon that is started anew, until it is stopped", async () => {
    let server = await bench.open();
    const watching = start(["status", "--watch", "--json", "--check", "--control", bench.place.path], {
      cwd: bench.dir,
    });
    const lines = linesOf(watching);
    const next = async () => JSON.parse((await lines.next()).value as string) as Record<string, unknown>;
    expect(await next()).toMatchObject({ level: "ok" });
    await server[Symbol.asyncDispose]();
    let seen = await next();
    while (!("error" in seen)) seen = await next();
    expect(seen).toMatchObject({ error: { code: "daemon-not-running", exitCode: 69 } });
    server = await bench.open({ status: () => SICK });
    while ("error" in seen) seen = await next();
    expect(seen).toMatchObject({ level: "needs-you" });
    watching.kill("SIGINT");
    expect(await once(watching, "close")).toEqual([1, null]);
  });

  test("--watch ends when nobody reads it any more; without a terminal it says a line each time", async () => {
    await bench.open();
    const watching = start(["status", "--watch", "--control", bench.place.path], { cwd: bench.dir });
    expect((await linesOf(watching).next()).value).toBe(
      "ok; mail/b live 0 behind; mail/c live 0 behind; lists/b live 0 behind; twin connected",
    );
    watching.stdout.destroy();
    expect(await once(watching, "close")).toEqual([0, null]);
  });
});

describe("what is asked for is said to be so", () => {
  test.each([
    [["pause", "c"], "mail/c is paused; mailtwin resume lets it go on\n"],
    [["resume", "lists/b"], "lists/b goes on\n"],
    [["fetch-now"], "asked for: 2 replicas\n"],
    [["resync", "-u", "alice", "--mailbox", "Work", "--replica", "c"], "3 mailboxes will be compared\n"],
    [["resync", "--clear-place", "--mailbox", "Work", "--replica", "c"], "3 mailboxes will be compared\n"],
    [["rejects", "retry", "c"], "1 reject will be tried again\n"],
    [
      ["rejects", "skip", "c", "-u", "alice"],
      "4 rejects skipped: instead their mailboxes are compared, as soon as a new link is there; until that is done mailtwin rejects list has the wish (resync-asked), and what differs all the same is refused again while its cause stands\n",
    ],
    [["reload"], "store mail: replica d is new\n"],
  ] as const)("%j", async (args, words) => {
    await bench.open();
    const { code, out, err } = await run(...args);
    expect([code, err]).toEqual([0, ""]);
    expect(out).toEqual(typeof words === "string" ? words : expect.stringMatching(words));
    expect(bench.asked).toHaveLength(1);
    expect(() => JSON.parse(out)).toThrow(SyntaxError);
    expect(JSON.parse((await run(...args, "--json")).out)).toBeTypeOf("object");
  });

  test("explain: 66 where no such message is known, 0 where there is one", async () => {
    const server = await bench.open();
    const { code, out, err } = await run("explain", "-u", "alice", "Work", "17");
    expect([code, err]).toEqual([66, ""]);
    expect(out).toMatch(/^UID 17 of alice\/\.Work, store mail .*\n {2}no message with that UID is known: /);
    const json = await run("explain", "-u", "alice", "Work", "17", "--json");
    expect([json.code, JSON.parse(json.out)]).toMatchObject([66, { message: { kind: "gone" }, replicas: [] }]);
    await server[Symbol.asyncDispose]();
    const transactions = [{ lsn: 1, capturedMs: 1, words: "expunge UID 17" }];
    await bench.open({ explain: async () => ({ ...EXPLANATION, transactions }) });
    expect(await run("explain", "Work", "17")).toMatchObject({
      code: 0,
      out: expect.stringContaining("not there any more"),
    });
  });

  test.each([
    [{ connected: ["twin"] }, 0, "twin is connected already: what changes is sent as it comes\n"],
    [{ beyond: [{ name: "twin", words: "a dials" }] }, 69, "twin: a dials\n"],
    [{ asked: 1, beyond: [{ name: "twin", words: "a dials" }] }, 1, "asked for: 1 replica\ntwin: a dials\n"],
    [{ paused: ["mail/c"] }, 69, "mail/c is paused, and gets nothing until mailtwin resume mail/c\n"],
    [{}, 69, "there is nothing to be asked for: no store has a replica, or is one\n"],
  ])(
    "fetch-now says what cannot be asked from here, and ends with 0 only if something can: %j",
    async (some, code, out) => {
      await bench.open({ fetchNow: () => ({ asked: 0, paused: [], connected: [], beyond: [], ...some }) });
      expect(await run("fetch-now")).toEqual({ code, out, err: "" });
    },
  );

  test("resync --dry-run tells what would be done, what that is of, and why; nothing reaches a terminal raw", async () => {
    await bench.open();
    const asked = ["resync", "-n", "-u", "alice", "--mailbox", "Work", "--replica", "c"];
    expect(await run(...asked, "--verbose")).toEqual({
      code: 1,
      out: [
        "mail/c: alice/.Work (something of it is on its way, and may be part of this)",
        "  remove 30 messages: the source does not have them",
        "    UID 7 (x [31m)",
        "    and 29 more",
        "mail/c: bob",
        "  not compared: line 3 is no record",
        "mail/c: carol: equal",
        "mail/c: in all: 30 messages removed",
        "mail/c: 1 mailbox of 3 would be changed, 1 mailbox could not be compared (120 ms)",
        "",
      ].join("\n"),
      err: "",
    });
    const query = { store: "mail", replica: "c", user: "alice", mailbox: "Work" };
    expect(bench.asked).toEqual([["planResync", { ...query, verbose: true }]]);
    const json = await run(...asked, "--json");
    expect([json.code, JSON.parse(json.out)]).toEqual([1, PLAN]);
    expect(bench.asked.at(-1)).toEqual(["planResync", query]);
    expect(await run("resync", "--verbose")).toMatchObject({ code: 64, err: expect.stringContaining("--dry-run") });
  });

  const [planned] = PLAN.replicas as readonly ReplicaPlan[];
  const equal = { ...planned, failed: 0, toChange: 0, equal: 3, sums: [], plans: [] } as ReplicaPlan;
  const away = { store: "mail", replica: "b", kind: "unplanned", code: "replica-away", words: "it is paused" } as const;
  const limited = [{ name: "mail/b", mailboxes: 2, why: "users of [peer.b]" }];
  test.each([
    [{ replicas: [equal] }, 0, "mail/c: nothing to do: 9 messages in 3 mailboxes are equal (120 ms)\n"],
    [
      { replicas: [{ ...equal, equal: 2, toChange: 1, further: 1, comparing: true, heldBack: 5 }] },
      0,
      "mail/c: and 1 mailbox more\nmail/c: it is being compared now: what that has done already is not told\n" +
        "mail/c: of the store, 5 messages that went at the source are held back, and stay (mailtwin deletions list)\n" +
        "mail/c: 1 mailbox of 3 would be changed (120 ms)\n",
    ],
    [
      { replicas: [{ ...equal, equal: 2 }] },
      0,
      "mail/c: nothing to do: of 9 messages in 3 mailboxes nothing is to be changed (120 ms)\n",
    ],
    [
      { replicas: [away, equal], limited },
      1,
      "mail/b: not compared: it is paused\nmail/c: nothing to do: 9 messages in 3 mailboxes are equal (120 ms)\n" +
        "mail/b may not have 2 mailboxes of that (users of [peer.b])\n",
    ],
    [{ replicas: [away] }, 69, "mail/b: not compared: it is paused\n"],
    [{ limited }, 77, "mail/b may not have 2 mailboxes of that (users of [peer.b])\n"],
    [{}, 0, "there is no replica to be compared\n"],
  ])("resync --dry-run ends with 0 where all that was meant was compared: %#", async (some, code, out) => {
    await bench.open({ planResync: async () => ({ replicas: [], limited: [], ...some }) });
    expect(await run("resync", "--dry-run")).toEqual({ code, out, err: "" });
  });

  test.each([
    [{ mailboxes: 6, ofSource: 3, replicas: 2 }, "3 mailboxes on 2 replicas will be compared\n"],
    [{ mailboxes: 1, ofSource: 1, replicas: 1 }, "1 mailbox will be compared\n"],
    [
      { mailboxes: 4, ofSource: 3, replicas: 2 },
      "3 mailboxes on 2 replicas will be compared (not each on each: 4 comparisons)\n",
    ],
  ])("resync counts a mailbox once, however many replicas have it: %j", async (some, words) => {
    const answer = { ...some, paused: [], away: [], limited: [] };
    await bench.open({ resync: () => answer });
    expect(await run("resync")).toEqual({ code: 0, out: words, err: "" });
    expect(JSON.parse((await run("resync", "--json")).out)).toEqual(answer);
  });

  test.each([
    [["rejects", "retry", "c"], { rejects: 0, toCompare: 0, paused: false }, "nothing is rejected\n"],
    [["rejects", "skip", "c"], { rejects: 0, toCompare: 0, paused: false }, "nothing is rejected\n"],
    [
      ["rejects", "retry", "c"],
      { rejects: 2, toCompare: 0, paused: true },
      "2 rejects will be tried again after mailtwin resume c: it is paused\n",
    ],
    [
      ["rejects", "skip", "c"],
      { rejects: 0, toCompare: 1, paused: false },
      "nothing is rejected\n1 mailbox of the rejection log: to be compared, not refused\n",
    ],
    [
      ["rejects", "skip", "c"],
      { rejects: 1, toCompare: 2, paused: true },
      "1 reject skipped: instead its mailbox is compared, after mailtwin resume c: it is paused; until that is done mailtwin rejects list has the wish (resync-asked), and what differs all the same is refused again while its cause stands\n2 mailboxes of the rejection log: to be compared, not refused\n",
    ],
  ])("%j of %j", async (args, answer, out) => {
    await bench.open({ retry: () => answer, skip: () => answer });
    expect(await run(...args)).toEqual({ code: 0, out, err: "" });
  });

  test.each([
    [0, 77],
    [2, 0],
  ])(
    "resync says which replica may not have what was named; 77 where %d mailboxes are left",
    async (mailboxes, code) => {
      const limited = [{ name: "mail/f", mailboxes: 1, why: "users of [peer.f]" }];
      await bench.open({
        resync: () => ({ mailboxes, ofSource: mailboxes, replicas: 1, paused: [], away: [], limited }),
      });
      expect(await run("resync", "-u", "emil")).toEqual({
        ...{ code, err: "" },
        out: `${mailboxes} mailboxes will be compared\nmail/f may not have 1 mailbox of that (users of [peer.f])\n`,
      });
    },
  );

  test("fetch-now says who is paused and gets nothing: 1", async () => {
    await bench.open({ fetchNow: () => ({ asked: 1, paused: ["mail/c"], connected: [], beyond: [] }) });
    expect(await run("fetch-now")).toEqual({
      ...{ code: 1, err: "" },
      out: "asked for: 1 replica\nmail/c is paused, and gets nothing until mailtwin resume mail/c\n",
    });
    const json = await run("fetch-now", "--json");
    expect([json.code, JSON.parse(json.out)]).toEqual([1, { asked: 1, paused: ["mail/c"], connected: [], beyond: [] }]);
  });

  test("a refusal has its words, hint and exit code; with --json as an event", async () => {
    await bench.open();
    const { code, out, err } = await run("pause", "x");
    expect({ code, out }).toEqual({ code: 64, out: "" });
    expect(err).toMatch(
      /^mailtwin: looking for replica "x": the daemon has none of that name.*\.\nmailtwin status has the names/,
    );
    const json = await run("pause", "x", "--json");
    expect({ code: json.code, err: json.err }).toEqual({ code: 64, err: "" });
    expect(JSON.parse(json.out)).toMatchObject({ event: "error", code: "target-unknown", exitCode: 64 });
  });

  test.each(["0", "-1", "x", "4294967296", "1e3", "01", ""])("%j is no UID", async (uid) => {
    await bench.open();
    expect(await run("explain", "INBOX", "--", uid)).toMatchObject({ code: 64 });
    expect(bench.asked).toEqual([]);
  });
});

describe("where the daemon is", () => {
  const none = { err: () => undefined };

  test("nobody is there: 69, with the place, and how it was found", async () => {
    const { code, err } = await run("status");
    expect(code).toBe(69);
    expect(err).toContain(`${bench.place.path} (as --control says): nobody listens there`);
    expect(err).toContain("Is it running?");
  });

  test("as the configuration says", async () => {
    await bench.open();
    const config = join(bench.dir, "mailtwin.toml");
    writeFileSync(config, `control = "${bench.place.path}"\n`);
    expect(await mailtwin(["status", "--config", config], { cwd: bench.dir })).toMatchObject({ code: 0, err: "" });
    expect((await mailtwin(["status", "--config", "/nowhere"], { cwd: bench.dir })).code).toBe(66);
    expect((await mailtwin(["status", "--control", ""], { cwd: bench.dir })).code).toBe(64);
  });

  test("while the configuration is wrong: as what is right of it says, with a warning", async () => {
    await bench.open();
    const config = join(bench.dir, "mailtwin.toml");
    writeFileSync(config, `control = "${bench.place.path}"\nlog_levl = "info"\n[store.mail]\n`);
    for (const command of [["status"], ["pause", "c"], ["resume", "c"], ["fetch-now"], ["resync"], ["reload"]]) {
      const { code, out, err } = await mailtwin([...command, "--config", config], { cwd: bench.dir });
      expect([command, code]).toEqual([command, 0]);
      expect(out).not.toBe("");
      expect(err).toMatch(
        /^warning: reading the configuration .*: 3 problems: .*:2:1: log_levl.*did you mean log_level/,
      );
      expect(err.trimEnd().split("\n")).toHaveLength(1);
    }
    writeFileSync(config, `control = "${bench.place.path}"\n[store.mail]\npath = /var/vmail\n`);
    expect(await mailtwin(["status", "--config", config], { cwd: bench.dir })).toMatchObject({
      code: 0,
      err: expect.stringMatching(
        /^warning: .*:3:8: path = .*that is no TOML.*looked for at \/.*--control names another/,
      ),
    });
    writeFileSync(config, 'control = ""]\ncontrol = "/a"\n');
    const lost = await mailtwin(["status", "--config", config], {
      cwd: bench.dir,
      env: { XDG_RUNTIME_DIR: bench.dir },
    });
    expect(lost.code).toBe(69);
    expect(lost.err).toMatch(
      /^warning: .*that is no TOML.*\nmailtwin: asking the daemon at .*\/mailtwin\/control.sock \(as what is right of /,
    );
    expect(
      (await mailtwin(["status", "--config", config, "--control", bench.place.path], { cwd: bench.dir })).err,
    ).toBe("");
  });

  test("of a user's own configuration; else the system's daemon", () => {
    const surroundings = { isRoot: false, home: bench.dir, env: {} };
    const { path, foundBy } = findControl({}, surroundings, none);
    if (!existsSync("/etc/mailtwin/mailtwin.toml")) expect(path).toBe("/run/mailtwin/control.sock");
    expect(foundBy).toMatch(/the system's own|\/etc\/mailtwin/);
    mkdirSync(join(bench.dir, ".config/mailtwin"), { recursive: true });
    writeFileSync(join(bench.dir, ".config/mailtwin/mailtwin.toml"), "");
    expect(findControl({}, surroundings, none)).toEqual({
      path: join(bench.dir, ".local/state/mailtwin/daemon/control.sock"),
      foundBy: `as ${join(bench.dir, ".config/mailtwin/mailtwin.toml")} says`,
    });
    expect(findControl({ control: "/x" }, surroundings, none)).toEqual({ path: "/x", foundBy: "as --control says" });
  });
});
