/** A source with two replicas: what is asked of one leaves the link and the cursor of the other one alone. */
import { existsSync, mkdirSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { until } from "../../../live/lab/until.js";
import type { DaemonEvent } from "../../../live/sites/daemon-process.js";
import { rawDifferences } from "../../../live/twin/raw-compare.js";
import { addMessage, makeMailbox } from "../../../live/twin/small-store.js";
import { mailtwin } from "../mailtwin.js";
import { openTwoDaemons, type TwoDaemons } from "./two-daemons.js";

const INBOX = "alice/Maildir";

/** Both replicas are stores of one host. */
function configure(two: TwoDaemons): { readonly r1: string; readonly r2: string } {
  const [r1, r2] = [two.replica, join(two.dir, "second")];
  const own = (name: string) =>
    `state_dir = "${two.dir}/state-${name}"\ncontrol = "${two.dir}/${name}.control"\nlog_level = "debug"\nidentity = { name = "${name}" }\n`;
  const to = `to = "unix:${two.dir}/link"\npeer = "b"\n`;
  writeFileSync(
    two.configs.source,
    `${own("a")}[peer.b]\n[store.mail]\npath = "${two.source}"\n[store.mail.replica.r1]\n${to}store = "one"\n[store.mail.replica.r2]\n${to}store = "two"\n`,
  );
  const store = (name: string, path: string) =>
    `[store.${name}]\npath = "${path}"\n[store.${name}.source]\npeer = "a"\n`;
  writeFileSync(
    two.configs.replica,
    `${own("b")}listen.unix = ["${two.dir}/link"]\n[peer.a]\nmay_write = ["one", "two"]\n${store("one", r1)}${store("two", r2)}`,
  );
  return { r1, r2 };
}

async function replicasOf(two: TwoDaemons) {
  const { out } = await mailtwin(["status", "--json", "--config", two.configs.source], { cwd: two.dir });
  interface Told {
    readonly stores: readonly {
      readonly replicas: readonly { readonly name: string; readonly state: string; readonly cursor: number }[];
    }[];
  }
  return new Map((JSON.parse(out) as Told).stores[0]?.replicas.map((each) => [each.name, each]));
}

/** By a client of that replica. */
function flagOne(replica: string): void {
  const cur = join(replica, INBOX, "cur");
  const name = readdirSync(cur).find((each) => each.endsWith(":2,")) ?? "";
  renameSync(join(cur, name), join(cur, `${name}F`));
}

test("`resync --replica`: one is compared and mended, the other one keeps its link, its cursor and its difference", {
  timeout: 120_000,
}, async () => {
  await using two = openTwoDaemons();
  makeMailbox(two.source, INBOX, { messages: 4, seed: 1 });
  const { r1, r2 } = configure(two);
  mkdirSync(r2);
  const there = two.start("replica");
  const source = two.start("source");
  const isLive = (name: string) => (event: DaemonEvent) =>
    event.msg === "replica-state" && event["state"] === "live" && event["replica"] === name;
  for (const name of ["r1", "r2"]) await source.waitFor(`${name} live`, isLive(name));
  const differences = (replica: string) => rawDifferences(join(two.source, INBOX), join(replica, INBOX));
  for (const replica of [r1, r2]) {
    await until("it to be equal", () => existsSync(join(replica, INBOX)) && differences(replica).length === 0);
    flagOne(replica);
  }
  const [before, at, atThere] = [await replicasOf(two), source.events.length, there.events.length];

  const args = ["resync", "--replica", "r1", "--json", "--config", two.configs.source];
  const asked = await mailtwin(args, { cwd: two.dir });
  expect([asked.code, JSON.parse(asked.out)]).toMatchObject([0, { mailboxes: 1, replicas: 1, away: [], paused: [] }]);
  const compared = await source.waitFor("the comparison", ({ msg }) => msg === "replica-compared", at);
  expect(compared["replica"]).toBe("r1");
  await until("it to be equal", () => differences(r1).length === 0);

  expect(differences(r2)).toHaveLength(1);
  const after = await replicasOf(two);
  expect(after.get("r2")).toMatchObject({ state: "live", cursor: before.get("r2")?.cursor });
  const ofOther = source.events.slice(at).filter(({ replica }) => replica === "r2");
  expect(ofOther).toEqual([]);
  expect(there.events.slice(atThere).filter(({ store }) => store === "two")).toEqual([]);

  addMessage(join(two.source, INBOX), { seed: 50 }); // over the link that it had.
  await until("both to have what comes then", () => differences(r1).length === 0 && differences(r2).length === 1);
  const links = there.events.filter(({ msg, store }) => msg === "source-connected" && store === "two");
  expect(links).toHaveLength(1);
  await Promise.all([source.stop(), there.stop()]);
});
