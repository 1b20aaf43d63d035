/** For test files that play with a fresh pair in each test: what they start by `stop` has ended with the test. */
import { afterEach, beforeEach } from "vitest";
import { Pair } from "./pair.js";

export function eachPair(use: (pair: Pair, stop: AbortController) => void): void {
  let stop: AbortController;
  beforeEach(() => {
    stop = new AbortController();
    use(new Pair(), stop);
  });
  afterEach(() => {
    stop.abort(new Error("the test is over"));
  });
}
