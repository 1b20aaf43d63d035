/** Which bodies a mailbox takes that is not there yet: told quickly or by a plan, they are the same. */
import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { emptyView } from "../../../src/apply/gather.js";
import { needsFromNothing } from "../../../src/apply/judge.js";
import { planApply } from "../../../src/apply/plan.js";
import type { Change } from "../../../src/txn/transaction.js";
import { message, save, transaction } from "../../unit/apply/replica-fixture.js";

/** Few base names, so that some come twice; seldom an expunge, so that most have none. */
const changesArbitrary = fc
  .array(fc.record({ base: fc.integer({ min: 0, max: 30 }), isExpunged: fc.integer({ min: 0, max: 9 }) }), {
    maxLength: 12,
  })
  .map((parts): Change[] => {
    const saves = parts.map(({ base }, i) => save(i + 1, `b${base}`));
    const expunges = parts.flatMap(({ base, isExpunged }, i): Change[] => {
      if (isExpunged > 0) return [];
      const { uid, base: name } = message(i + 1, `b${base}`);
      return [{ kind: "expunge", uid, base: name }];
    });
    return [...saves, ...expunges];
  });

test.prop([changesArbitrary, fc.array(fc.nat(12)), fc.nat(14)])("as planned", (changes, gone, voidBelow) => {
  const txn = transaction(changes);
  const planned = planApply({ view: emptyView(), txn, gone: new Set(gone), voidBelow });
  const needs = planned.kind === "plan" ? planned.plan.needs : planned.divergence;
  expect(needsFromNothing(txn, new Set(gone), voidBelow)).toEqual(needs);
});
