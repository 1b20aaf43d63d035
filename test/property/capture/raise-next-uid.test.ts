/** Law: whatever is delivered, removed and raised in whatever order, N never falls, and a UID is never given twice. */
import { fc } from "@fast-check/vitest";
import { expect, test } from "vitest";
import { parseMailboxGuid, parseUidValidity } from "../../../src/maildir/ids.js";
import { CaptureBench, rawPath } from "../../unit/capture/capture-bench.js";
import { expectEqualToDisk } from "../../unit/capture/log-model.js";
import { tries } from "../tries.js";

const step = fc.oneof(
  fc.constant("deliver" as const),
  fc.constant("expunge" as const),
  fc.constant("look" as const),
  fc.nat(40).map((to) => ({ to: to + 1 })),
);

test("the next UID is the highest that anybody has asked for or used", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const bench = await CaptureBench.open();
      const inbox = bench.store.create("alice");
      bench.settle(inbox);
      const own = { path: rawPath("alice"), guid: parseMailboxGuid(inbox.guid) };
      const given = new Set<number>();
      let next = 1;
      for (const it of steps) {
        if (it === "deliver") {
          inbox.deliver();
          const uid = inbox.records().at(-1)?.uid ?? 0;
          expect([uid, given.has(uid)]).toEqual([next, false]);
          given.add(uid);
          next = uid + 1;
        } else if (it === "expunge") {
          const [first] = inbox.files();
          if (first !== undefined) inbox.expunge(first.base);
        } else if (it === "look") bench.look(inbox);
        else {
          const wish = { ...own, uidValidity: parseUidValidity(inbox.validity), to: it.to };
          const expected = it.to > next ? { kind: "raised", from: next } : { kind: "ahead" };
          expect(bench.source.raiseNextUid(wish)).toEqual(expected);
          next = Math.max(next, it.to);
        }
        expect(inbox.nextUid()).toBe(next);
      }
      bench.settle(inbox);
      expectEqualToDisk(bench.model, bench.store);
      expect(bench.model.reader.mailboxByGuid(own.guid)?.uidNext).toBe(next);
    }),
    tries(60),
  );
});
