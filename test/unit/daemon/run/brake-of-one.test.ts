/** A daemon with two stores: much mail goes from one of them and is held back; the other one's expunges go on. */
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { until } from "../../../live/lab/until.js";
import type { DaemonEvent } from "../../../live/sites/daemon-process.js";
import { rawDifferences, treeState } from "../../../live/twin/raw-compare.js";
import { makeMailbox } from "../../../live/twin/small-store.js";
import { mailtwin } from "../mailtwin.js";
import { openTwoDaemons } from "./two-daemons.js";

const [INBOX, WORK] = ["alice/Maildir", "alice/Maildir/.Work"];
const MANY = 30;
const BRAKE = "messages = 20\nin_deleted_mailboxes = 20\n";

test("what is held back of one store holds back nothing of the other one, until it is let go", {
  timeout: 120_000,
}, async () => {
  await using two = openTwoDaemons();
  const sources = { one: two.source, two: join(two.dir, "source-two") };
  const replicas = { one: two.replica, two: join(two.dir, "replica-two") };
  mkdirSync(sources.two);
  for (const store of Object.values(sources)) {
    makeMailbox(store, INBOX, { messages: 10, seed: 1 });
    makeMailbox(store, WORK, { messages: MANY, seed: 100, bytes: 40 });
  }
  const own = (name: string) =>
    `state_dir = "${two.dir}/state-${name}"\ncontrol = "${two.dir}/${name}.control"\nlog_level = "debug"\nidentity = { name = "${name}" }\n`;
  const names = ["one", "two"] as const;
  const sourceOf = (name: (typeof names)[number]) =>
    `[store.${name}]\npath = "${sources[name]}"\n[store.${name}.brake]\n${BRAKE}[store.${name}.replica.b]\nto = "unix:${two.dir}/link"\npeer = "b"\n`;
  const replicaOf = (name: (typeof names)[number]) =>
    `[store.${name}]\npath = "${replicas[name]}"\n[store.${name}.source]\npeer = "a"\n`;
  writeFileSync(two.configs.source, `${own("a")}[peer.b]\n${names.map(sourceOf).join("")}`);
  writeFileSync(
    two.configs.replica,
    `${own("b")}listen.unix = ["${two.dir}/link"]\n[peer.a]\nmay_write = ["one", "two"]\n${names.map(replicaOf).join("")}`,
  );
  const there = two.start("replica");
  const source = two.start("source");
  const isLive = (name: string) => (event: DaemonEvent) =>
    event.msg === "replica-state" && event["state"] === "live" && event["store"] === name;
  for (const name of names) await source.waitFor(`${name} live`, isLive(name));
  const differences = (name: (typeof names)[number]) => rawDifferences(sources[name], replicas[name]);
  for (const name of names)
    await until("it to be equal", () => existsSync(replicas[name]) && differences(name).length === 0);

  await source.pause(); // it meets all of it, not a part within the limits.
  rmSync(join(sources.one, WORK), { recursive: true });
  source.resume();
  const told = await source.waitFor("the brake", ({ code }) => code === "deletions-held");
  expect(told["store"]).toBe("one");
  const held = treeState(join(replicas.one, WORK));

  const cur = join(sources.two, INBOX, "cur");
  for (const name of readdirSync(cur).slice(0, 5)) rmSync(join(cur, name));
  await until("those of the other one to go", () => differences("two").length === 0);
  expect(readdirSync(join(replicas.two, INBOX, "cur"))).toHaveLength(5);
  rmSync(join(sources.two, INBOX, "cur", readdirSync(cur)[0] ?? "")); // after that, too.
  await until("and one more", () => readdirSync(join(replicas.two, INBOX, "cur")).length === 4);
  expect(treeState(join(replicas.one, WORK))).toEqual(held);

  const ask = (...args: readonly string[]) =>
    mailtwin(["deletions", ...args, "--json", "--config", two.configs.source], { cwd: two.dir });
  const listed = JSON.parse((await ask("list")).out) as { readonly stores: readonly { readonly store: string }[] };
  expect(listed.stores).toMatchObject([{ store: "one", held: MANY }]);
  expect((await ask("approve", "--store", "one")).code).toBe(0);
  await until("both to be equal", () => names.every((name) => differences(name).length === 0));
  await Promise.all([source.stop(), there.stop()]);
});
