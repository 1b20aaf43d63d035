/** A peer that does not keep to the protocol: its link ends, nothing is written, and the status counts it until the daemon ends. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { agentError } from "../../../../src/agent/errors.js";
import { errorOfFarewell, farewellOf } from "../../../../src/agent/farewell.js";
import type { BreachesStatus } from "../../../../src/daemon/control/status.js";
import { BreachCounts, isBreach } from "../../../../src/daemon/run/breaches.js";
import { comparedConfused } from "../../../../src/resync/errors.js";
import { txnError } from "../../../../src/txn/errors.js";
import { wireError } from "../../../../src/wire/errors.js";
import type { Answer, WireMessage } from "../../../../src/wire/messages.js";
import { FakeClock } from "../../../fake-clock.js";
import { until } from "../../../live/lab/until.js";
import type { DaemonEvent } from "../../../live/sites/daemon-process.js";
import { rawDifferences } from "../../../live/twin/raw-compare.js";
import { addMessage, makeMailbox } from "../../../live/twin/small-store.js";
import { mailtwin } from "../mailtwin.js";
import { openRelay } from "./relay.js";
import { openTwoDaemons, type TwoDaemons } from "./two-daemons.js";

const INBOX = "alice/Maildir";

const isLive = (event: DaemonEvent) => event.msg === "replica-state" && event["state"] === "live";

async function ask(two: TwoDaemons, which: "source" | "replica", ...args: readonly string[]) {
  return mailtwin([...args, "--config", two.configs[which]], { cwd: two.dir });
}

/** What the source's host counts of the replica, or the replica's host of the source. */
async function breachesAt(two: TwoDaemons, which: "source" | "replica"): Promise<BreachesStatus | undefined> {
  const { out } = await ask(two, which, "status", "--json");
  interface Told {
    readonly stores: readonly {
      readonly breaches?: BreachesStatus;
      readonly replicas?: readonly { readonly breaches?: BreachesStatus }[];
    }[];
  }
  const [store] = (JSON.parse(out) as Told).stores;
  return which === "source" ? store?.replicas?.[0]?.breaches : store?.breaches;
}

/** In the place of an answer of that kind. */
function answering(kind: Answer["kind"], other: (answer: Answer) => Answer) {
  return (message: WireMessage): readonly WireMessage[] => {
    if (message.kind !== "reply" || !message.result.ok || message.result.answer.kind !== kind) return [message];
    return [{ ...message, result: { ok: true, answer: other(message.result.answer) } }];
  };
}

const differences = (two: TwoDaemons): readonly unknown[] =>
  existsSync(join(two.replica, INBOX)) ? rawDifferences(join(two.source, INBOX), join(two.replica, INBOX)) : ["none"];

test("a replica that says what cannot be, and then what only a source says", { timeout: 150_000 }, async () => {
  await using two = openTwoDaemons();
  two.configure({});
  makeMailbox(two.source, INBOX, { messages: 3, seed: 1 });
  await using relay = await openRelay(two);
  const seen: boolean[] = [];
  relay.toSource = (message) => {
    seen.push(existsSync(join(two.replica, INBOX)));
    if (message.kind !== "welcome" || relay.links > 2) return [message];
    return relay.links === 1 ? [{ ...message, appliedLsn: 2 ** 53 }] : [{ kind: "mark", id: 1, lsn: 1 }];
  };
  two.start("replica");
  const source = two.start("source");
  await source.waitFor("live", isLive);
  expect(seen.slice(0, 3)).toEqual([false, false, false]); // until the third greeting nothing was written.
  expect(relay.links).toBe(3);
  await until("both to be equal", () => differences(two).length === 0);

  const breaches = await breachesAt(two, "source");
  expect(breaches).toEqual({ count: 2, lastCode: "peer-confused", lastMs: expect.any(Number) });
  const ended = source.events.filter(({ code }) => code === "wire-invalid" || code === "peer-confused");
  expect(ended.map(({ msg, code }) => [msg, code])).toEqual([
    ["replica-needs-you", "wire-invalid"],
    ["replica-needs-you", "peer-confused"],
  ]);
  expect((await ask(two, "source", "status")).out).toMatch(
    /\n {2}b did not keep to the protocol: 2 links ended since the daemon began, the last .* ago \(peer-confused\)\n/,
  );
  expect(await breachesAt(two, "replica")).toBeUndefined(); // the source has told it why: that is no breach of the source's.
  await source.stop();
});

test("a replica that lies when it is asked how it stands: by `verify`, by a dry run, by a comparison that mends", {
  timeout: 150_000,
}, async () => {
  await using two = openTwoDaemons();
  two.configure({});
  makeMailbox(two.source, INBOX, { messages: 3, seed: 1 });
  await using relay = await openRelay(two);
  two.start("replica");
  const source = two.start("source");
  await source.waitFor("live", isLive);
  const honest = relay.toSource;
  const begun = () => source.events.length;

  relay.toSource = answering(
    "store-sum",
    (answer) => ({ ...answer, messages: 77, digest: new Uint8Array(16) }) as Answer,
  );
  let since = begun();
  const verified = await ask(two, "source", "verify", "--settle", "0.1", "--json");
  expect(JSON.parse(verified.out)).toMatchObject({ replicas: [{ kind: "unverified", code: "compared-confused" }] });
  relay.toSource = honest;
  await source.waitFor("live again", isLive, since);
  expect(relay.links).toBe(2);
  expect(await breachesAt(two, "source")).toMatchObject({ count: 1, lastCode: "compared-confused" });

  relay.toSource = answering("compare", () => ({ kind: "standing", mailboxes: [], more: false }));
  since = begun();
  const planned = await ask(two, "source", "resync", "--dry-run", "--json");
  expect(JSON.parse(planned.out)).toMatchObject({ replicas: [{ kind: "unplanned", code: "peer-confused" }] });
  relay.toSource = honest;
  await source.waitFor("live again", isLive, since);
  expect(relay.links).toBe(3);
  expect(await breachesAt(two, "source")).toMatchObject({ count: 2, lastCode: "peer-confused" });

  relay.toSource = answering("compare", () => ({ kind: "standing", mailboxes: [], more: false }));
  since = begun();
  expect((await ask(two, "source", "resync")).code).toBe(0);
  await until("that link to have ended", async () => ((await breachesAt(two, "source"))?.count ?? 0) >= 3);
  relay.toSource = honest;
  await source.waitFor("live again", isLive, since);
  expect(differences(two)).toEqual([]);
  expect((await ask(two, "source", "verify", "--settle", "0.1")).code).toBe(0);
  expect((await breachesAt(two, "source"))?.lastCode).toBe("peer-confused");
  await source.stop();
});

test("a source that greets twice, and then offers what is no transaction", { timeout: 150_000 }, async () => {
  await using two = openTwoDaemons();
  two.configure({});
  makeMailbox(two.source, INBOX, { messages: 3, seed: 1 });
  await using relay = await openRelay(two);
  const seen: boolean[] = [];
  relay.toReplica = (message) => {
    if (message.kind === "hello") seen.push(existsSync(join(two.replica, INBOX)));
    if (message.kind === "hello" && relay.links === 1) return [message, message];
    if (message.kind === "offer" && relay.links === 2) return [{ ...message, payload: Buffer.from("no transaction") }];
    return [message];
  };
  const replica = two.start("replica");
  const source = two.start("source");
  await source.waitFor("live", isLive);
  expect(seen).toEqual([false, false, false]);
  await until("both to be equal", () => differences(two).length === 0);
  expect(await breachesAt(two, "replica")).toEqual({
    ...{ count: 2, lastCode: "transaction-invalid" },
    lastMs: expect.any(Number),
  });
  expect((await ask(two, "replica", "status")).out).toMatch(
    /\n {2}a did not keep to the protocol: 2 links ended since the daemon began, the last .* ago \(transaction-invalid\)\n/,
  );
  expect(await breachesAt(two, "source")).toBeUndefined(); // what the replica says of it is none of the replica's.
  addMessage(join(two.source, INBOX), { seed: 40 });
  await until("what comes then to be there", () => differences(two).length === 0);
  await Promise.all([source.stop(), replica.stop()]);
});

test("what counts: what this end has found out itself, of each replica for itself", () => {
  const [broken, lied] = [agentError("peer-confused", "x"), comparedConfused("x")];
  const [invalid, cut] = [wireError("wire-invalid", "x"), wireError("link-closed", "x")];
  const noTransaction = txnError("transaction-invalid", "x");
  const errors = [broken, lied, invalid, noTransaction, cut, errorOfFarewell("b", farewellOf(broken)), new Error("x")];
  expect(errors.map((error) => isBreach(error, "replica"))).toEqual([true, true, true, false, false, false, false]);
  expect(errors.map((error) => isBreach(error, "source"))).toEqual([true, true, true, true, false, false, false]);

  const clock = new FakeClock();
  const counts = new BreachCounts(clock);
  for (const error of errors) counts.ofReplica("mail", "b").note(error);
  const status = { count: 3, lastCode: "wire-invalid", lastMs: clock.nowMs() };
  expect(counts.ofReplica("mail", "b").status).toEqual(status);
  expect([counts.ofReplica("mail", "c"), counts.ofReplica("other", "b"), counts.ofSource("mail")]).toMatchObject([
    { status: undefined },
    { status: undefined },
    { status: undefined },
  ]);
});
