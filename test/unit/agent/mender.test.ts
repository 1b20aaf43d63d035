/** Thousands of mailboxes that were refused, each with a time of its own: to wait for the next costs nothing but a look at those times. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { Mender, type MenderPorts } from "../../../src/agent/mender.js";
import type { MailboxRow } from "../../../src/log/state-types.js";
import { type MailboxGuid, parseMailboxGuid } from "../../../src/maildir/ids.js";
import { FakeClock } from "../../fake-clock.js";
import { turns } from "../../turns.js";

const MANY = 10_000;
const guidOf = (at: number) => parseMailboxGuid(at.toString(16).padStart(32, "0"));

let clock: FakeClock;
let lookups: number;
let begun: MailboxGuid[];
/** Mailboxes that have a million messages. */
let large: Set<MailboxGuid>;
let letOn: () => void;
let stop: AbortController;

beforeEach(() => {
  [clock, lookups, begun, large, stop] = [new FakeClock(), 0, [], new Set(), new AbortController()];
});

afterEach(() => stop.abort(new Error("the test is over")));

/** What is begun goes no further than to wait for `letOn`, and is refused then. */
function startMender(): Mender {
  const gate = new Promise<void>((resolve) => {
    letOn = resolve;
  });
  const row = { lsn: 1, path: "x", code: "path-refused", message: "m" };
  const ports = {
    ...{ clock, heals: true, compares: true, random: () => 1, onEnd: () => undefined, onMended: () => undefined },
    reader: {
      mailboxByGuid: (guid: MailboxGuid): Partial<MailboxRow> => {
        lookups += 1;
        return { messages: large.has(guid) ? 1_000_000 : 1 };
      },
      firstLsn: () => 1,
    },
    rejections: { mend: () => undefined, rowOf: () => row },
    line: {
      untilClear: async (guid: MailboxGuid) => {
        begun.push(guid);
        await gate;
        throw new Error("the link is gone");
      },
    },
    onError: () => undefined,
  };
  const mender = new Mender(ports as unknown as MenderPorts);
  mender.run(stop.signal).catch(() => undefined);
  return mender;
}

test("nothing is looked up while all wait", async () => {
  const mender = startMender();
  for (let at = 0; at < MANY; at++) mender.refused(guidOf(at));
  await turns();
  expect(lookups).toBe(0);
  await clock.advance(900); // each has its time in a second.
  for (let wakes = 0; wakes < 20; wakes++) {
    mender.refused(guidOf(MANY + wakes));
    await turns(2);
  }
  expect([lookups, begun.length]).toEqual([0, 0]);
});

test("nor while a large one is mended, but of what is due; and another large one begins when that has ended", async () => {
  const mender = startMender();
  const [first, second, other] = [guidOf(MANY + 1), guidOf(MANY + 2), guidOf(MANY + 3)];
  for (const guid of [first, second]) large.add(guid);
  mender.soon(first);
  await turns();
  for (let at = 0; at < MANY; at++) mender.refused(guidOf(at));
  mender.soon(second);
  await turns();
  expect(begun).toEqual([first]);
  expect(lookups).toBeLessThan(50);
  mender.soon(other);
  await turns();
  expect(begun).toEqual([first, other]);
  letOn();
  await turns();
  expect(begun).toEqual([first, other, second]);
});
