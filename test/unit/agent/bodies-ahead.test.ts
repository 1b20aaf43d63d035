/** How many bodies a replica asks for ahead of what it applies, and what a line that is cut has sent again by that. */
import { fc, test as property } from "@fast-check/vitest";
import { describe, expect, test } from "vitest";
import { BodiesAhead, type BodiesOf } from "../../../src/agent/bodies-ahead.js";
import { SESSION_LIMITS } from "../../../src/agent/session-limits.js";
import { TRANSACTION_BODIES_BYTES_MAX } from "../../../src/txn/transaction.js";
import { tries } from "../../property/tries.js";
import { turns, until } from "../../turns.js";
import { Pair } from "./pair.js";

const MAX = 100;

/** Transactions with so many bytes of bodies, which are applied one after the other. */
class Line {
  readonly ahead = new BodiesAhead(MAX);
  readonly stop = new AbortController();
  readonly taken: number[] = [];
  readonly #bytes: readonly number[];
  #applied = 0;

  constructor(bytes: readonly number[]) {
    this.#bytes = bytes;
  }

  ask(id: number, part: Partial<BodiesOf> = {}): Promise<void> {
    const whole = { id, bytes: this.#bytes[id] ?? 0, hasMore: false, isFurther: false };
    const ask = { ...whole, ...part, isNext: () => id === this.#applied };
    return this.ahead.take(ask, this.stop.signal).then(() => void this.taken.push(id));
  }

  async apply(): Promise<void> {
    this.#applied += 1;
    this.ahead.giveBack(this.#applied - 1);
    await turns(3);
  }

  /** Asked for, and not applied. */
  get held(): readonly number[] {
    return this.taken.filter((id) => id >= this.#applied).map((id) => this.#bytes[id] ?? 0);
  }
}

describe("bodies that are asked for ahead", () => {
  test("wait until there is room, and none overtakes an earlier one", async () => {
    const line = new Line([60, 30, 20, 1]);
    const asks = [0, 1, 2, 3].map((id) => line.ask(id));
    await turns(3);
    expect(line.taken).toStrictEqual([0, 1]); // the last would fit.
    await line.apply();
    expect(line.taken).toStrictEqual([0, 1, 2, 3]);
    await Promise.all(asks);
  });

  test("of the next transaction never wait, however many they are, and whoever has asked before", async () => {
    const line = new Line([90, 1000, 5]);
    const later = [2, 1].map((id) => line.ask(id));
    await turns(3);
    expect(line.taken).toStrictEqual([2]);
    await line.ask(0);
    await line.ask(0); // what was staged of it is gone.
    await line.apply();
    expect(line.taken).toStrictEqual([2, 0, 0, 1]);
    await Promise.all(later);
  });

  test("of a transaction that comes in parts: nobody behind it asks before its last ones are asked for", async () => {
    const line = new Line([5, 60, 5]);
    await line.ask(0);
    const parts = line.ask(1, { hasMore: true });
    const later = line.ask(2);
    await turns(3);
    expect(line.taken).toStrictEqual([0]); // it would fit, and be the first of more.
    await line.apply();
    expect(line.taken).toStrictEqual([0, 1]);
    await line.ask(1, { hasMore: true, isFurther: true, bytes: 90 });
    await turns(3);
    expect(line.taken).toStrictEqual([0, 1, 1]);
    await line.ask(1, { isFurther: true });
    await turns(3);
    expect(line.taken).toStrictEqual([0, 1, 1, 1, 2]);
    await Promise.all([parts, later]);
  });

  test("are not waited for any more when it ends", async () => {
    const line = new Line([90, 90]);
    await line.ask(0);
    const waits = line.ask(1);
    line.stop.abort(new Error("over"));
    await expect(waits).rejects.toThrow("over");
  });

  property.prop([fc.array(fc.nat(150), { minLength: 1, maxLength: 30 })], tries(50))(
    "come to the limit at the most, or are a single transaction's, and all come",
    async (bytes) => {
      const line = new Line(bytes);
      const asks = bytes.map((_, id) => line.ask(id));
      for (const [id] of bytes.entries()) {
        await turns(3);
        expect(line.taken).toContain(id);
        const held = line.held.filter((each) => each > 0);
        expect(held.length <= 1 || held.reduce((sum, each) => sum + each, 0) <= MAX).toBe(true);
        await line.apply();
      }
      await Promise.all(asks);
    },
  );
});

test("a replica that cannot apply one asks for two large transactions at the most, and gets all later", async () => {
  const pair = new Pair();
  const size = TRANSACTION_BODIES_BYTES_MAX / 2;
  for (const letter of ["a", "b", "c"]) for (const uid of [1, 2, 3, 4]) pair.log(letter, [{ uid, size }]);
  pair.replica.locked.add(1);
  const run = pair.start();
  await until(() => pair.clock.timerCount > 0, "the session waits for the lock");
  await turns(200);
  expect(run.bodyBytes).toBe(SESSION_LIMITS.aheadBytesMax);
  expect(run.store.calls.filter(({ method }) => method === "prepare").length).toBeGreaterThan(2); // it looks at more.
  pair.replica.locked.clear();
  await pair.clock.advance(60);
  await run.untilAcked(12);
  expect(run.bodyBytes).toBe(12 * size);
  await run.end();
});
