/** A pair for all tests of a suite in which each test leaves both sides equal and nothing running. */
import { afterAll, beforeEach } from "vitest";
import type { Pair } from "./pair.js";

/** Registers the hooks; `open` makes the first pair, and a new one after a failure, so that each test is judged by itself. */
export function useSharedPair(open: () => Promise<Pair>): { readonly pair: Pair } {
  let pair: Pair | undefined;
  const close = async (): Promise<void> => {
    await pair?.[Symbol.asyncDispose]();
    pair = undefined;
  };
  beforeEach(async ({ onTestFailed }) => {
    onTestFailed(close);
    pair ??= await open();
  });
  afterAll(close);
  return {
    get pair() {
      if (pair === undefined) throw new Error("the pair did not start");
      return pair;
    },
  };
}
