/**
 * Large mailboxes in a comparison that mends: all others are compared meanwhile, and what is delivered there is applied. Over real stores, of which
 * some say that they have a million messages; order alone, no time.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../../src/base/clock.js";
import type { MailboxRow } from "../../../src/log/state-types.js";
import type { WireMessage } from "../../../src/wire/messages.js";
import { until } from "../../live/lab/until.js";
import { addMessage, makeMailbox } from "../../live/twin/small-store.js";
import { RealPair, type RealRun } from "./real-pair.js";

const LARGE = ["a1/Maildir", "a2/Maildir"] as const;
const SMALL = ["b1/Maildir", "b2/Maildir", "b3/Maildir", "b4/Maildir"] as const;

let pair: RealPair;
let run: RealRun | undefined;

beforeEach(async () => {
  pair = await RealPair.open(systemClock);
  for (const [at, path] of [...LARGE, ...SMALL].entries())
    makeMailbox(pair.bench.source, path, { messages: 2, seed: 10 * at });
  await pair.ship();
});

afterEach(async () => {
  await run?.end();
  run = undefined;
  await pair[Symbol.asyncDispose]();
});

/** These have a million messages, as far as the order goes. */
function enlarge(paths: readonly string[]): void {
  const reader = pair.sourceReader;
  const [all, one] = [reader.mailboxes.bind(reader), reader.mailboxByGuid.bind(reader)];
  const grown = (row: MailboxRow): MailboxRow => (paths.includes(row.path) ? { ...row, messages: 1_000_000 } : row);
  Object.assign(reader, {
    mailboxes: () => all().map(grown),
    mailboxByGuid: (guid: MailboxRow["guid"]) => [one(guid) ?? []].flat().map(grown)[0],
  });
}

/** What the replica answers of these mailboxes does not come before it is let through. Returns those that were asked about, in order. */
function holdBack(of: RealRun, paths: readonly string[]): readonly string[] {
  const guids = new Map(paths.map((path) => [pair.guidAt(path) as string, path]));
  const asked: string[] = [];
  const ids = new Set<number>();
  of.onSend = (message) => {
    if (message.kind !== "request" || message.ask.kind !== "compare") return;
    const path = guids.get(message.ask.mailbox);
    if (path === undefined) return;
    asked.push(path);
    ids.add(message.id);
  };
  of.holds = (message: WireMessage) => message.kind === "reply" && ids.has(message.id);
  return asked;
}

const hasIt = (path: string, base: string) => existsSync(join(pair.bench.replica, path, "cur", `${base}:2,`));

/** It is delivered at the source, and comes while the large ones are compared. */
async function expectDelivered(on: RealRun, path: string): Promise<void> {
  const base = addMessage(join(pair.bench.source, path), { seed: 500 });
  await pair.capture();
  on.agent.wake();
  await until("it to be there", () => hasIt(path, base));
}

test.each([
  ["one large mailbox", [LARGE[0]]],
  ["two of them", LARGE],
])("%s: all others are compared, and get what is delivered, before it is", async (_, large) => {
  enlarge(large);
  const all = LARGE.length + SMALL.length;
  const current = pair.start({ mustCompare: true });
  run = current;
  const asked = holdBack(current, large);
  await until("all others to be compared", () => current.agent.comparison?.mailboxes.done === all - large.length);
  expect(current.compared).toEqual([]);
  await expectDelivered(current, SMALL[3]);
  expect(asked).toEqual(large); // when nobody else waited, the second one had its turn as well.
  current.letThrough();
  await until("all to be compared", () => current.compared.length === 1);
  await current.untilAcked(await pair.capture());
  expect(pair.differences).toEqual([]);
});

test("two large ones that were asked for by hand take turns, and another one that is asked for then does not wait", async () => {
  enlarge(LARGE);
  const current = pair.start();
  run = current;
  await current.untilAcked(await pair.capture());
  const asked = holdBack(current, LARGE);
  for (const path of LARGE) await current.agent.resync(pair.guidAt(path));
  await until("the first one to be asked about", () => asked.length === 1);
  await current.agent.resync(pair.guidAt(SMALL[0]));
  await until("the small one to be compared", () => current.mended.some(({ row }) => row.path === SMALL[0]));
  await expectDelivered(current, SMALL[0]);
  expect(asked).toEqual([LARGE[0]]);
  current.letThrough();
  await until("all to be compared", () => current.mended.length === 3);
  expect(current.mended.map(({ row }) => row.path)).toEqual([SMALL[0], ...LARGE]);
});
