import { beforeEach, describe, expect, test } from "vitest";
import { IN_LINE, LockPatience } from "../../../src/agent/lock-patience.js";
import { FakeClock } from "../../fake-clock.js";

const never = new AbortController().signal;
const { eachMsMax, sumMsMax, refill } = IN_LINE;

let clock: FakeClock;
let patience: LockPatience;

beforeEach(() => {
  clock = new FakeClock();
  patience = new LockPatience(clock, IN_LINE);
});

/** Returns how long was waited for it, and what came of that. */
async function wait(key: string, heldMs: number): Promise<{ readonly ms: number; readonly kind: string }> {
  const startMs = clock.monotonicMs();
  const attempt = async () => ({ kind: clock.monotonicMs() - startMs < heldMs ? "busy" : "done" });
  let end: { readonly ms: number; readonly kind: string } | undefined;
  void patience.whileBusy(key, { attempt }, never).then(({ kind }) => {
    end = { ms: clock.monotonicMs() - startMs, kind };
  });
  for (let ms = 0; end === undefined && ms < 60_000; ms += 1) await clock.advance(ms === 0 ? 0 : 1);
  if (end === undefined) throw new Error("it waits for ever");
  return end;
}

describe("a lock", () => {
  test("that Dovecot holds for a moment is waited for, and that is soon forgotten", async () => {
    for (let round = 0; round < 20; round++) {
      expect(await wait("a", 40)).toMatchObject({ kind: "done" });
      await clock.advance(400);
    }
    await clock.advance(500);
    expect(patience.of("a")).toBe(eachMsMax);
  });

  test("that stays in other hands is given up, and not waited for again until it was to be had", async () => {
    const { ms, kind } = await wait("a", Number.POSITIVE_INFINITY);
    expect([kind, ms >= eachMsMax && ms < eachMsMax + 60]).toStrictEqual(["busy", true]);
    await clock.advance(3_600_000);
    expect(await wait("a", Number.POSITIVE_INFINITY)).toStrictEqual({ kind: "busy", ms: 0 });
    expect(await wait("a", 0)).toStrictEqual({ kind: "done", ms: 0 });
    expect(await wait("a", 40)).toMatchObject({ kind: "done" });
  });

  test.each([1, 3, 100])(
    "that is let go of again and again, of %i mailboxes, has others wait a part of the time only",
    async (count) => {
      const startMs = clock.monotonicMs();
      let waited = 0;
      for (let round = 0; clock.monotonicMs() - startMs < 60_000; round++) {
        const key = `m${round % count}`;
        waited += (await wait(key, eachMsMax - 60)).ms;
        await wait(key, 0); // one is let through.
        await clock.advance(10);
      }
      const passedMs = clock.monotonicMs() - startMs;
      expect(waited).toBeLessThan(sumMsMax + passedMs * refill + eachMsMax);
    },
  );
});

test("what is over is not waited for", async () => {
  const attempt = async () => ({ kind: "busy" });
  expect(await patience.whileBusy("a", { attempt, isOver: () => true }, never)).toStrictEqual({ kind: "busy" });
});
