/** One at a time for each key, in the order in which they came; who has gone by then is passed over, and a failure keeps nobody. */
import { expect, test } from "vitest";
import { Turns } from "../../../src/base/turns.js";

test("one after the other for one key, beside those of others", async () => {
  const [turns, one, other] = [new Turns(), {}, {}];
  const order: string[] = [];
  let end = (): void => undefined;
  const first = new Promise<void>((resolve) => {
    end = resolve;
  });
  const work = (name: string, until?: Promise<void>) => async () => {
    order.push(`${name} begins`);
    await until;
    order.push(`${name} ends`);
    return name;
  };
  const gone = new AbortController();
  const all = [
    turns.take(one, work("a", first)),
    turns.take(one, work("b"), gone.signal),
    turns.take(one, () => Promise.reject(new Error("c fails"))),
    turns.take(one, work("d")),
  ];
  expect(await turns.take(other, work("x"))).toBe("x");
  gone.abort(new Error("b has gone"));
  end();
  const settled = await Promise.allSettled(all);
  expect(settled.map((it) => (it.status === "fulfilled" ? it.value : (it.reason as Error).message))).toEqual([
    "a",
    "b has gone",
    "c fails",
    "d",
  ]);
  expect(order).toEqual(["a begins", "x begins", "x ends", "a ends", "d begins", "d ends"]);
});
