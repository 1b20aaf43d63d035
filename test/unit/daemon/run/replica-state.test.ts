/** What a replica may be doing next: the properties that its table has to have as a whole. */
import { fc } from "@fast-check/vitest";
import { describe, expect, test } from "vitest";
import {
  nextState,
  REPLICA_EVENTS,
  REPLICA_STATES,
  REPLICA_TABLE,
  type ReplicaEvent,
  type ReplicaState,
} from "../../../../src/daemon/run/replica-state.js";

const possible = (state: ReplicaState): readonly ReplicaEvent[] =>
  REPLICA_EVENTS.filter((event) => REPLICA_TABLE[state][event] !== "bug");

/** All that can follow, in any number of steps. */
function reachableFrom(start: ReplicaState, without: readonly ReplicaEvent[] = []): ReadonlySet<ReplicaState> {
  const reached = new Set<ReplicaState>([start]);
  for (const state of reached)
    for (const event of possible(state)) if (!without.includes(event)) reached.add(nextState(state, event));
  return reached;
}

test("every state can come about", () => {
  expect([...reachableFrom("idle")].sort()).toStrictEqual([...REPLICA_STATES].sort());
});

test("whatever it is doing, it can be live again", () => {
  for (const state of REPLICA_STATES) expect(reachableFrom(state), state).toContain("live");
});

test("an operator can pause it at any time, and then nothing but his word lets it go on", () => {
  for (const state of REPLICA_STATES) expect(nextState(state, "pause")).toBe("paused");
  expect([...reachableFrom("paused", ["resume"])]).toStrictEqual(["paused"]);
  expect(nextState("paused", "resume")).toBe("idle");
});

test("a link may fail at any moment of it, and is got anew after a wait", () => {
  const onLink = ["greeting", "first-contact", "comparing", "catching-up", "live"] as const;
  for (const state of onLink) expect(nextState(state, "failed"), state).toBe("backing-off");
});

describe("it is live", () => {
  test("only after both ends have agreed, on this link", () => {
    const before = reachableFrom("idle", ["met", "met-first"]);
    expect(before).not.toContain("live");
    expect(before).not.toContain("catching-up");
  });

  test("only by word that all of the log is there", () => {
    expect(reachableFrom("idle", ["caught-up"])).not.toContain("live");
  });
});

test("what cannot happen is said to be a defect, and changes nothing", () => {
  expect(() => nextState("idle", "caught-up")).toThrow(TypeError);
  expect(() => nextState("live", "connected")).toThrow('a replica that is live cannot have "connected"');
});

test("any history of possible events ends in a state from which something is possible", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(REPLICA_EVENTS.length - 1), { maxLength: 200 }), (choices) => {
      let state: ReplicaState = "idle";
      for (const choice of choices) {
        const events = possible(state);
        const event = events[choice % events.length];
        if (event !== undefined) state = nextState(state, event);
      }
      expect(possible(state).length).toBeGreaterThan(2);
      expect(REPLICA_STATES).toContain(state);
    }),
  );
});
