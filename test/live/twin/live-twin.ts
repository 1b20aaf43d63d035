/**
 * A pair with a watching twin for all tests of one suite; the end of the suite expects it to have ended in peace.
 */
import { afterAll, beforeAll, beforeEach, expect } from "vitest";
import type { Twin } from "../lab/mailtwin.js";
import { openPair, type Pair, type PairOptions, type TwinSettings } from "./pair.js";

export interface LiveTwinOptions extends PairOptions, TwinSettings {
  /** Fills the source before the twin starts. Every user should get a mailbox here. */
  readonly prepare: (pair: Pair) => Promise<void>;
}

/** Of a failed test's events, the last so many are shown. */
const TOLD_EVENTS_MAX = 20;

export interface LiveTwin {
  readonly pair: Pair;
  readonly twin: Twin;
}

/** Registers the hooks of a suite; what it returns is filled while the suite's tests run. */
export function useLiveTwin(options: LiveTwinOptions): LiveTwin {
  let pair: Pair | undefined;
  let twin: Twin | undefined;
  beforeAll(async () => {
    pair = await openPair(options);
    await options.prepare(pair);
    twin = await pair.start(options);
  });
  beforeEach(({ onTestFailed }) => {
    const before = twin?.output.events.length ?? 0;
    onTestFailed(({ task }) => {
      const events = (twin?.output.events ?? []).slice(before).slice(-TOLD_EVENTS_MAX);
      const lines = events.map((event) => `  ${JSON.stringify(event)}\n`);
      process.stderr.write(`the twin in "${task.name}":\n${lines.join("")}${twin?.output.stderr ?? ""}\n`);
    });
  });
  afterAll(async () => {
    try {
      if (twin !== undefined) await expectPeacefulEnd(twin);
    } finally {
      await twin?.[Symbol.asyncDispose]();
      await pair?.[Symbol.asyncDispose]();
    }
  });
  return {
    get pair() {
      return present(pair, "the pair of sites");
    },
    get twin() {
      return present(twin, "the twin");
    },
  };
}

/** Ctrl-C ends a twin with exit code 0; until then it reported no problem and printed nothing but events. */
export async function expectPeacefulEnd(twin: Twin): Promise<void> {
  expect(await twin.stop()).toEqual({ code: 0, signal: undefined });
  expect(twin.output.events.filter(({ event }) => event === "problem" || event === "error")).toEqual([]);
  expect(twin.output.strayOutput).toEqual([]);
  expect(twin.output.stderr).toBe("");
}

function present<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`${what} did not start`);
  return value;
}
