/**
 * Law: whatever is done to files under their names, and to the mailbox besides, the log has of each message the size and date that it had when
 * it came, or at the last look at its file that was allowed to note it; and once all are looked at, it is what stands there.
 */
import { appendFileSync, truncateSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { fc } from "@fast-check/vitest";
import { expect, test } from "vitest";
import type { FileLook } from "../../../src/capture/capture-types.js";
import { CaptureBench, rawPath } from "../../unit/capture/capture-bench.js";
import type { FakeMailbox } from "../../unit/capture/fake-dovecot.js";
import { expectEqualToDisk, statesOnDisk } from "../../unit/capture/log-model.js";
import { tries } from "../tries.js";

const nth = fc.nat(5);
const notes = fc.constantFrom("all" as const, "date" as const);
const step = fc.oneof(
  fc.record({ do: fc.constant("grow" as const), nth }),
  fc.record({ do: fc.constant("cut" as const), nth }),
  fc.record({ do: fc.constant("date" as const), nth, s: fc.integer({ min: 1, max: 1_000_000 }) }),
  fc.record({ do: fc.constant("flag" as const), nth, info: fc.constantFrom(":2,", ":2,S", ":2,FS") }),
  fc.record({ do: fc.constant("look" as const), looked: fc.array(fc.tuple(nth, notes), { maxLength: 4 }) }),
  fc.record({ do: fc.constantFrom("deliver" as const, "settle" as const, "restart" as const) }),
);

function lookAt(bench: CaptureBench, files: readonly FileLook[]): void {
  const [path, hints] = [rawPath("alice"), { names: [], uidlist: false }];
  const outcome = bench.source.examine({ path, hints, full: false, nowMs: bench.nowMs, files });
  if ("commit" in outcome) bench.model.commit(outcome.commit);
}

function fileAt(inbox: FakeMailbox, at: number): string {
  const files = inbox.files();
  const { dir, name } = files[at % files.length] ?? { dir: "cur", name: "" };
  return join(inbox.dir, dir, name);
}

test("the log has what was looked at, and nothing else of what was changed under a name", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const bench = await CaptureBench.open();
      const inbox = bench.store.create("alice");
      for (let i = 0; i < 3; i++) inbox.deliver({ info: ":2,", body: "0123456789" });
      bench.settle(inbox);
      const sizes = new Map(statesOnDisk(inbox).map(({ uid, size }) => [uid as number, size]));
      const states = () => bench.model.mailboxes.get(inbox.guid)?.states ?? [];
      for (const it of steps) {
        if (it.do === "grow") appendFileSync(fileAt(inbox, it.nth), "+");
        else if (it.do === "cut") truncateSync(fileAt(inbox, it.nth), 4);
        else if (it.do === "date") utimesSync(fileAt(inbox, it.nth), it.s, it.s);
        else if (it.do === "flag") inbox.setInfo(inbox.files()[it.nth % inbox.files().length]?.base ?? "", it.info);
        else if (it.do === "deliver") inbox.deliver({ info: ":2,", body: "0123456789" });
        else if (it.do === "restart") await bench.restart();
        else if (it.do === "look") {
          bench.settle(inbox);
          for (const { uid, size } of states()) if (!sizes.has(uid)) sizes.set(uid, size);
          const standing = new Map(statesOnDisk(inbox).map((state) => [state.uid as number, state]));
          const files = it.looked.flatMap(([at, what]) => {
            const state = states()[at % states().length];
            return state === undefined ? [] : [{ uid: state.uid, notes: what }];
          });
          lookAt(bench, files);
          for (const { uid, notes: what } of files) if (what === "all") sizes.set(uid, standing.get(uid)?.size ?? -1);
        }
        if (it.do === "settle") bench.settle(inbox);
        for (const { uid, size } of states()) if (sizes.has(uid)) expect([uid, size]).toEqual([uid, sizes.get(uid)]);
      }
      bench.settle(inbox);
      lookAt(
        bench,
        states().map(({ uid }) => ({ uid, notes: "all" })),
      );
      expectEqualToDisk(bench.model, bench.store);
    }),
    tries(100),
  );
});
