/** Two hosts that exchange their roles by configuration, and keep their state directories. */
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { until } from "../../../live/lab/until.js";
import type { DaemonEvent } from "../../../live/sites/daemon-process.js";
import { rawDifferences } from "../../../live/twin/raw-compare.js";
import { addFile, addMessage, makeMailbox } from "../../../live/twin/small-store.js";
import { openTwoDaemons, type TwoDaemons } from "./two-daemons.js";

const INBOX = "alice/Maildir";
const isLive = ({ msg, state }: DaemonEvent & { readonly state?: unknown }): boolean =>
  msg === "replica-state" && state === "live";

const differences = (two: TwoDaemons) => rawDifferences(join(two.source, INBOX), join(two.replica, INBOX));

const untilEqual = (two: TwoDaemons) =>
  until("both to be equal", () => {
    const isThere = existsSync(join(two.replica, INBOX, "dovecot-uidlist"));
    return isThere && differences(two).length === 0;
  });

const roleOf = (two: TwoDaemons, host: "a" | "b") =>
  readFileSync(join(two.dir, `state-${host}/stores/mail/role`), "utf8");

/** Both run until the one that sends is live; `inBetween` happens while they are. Returns what the two said. */
async function period(two: TwoDaemons, from: "source" | "replica", inBetween: () => Promise<void>) {
  const takes = two.start(from === "source" ? "replica" : "source");
  const sends = two.start(from);
  await sends.waitFor("live", isLive);
  await inBetween();
  await sends.stop();
  await takes.stop();
  return { sends: sends.events, takes: takes.events };
}

/** Names in cur/ of the first two messages without a flag. */
function oldestOf(store: string): readonly [string, string] {
  const cur = join(store, INBOX, "cur");
  const plain = readdirSync(cur).filter((name) => name.endsWith(":2,"));
  const [one = "", other = ""] = plain.sort((a, b) => statSync(join(cur, a)).mtimeMs - statSync(join(cur, b)).mtimeMs);
  return [one, other];
}

const named = (events: readonly DaemonEvent[], name: string) => events.filter(({ msg }) => msg === name);

describe("roles that are exchanged and exchanged again", () => {
  test("mean a comparison each time, and both are equal", { timeout: 90_000 }, async () => {
    await using two = openTwoDaemons();
    makeMailbox(two.source, INBOX, { messages: 3, seed: 1 });
    two.configure({});
    const first = await period(two, "source", () => untilEqual(two));
    expect([roleOf(two, "a"), roleOf(two, "b")]).toStrictEqual(["source\n", "replica\n"]);
    expect(named([...first.sends, ...first.takes], "role-changed")).toStrictEqual([]);
    for (const round of [0, 1]) {
      two.configureExchanged();
      await period(two, "replica", async () => {
        addMessage(join(two.replica, INBOX), { seed: 40 + round });
        await untilEqual(two);
      });
      expect([roleOf(two, "a"), roleOf(two, "b")]).toStrictEqual(["replica\n", "source\n"]);
      two.configure({});
      const back = await period(two, "source", async () => {
        addMessage(join(two.source, INBOX), { seed: 50 + round });
        await untilEqual(two);
      });
      expect(named(back.sends, "role-changed")).toMatchObject([{ from: "replica", to: "source" }]);
      expect(named(back.takes, "role-changed")).toMatchObject([{ from: "source", to: "replica" }]);
      expect(named(back.sends, "replica-compared")).toHaveLength(1);
    }
  });

  test("find what changed on the paused side: flags and removals are taken back, its mail is told as foreign", {
    timeout: 90_000,
  }, async () => {
    await using two = openTwoDaemons();
    makeMailbox(two.source, INBOX, { messages: 3, seed: 1 });
    two.configure({});
    await period(two, "source", () => untilEqual(two));
    two.configureExchanged();
    await period(two, "replica", async () => {
      addMessage(join(two.replica, INBOX), { seed: 40 });
      await untilEqual(two);
    });
    // Nobody runs: the host that takes from now on had mail, a flag, and a removal that the other one never saw.
    const base = addMessage(join(two.replica, INBOX), { seed: 60 });
    const [one, other] = oldestOf(two.replica);
    renameSync(join(two.replica, INBOX, "cur", one), join(two.replica, INBOX, "cur", `${one.split(":")[0]}:2,FT`));
    rmSync(join(two.replica, INBOX, "cur", other));
    two.configure({});
    const back = await period(two, "source", async () => {
      await until("a comparison", () => existsSync(join(two.replica, INBOX, "cur", one)));
    });
    expect(named(back.sends, "foreign-kept")).toMatchObject([{ mailbox: INBOX, messages: 1 }]);
    // What was removed there has passed its UID: it is back under a new one on both sides.
    const [here, there] = [two.source, two.replica].map((store) => readdirSync(join(store, INBOX, "cur")).sort());
    expect(there?.filter((name) => !name.startsWith(base))).toStrictEqual(here);
    expect(readFileSync(join(two.replica, INBOX, "dovecot-uidlist"), "utf8")).toContain(base);
  });

  test("also where the host of the old source was down for the whole time", { timeout: 90_000 }, async () => {
    await using two = openTwoDaemons();
    makeMailbox(two.source, INBOX, { messages: 3, seed: 1 });
    two.configure({});
    await period(two, "source", () => untilEqual(two));
    two.configureExchanged();
    const alone = two.start("replica");
    await alone.waitFor("captured", ({ msg }) => msg === "store-captured");
    addMessage(join(two.replica, INBOX), { seed: 40 });
    await alone.stop();
    addMessage(join(two.source, INBOX), { seed: 50 }); // which had not been shipped, and has the same UID.
    two.configure({});
    const back = await period(two, "source", async () => undefined);
    expect(named(back.sends, "role-changed")).toStrictEqual([]); // it knows nothing of it: the other end does.
    expect(named(back.takes, "role-changed")).toMatchObject([{ from: "source", to: "replica" }]);
    expect(named(back.sends, "conflict-resolved")).toHaveLength(1);
    expect(named(back.sends, "foreign-kept")).toMatchObject([{ mailbox: INBOX, messages: 1 }]);
    const [here = [], there = []] = [two.source, two.replica].map((store) => readdirSync(join(store, INBOX, "cur")));
    expect([here.length, there.length]).toStrictEqual([4, 5]);
    expect(there).toStrictEqual(expect.arrayContaining(here));
  });

  test("tell also of mail on the old source that nothing has numbered", { timeout: 90_000 }, async () => {
    await using two = openTwoDaemons();
    makeMailbox(two.source, INBOX, { messages: 3, seed: 1 });
    two.configure({});
    await period(two, "source", () => untilEqual(two));
    two.configureExchanged();
    await period(two, "replica", () => untilEqual(two));
    // It was delivered as the source died, which takes from now on.
    const base = addFile(join(two.replica, INBOX), { seed: 50 });
    const place = join(two.replica, INBOX, "new", base);
    renameSync(join(two.replica, INBOX, "cur", `${base}:2,`), place);
    two.configure({});
    const takes = two.start("replica");
    const sends = two.start("source");
    const compared = await sends.waitFor("a comparison", ({ msg }) => msg === "replica-compared");
    expect(compared).toMatchObject({ foreignMessages: 1, foreignMailboxes: 1 });
    await sends.stop();
    await takes.stop();
    expect(named(sends.events, "foreign-kept")).toMatchObject([{ mailbox: INBOX, messages: 1 }]);
    expect(existsSync(place)).toBe(true);
    expect(readFileSync(join(two.replica, INBOX, "dovecot-uidlist"), "utf8")).not.toContain(base);
  });

  test("a replica that is added after that is compared as well", { timeout: 90_000 }, async () => {
    await using two = openTwoDaemons();
    makeMailbox(two.source, INBOX, { messages: 3, seed: 1 });
    two.configure({});
    await period(two, "source", () => untilEqual(two));
    two.configureExchanged();
    await period(two, "replica", () => untilEqual(two));
    two.configure({});
    const text = readFileSync(two.configs.source, "utf8");
    writeFileSync(two.configs.source, text.replace("[store.mail.replica.b]", "[store.mail.replica.other]"));
    const { sends } = await period(two, "source", () => untilEqual(two));
    expect(named(sends, "replica-compared")).toHaveLength(1);
  });
});
