/** `mailtwin sync` over links in both directions, or in a ring: refused by whoever would become the twin of its own twin. */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { runTwin, type TwinRun } from "../../../live/lab/mailtwin.js";
import { until } from "../../../live/lab/until.js";
import { rawDifferences } from "../../../live/twin/raw-compare.js";
import { addMessage, type Bench, expectRefusal, makeMailbox, openBench } from "../../../live/twin/small-store.js";

const CLI = fileURLToPath(new URL("../../../../dist/daemon/cli.js", import.meta.url));
const INBOX = "u1/Maildir";

type Host = "a" | "b" | "c";

/** Three hosts on this one: a state home and a store each; a program in the place of ssh goes from one to the other. */
function hostsOf({ dir }: Bench) {
  const storeOf = (host: Host) => join(dir, `mail-${host}`);
  const homeOf = (host: Host) => join(dir, `state-${host}`);
  const sshTo = (host: Host): string => {
    const file = join(dir, `ssh-${host}`);
    const drop = "while case $1 in -*) true ;; *) false ;; esac; do shift; done; shift 2";
    writeFileSync(file, `#!/bin/sh\n${drop}\nXDG_STATE_HOME=${homeOf(host)} exec sh -c "$*"\n`);
    chmodSync(file, 0o755);
    return file;
  };
  for (const host of ["a", "b", "c"] as const) mkdirSync(homeOf(host), { mode: 0o700 });
  mkdirSync(storeOf("a"));
  const ssh = { a: sshTo("a"), b: sshTo("b"), c: sshTo("c") };
  const sync = (from: Host, to: Host, ...args: readonly string[]): Promise<TwinRun> =>
    runTwin(
      [
        ...["sync", storeOf(from), `${to}.example.org:${storeOf(to)}`, "-e", ssh[to]],
        ...["--remote-mailtwin", `node ${CLI}`, "--json", ...args],
      ],
      { env: { XDG_STATE_HOME: homeOf(from) } },
    );
  return { storeOf, homeOf, sync, note: (host: Host) => join(dir, `.mail-${host}.mailtwin/twin-over-link.json`) };
}

const done = (run: TwinRun) => expect(run.code, JSON.stringify(run)).toBe(0);
const below = (dir: string) => readdirSync(dir, { recursive: true }).map(String).sort();

describe("a twin over a link", () => {
  test("is no source of what it is the twin of: refused, and nothing is made over there", async () => {
    using bench = openBench();
    const { storeOf, homeOf, sync, note } = hostsOf(bench);
    makeMailbox(storeOf("a"), INBOX, { messages: 3 });
    done(await sync("a", "b"));
    const before = [
      below(storeOf("a")),
      below(homeOf("a")),
      readFileSync(join(storeOf("a"), INBOX, "dovecot-uidlist")),
    ];
    addMessage(join(storeOf("b"), INBOX), { seed: 60 });
    for (const more of [[], ["--foreign", "keep"]])
      expectRefusal(
        await sync("b", "a", ...more),
        "stores-swapped",
        78,
        "is itself the twin of it",
        "twin-over-link.json",
      );
    expect(existsSync(join(bench.dir, ".mail-a.mailtwin"))).toBe(false);
    expect([
      below(storeOf("a")),
      below(homeOf("a")),
      readFileSync(join(storeOf("a"), INBOX, "dovecot-uidlist")),
    ]).toStrictEqual(before);
    done(await sync("a", "b"));
    // On purpose.
    rmSync(note("b"));
    done(await sync("b", "a", "--foreign", "keep"));
    expect(rawDifferences(join(storeOf("b"), INBOX), join(storeOf("a"), INBOX))).toStrictEqual([]);
    expectRefusal(await sync("a", "b"), "stores-swapped", 78);
  });

  test("may be the source of another one, and not close a ring", async () => {
    using bench = openBench();
    const { storeOf, sync } = hostsOf(bench);
    makeMailbox(storeOf("a"), INBOX, { messages: 3 });
    done(await sync("a", "b"));
    done(await sync("b", "c"));
    done(await sync("a", "b"));
    expectRefusal(await sync("c", "a"), "stores-swapped", 78, "a twin of a twin");
    expectRefusal(await sync("c", "b"), "stores-swapped", 78, "the twin of it");
    expect(existsSync(join(bench.dir, ".mail-a.mailtwin"))).toBe(false);
  });

  test("of itself is refused", async () => {
    using bench = openBench();
    const { storeOf, sync } = hostsOf(bench);
    makeMailbox(storeOf("a"), INBOX, { messages: 3 });
    expectRefusal(await sync("a", "a"), "stores-overlap", 64, "it is that source itself");
  });

  test("that was refused at first contact is none: the other direction is free", async () => {
    using bench = openBench();
    const { storeOf, sync, note } = hostsOf(bench);
    makeMailbox(storeOf("a"), INBOX, { messages: 3 });
    makeMailbox(storeOf("b"), "u9/Maildir", { messages: 2, seed: 70 });
    expectRefusal(await sync("a", "b"), "destination-has-mail", 73);
    expect(existsSync(note("b"))).toBe(false);
    done(await sync("b", "a", "--foreign", "keep"));
  });

  test("two runs in both directions at once: not both go on, and what is refused does not stay refused", async () => {
    using bench = openBench();
    const { storeOf, sync, note } = hostsOf(bench);
    makeMailbox(storeOf("a"), INBOX, { messages: 3 });
    makeMailbox(storeOf("b"), INBOX, { messages: 3, seed: 90 });
    const runs = await Promise.all([sync("a", "b", "--foreign", "keep"), sync("b", "a", "--foreign", "keep")]);
    const codes = runs.map(({ code }) => code);
    expect(codes.filter((code) => code === 0).length, JSON.stringify(runs)).toBeLessThan(2);
    const notes = () => [note("a"), note("b")].filter(existsSync).length; // whoever serves takes his back after the run has ended.
    await until("the notes of what was refused to go", () => notes() === (codes.includes(0) ? 1 : 0));
    const [from, to] = codes[1] === 0 ? (["b", "a"] as const) : (["a", "b"] as const);
    const again = await sync(from, to, "--foreign", "keep");
    expect([0, 1], JSON.stringify(again)).toContain(again.code);
  });
});
