/**
 * Whatever happens to the messages of a store under the brake: while it is on nothing leaves the log but what moved, nothing else waits,
 * and when all is let go the log is what it would be without.
 */
import { fc } from "@fast-check/vitest";
import { expect, test } from "vitest";
import { BRAKE_LIMITS } from "../../../src/capture/brake.js";
import { CaptureBench } from "../../unit/capture/capture-bench.js";
import { FakeStore } from "../../unit/capture/fake-dovecot.js";
import { finishKeywords, runStep, type Step, stepArbitrary } from "../../unit/capture/histories.js";
import { expectEqualToDisk, expectNoHole } from "../../unit/capture/log-model.js";
import { tries } from "../tries.js";

interface Round {
  readonly steps: readonly Step[];
  readonly look: "look" | "full" | "restart" | "approve";
}

const roundArbitrary: fc.Arbitrary<Round> = fc.record({
  steps: fc.array(stepArbitrary, { maxLength: 8 }),
  look: fc.constantFrom("look", "full", "full", "restart", "approve"),
});

/** "mailbox UID" to base name, as the log has them. */
function messagesIn({ model }: CaptureBench): ReadonlyMap<string, string> {
  const all = [...model.mailboxes].flatMap(([guid, { states }]) =>
    states.map(({ uid, base }) => [`${guid} ${uid}`, base] as const),
  );
  return new Map(all);
}

function standsAnywhere({ store }: CaptureBench, base: string): boolean {
  return store.mailboxes.some((mailbox) => mailbox.records().some((record) => record.base === base));
}

/** `look` while the brake may be on. */
function looking(bench: CaptureBench, look: () => void): void {
  const before = messagesIn(bench);
  const wasOn = bench.source.discover().brake !== undefined;
  look();
  expectNoHole(bench.model, bench.store);
  if (!wasOn) return;
  const after = messagesIn(bench);
  for (const [message, base] of before)
    if (!after.has(message)) expect(standsAnywhere(bench, base), `${message} ${base} was let go`).toBe(true);
}

async function play(bench: CaptureBench, { steps, look }: Round): Promise<void> {
  for (const step of steps) runStep(bench.store, step);
  bench.nowMs += 7;
  if (look === "restart") await bench.restart();
  if (look === "approve") bench.approve();
  for (const mailbox of bench.store.mailboxes)
    looking(bench, () => bench.examine(mailbox, { full: look === "full", names: mailbox.takeHints() }));
}

/** Until nothing is held any more. */
function letAllGo(bench: CaptureBench): void {
  for (let round = 0; round < 10; round++) {
    for (const mailbox of bench.store.mailboxes) {
      finishKeywords(mailbox);
      mailbox.numberAll();
    }
    bench.sweep();
    if (bench.source.discover().brake === undefined) return;
    bench.approve();
  }
  throw new Error("something is held after each approval");
}

test("what is deleted waits, all else goes on, and in the end all is as on disk", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(roundArbitrary, { maxLength: 8 }),
      fc.nat(3),
      fc.constantFrom(1, 4096),
      async (rounds, messages, changesMax) => {
        const store = new FakeStore();
        try {
          const brake = { ...BRAKE_LIMITS, messages: messages + 1, share: 0 };
          const bench = await CaptureBench.open({ changesMax, namesMax: 20 }, {}, store, brake);
          for (const path of ["u/a", "u/b"])
            for (let i = 0; i < 6; i++)
              (store.mailboxes.find((each) => each.path === path) ?? store.create(path)).deliver();
          bench.sweep();
          for (const round of rounds) await play(bench, round);
          letAllGo(bench);
          expectEqualToDisk(bench.model, bench.store);
        } finally {
          store.dispose();
        }
      },
    ),
    tries(60),
  );
}, 120_000);
