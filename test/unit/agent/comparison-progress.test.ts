/** How far a comparison of all is, as its mailboxes are compared one after the other. */
import { expect, test } from "vitest";
import { ComparisonProgress } from "../../../src/agent/comparison-progress.js";
import type { Clock } from "../../../src/base/clock.js";
import { FakeClock } from "../../fake-clock.js";
import { makeMailbox } from "../../live/twin/small-store.js";
import { guid } from "./pair.js";
import { RealPair } from "./real-pair.js";

test("counts what was compared, and of what is compared now what was looked at", () => {
  const progress = new ComparisonProgress();
  const [a, b, c] = [guid("a"), guid("b"), guid("c")];
  const told = () => {
    const { mailboxes, messages } = progress.status ?? { mailboxes: undefined, messages: undefined };
    return [mailboxes?.done, mailboxes?.all, messages?.done, messages?.all];
  };
  expect(progress.status).toBeUndefined();
  progress.begin([
    { mailbox: a, messages: 10 },
    { mailbox: b, messages: 5 },
    { mailbox: c, messages: 0 },
  ]);
  expect(told()).toStrictEqual([0, 3, 0, 15]);
  progress.reached(a, 4);
  expect(told()).toStrictEqual([0, 3, 4, 15]);
  progress.reached(a, 12); // mail has come since.
  expect(told()).toStrictEqual([0, 3, 10, 15]);
  progress.reached(a, 2); // once more, from its first.
  progress.compared(b);
  progress.reached(b, 5); // for another reason.
  expect(told()).toStrictEqual([1, 3, 7, 15]);
  progress.compared(a);
  progress.compared(a);
  progress.compared(c);
  expect(told()).toStrictEqual([3, 3, 15, 15]);
  progress.begin([{ mailbox: b, messages: 1 }]);
  expect(told()).toStrictEqual([0, 1, 0, 1]);
  progress.end();
  expect(progress.status).toBeUndefined();
});

test("an agent tells it while it compares, and not before or after", async () => {
  const clock: Clock & FakeClock = new FakeClock();
  await using pair = await RealPair.open(clock);
  for (let user = 0; user < 4; user++) makeMailbox(pair.bench.source, `u${user}/Maildir`, { messages: 3, seed: user });
  await pair.ship();
  const compare = pair.store.compare.bind(pair.store);
  const stop = new AbortController();
  const slow = async (request: Parameters<typeof compare>[0]) => {
    await clock.sleep(10_000, stop.signal);
    return compare(request);
  };
  pair.store.compare = slow as unknown as typeof compare;
  const run = pair.start({ mustCompare: true });
  expect(run.agent.comparison).toBeUndefined();
  const told = new Set<string>();
  for (let second = 0; second < 60 && run.compared.length === 0; second++) {
    await clock.advance(1_000);
    const { mailboxes, messages } = run.agent.comparison ?? {};
    if (mailboxes !== undefined) told.add(`${mailboxes.done}/${mailboxes.all} ${messages?.done}/${messages?.all}`);
  }
  // All four may be seen, too, before the last mark is acknowledged.
  expect([...told].slice(0, 4)).toStrictEqual(["0/4 0/12", "1/4 3/12", "2/4 6/12", "3/4 9/12"]);
  expect(run.agent.comparison).toBeUndefined();
  stop.abort(new Error("enough"));
  await run.cut();
});
