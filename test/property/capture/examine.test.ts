/**
 * Whatever happens to a store, and whatever hints of it arrive, the log converges to what is on disk: the model applies
 * every transaction strictly (a UID that was passed, a message that is not there, a mailbox in the way all fail).
 */
import { fc } from "@fast-check/vitest";
import { describe, expect, test } from "vitest";
import type { HintedName } from "../../../src/capture/capture-types.js";
import { planStructure } from "../../../src/capture/plan-structure.js";
import { openBusyDisk } from "../../unit/capture/busy-disk.js";
import { CaptureBench } from "../../unit/capture/capture-bench.js";
import { type FakeMailbox, FakeStore } from "../../unit/capture/fake-dovecot.js";
import {
  finishKeywords,
  runStep,
  runStructureStep,
  type Step,
  type StructureStep,
  stepArbitrary,
  structureArbitrary,
} from "../../unit/capture/histories.js";
import { expectEqualToDisk, expectNoHole, savedUids } from "../../unit/capture/log-model.js";
import { tries } from "../tries.js";

const parameters = tries(60);

interface Look {
  readonly look: "none" | "exact" | "missing" | "doubled" | "bogus" | "full" | "restart" | "interrupted";
  readonly steps: readonly (Step | StructureStep)[];
  readonly during: readonly Step[];
  readonly bits: number;
}

const lookArbitrary = (step: fc.Arbitrary<Step | StructureStep>): fc.Arbitrary<Look> =>
  fc.record({
    look: fc.constantFrom("none", "exact", "exact", "missing", "doubled", "bogus", "full", "restart", "interrupted"),
    steps: fc.array(step, { maxLength: 6 }),
    during: fc.array(stepArbitrary, { maxLength: 4 }),
    bits: fc.nat(0xffff),
  });

function run(store: FakeStore, step: Step | StructureStep): void {
  if ("structure" in step) runStructureStep(store, step);
  else runStep(store, step);
}

function hintsFor(look: Look["look"], exact: readonly HintedName[], bits: number): readonly HintedName[] {
  if (look === "missing") return exact.filter((_, index) => (bits & (1 << (index % 16))) !== 0);
  if (look === "doubled") return [...exact, ...[...exact].reverse(), ...exact];
  if (look === "bogus")
    return [...exact, { dir: "cur", name: "1.bogus:2,S" }, { dir: "new", name: ".." }, { dir: "cur", name: "x/y" }];
  return exact;
}

/** Ends what is half done, and looks at everything as a sweep does. False where that sweep ends the run with source-emptied. */
function finish(bench: CaptureBench): boolean {
  for (const mailbox of bench.store.mailboxes) {
    finishKeywords(mailbox);
    mailbox.numberAll();
  }
  const { mailboxes } = bench.source.discover();
  if (bench.store.mailboxes.length > 0 && planStructure(mailboxes, [...bench.model.reader.mailboxes()], []).emptied) {
    expectNoDeletion(bench);
    return false;
  }
  bench.sweep();
  return true;
}

/** All that was known went at once (I-30): also who looks only at those that stand in its places says nothing of it. */
function expectNoDeletion(bench: CaptureBench): void {
  const before = bench.model.log.length;
  const known = new Set<string>([...bench.model.reader.mailboxes()].map(({ path }) => path));
  for (const mailbox of bench.store.mailboxes.filter(({ path }) => known.has(path))) {
    let outcome = bench.examine(mailbox, { full: true });
    for (let round = 0; round < 50 && "more" in outcome && outcome.more; round++)
      outcome = bench.examine(mailbox, { full: true });
    expect(outcome).toEqual({ kind: "absent" });
  }
  expect(bench.model.log.length).toBe(before);
}

/** Returns what `finish` does. */
async function live(
  bench: CaptureBench,
  busy: ReturnType<typeof openBusyDisk>,
  looks: readonly Look[],
): Promise<boolean> {
  for (const { look, steps, during, bits } of looks) {
    for (const step of steps) run(bench.store, step);
    bench.nowMs += 7;
    if (look === "none") continue;
    if (look === "restart") await bench.restart();
    const mailbox: FakeMailbox | undefined = bench.store.mailboxes[bits % Math.max(1, bench.store.mailboxes.length)];
    if (mailbox === undefined) continue;
    const only = during.map((step) => ({ ...step, mailbox: bench.store.mailboxes.indexOf(mailbox) }));
    let left = bits;
    const keep = (): boolean => {
      left = (left * 5 + 1) & 0xffff;
      return (left & 8) !== 0;
    };
    if (look === "interrupted") {
      busy.interrupt(() => {
        for (const step of only) run(bench.store, step);
      }, keep);
    }
    const full = look === "full" || look === "interrupted";
    bench.examine(mailbox, { full, names: hintsFor(look, mailbox.takeHints(), bits) });
    expectNoHole(bench.model, bench.store);
    busy.interrupt(
      () => undefined,
      () => true,
    );
  }
  return finish(bench);
}

async function withBench(
  limits: { readonly changesMax: number; readonly listingSliceMs?: number },
  use: (bench: CaptureBench, busy: ReturnType<typeof openBusyDisk>) => Promise<void>,
) {
  const busy = openBusyDisk();
  const store = new FakeStore();
  try {
    const bench = await CaptureBench.open({ ...limits, namesMax: 20 }, { disk: busy.disk }, store);
    store.create("u/a");
    store.create("u/b");
    await use(bench, busy);
  } finally {
    store.dispose();
  }
}

describe("random histories", () => {
  test("of messages converge, and nothing is sealed twice", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(lookArbitrary(stepArbitrary), { maxLength: 12 }),
        fc.constantFrom(1, 4096),
        fc.constantFrom(0, Number.POSITIVE_INFINITY),
        (looks, changesMax, listingSliceMs) =>
          withBench({ changesMax, listingSliceMs }, async (bench, busy) => {
            expect(await live(bench, busy, looks)).toBe(true);
            expectEqualToDisk(bench.model, bench.store);
            for (const mailbox of bench.store.mailboxes) {
              expect(bench.settle(mailbox)).toBe(0);
              const uids = savedUids(bench.model, mailbox.guid);
              expect(uids).toEqual([...new Set(uids)].sort((a, b) => a - b));
            }
          }),
      ),
      parameters,
    );
  }, 120_000);

  test("with mailboxes that come, go, move and start anew converge", async () => {
    const step = fc.oneof({ weight: 3, arbitrary: stepArbitrary }, { weight: 2, arbitrary: structureArbitrary });
    await fc.assert(
      fc.asyncProperty(fc.array(lookArbitrary(step), { maxLength: 10 }), fc.constantFrom(0, 1000), (looks, sliceMs) =>
        withBench({ changesMax: 4096, listingSliceMs: sliceMs }, async (bench, busy) => {
          if (await live(bench, busy, looks)) expectEqualToDisk(bench.model, bench.store);
        }),
      ),
      parameters,
    );
  }, 120_000);

  test("with complete hints leave nothing for a listing to find, unless one was asked for", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(stepArbitrary, { maxLength: 5 }), { maxLength: 10 }), (rounds) =>
        withBench({ changesMax: 4096 }, async (bench) => {
          bench.sweep();
          for (const steps of rounds) {
            for (const step of steps) run(bench.store, step);
            for (const mailbox of bench.store.mailboxes) {
              finishKeywords(mailbox);
              const outcome = bench.look(mailbox, { names: mailbox.takeHints() });
              const isSettled = !outcome.needListing && outcome.recheckInMs === undefined && !outcome.more;
              expectNoHole(bench.model, bench.store);
              const found = bench.settle(mailbox);
              if (isSettled) expect(found).toBe(0);
            }
          }
        }),
      ),
      parameters,
    );
  }, 120_000);
});
