import { fc, test } from "@fast-check/vitest";
import { describe, expect, test as plainTest } from "vitest";
import { type LoggedMailbox, planVacating } from "../../../src/capture/plan-vacating.js";
import type { MailboxGuid } from "../../../src/maildir/ids.js";
import { rawPath } from "./capture-bench.js";

/** Only equality counts here. */
const guid = (n: number): MailboxGuid => `g${n}` as never;
const place = (n: number) => rawPath(`p${n}`);

interface Store {
  readonly logged: readonly LoggedMailbox[];
  readonly standing: ReadonlyMap<MailboxGuid, ReturnType<typeof place>>;
}

/** Mailbox n is at place n in the log; where each stands now is any choice of places, or nowhere. */
const stores: fc.Arbitrary<Store> = fc
  .integer({ min: 1, max: 7 })
  .chain((count) =>
    fc.tuple(
      fc.shuffledSubarray(
        [...Array(count + 2).keys()].map((n) => n),
        { minLength: count, maxLength: count },
      ),
      fc.array(fc.integer({ min: 0, max: 5 }), { minLength: count, maxLength: count }),
    ),
  )
  .map(([places, dice]) => ({
    logged: places.map((_, n) => ({ guid: guid(n), path: place(n) })),
    standing: new Map(places.flatMap((at, n) => (dice[n] === 0 ? [] : [[guid(n), place(at)]]))),
  }));

describe("making room", () => {
  test.prop([stores, fc.nat()])("leads everybody to its place, and never two to one", ({ logged, standing }, pick) => {
    const comers = [...standing];
    const [comer, path] = comers[pick % Math.max(1, comers.length)] ?? [];
    if (comer === undefined || path === undefined) return;
    const at = new Map(logged.map((mailbox) => [mailbox.guid, mailbox.path]));
    const { moves, isTorn } = planVacating(
      { path, comer },
      (wanted) => logged.find((mailbox) => mailbox.path === wanted),
      (wanted) => standing.get(wanted),
    );
    expect(isTorn).toBe(false);
    for (const move of moves) {
      const own = move.mailbox.guid;
      if (move.kind === "delete") {
        expect(standing.has(own)).toBe(false);
        at.delete(own);
        continue;
      }
      expect(move.to).toBe(standing.get(own));
      const there = [...at].find(([other, where]) => other !== own && where === move.to)?.[0];
      expect(there).toBe(move.displaces);
      if (there !== undefined) at.set(there, at.get(own) ?? expect.fail());
      at.set(own, move.to);
    }
    const inTheWay = [...at].filter(([other, where]) => other !== comer && where === path);
    expect(inTheWay).toEqual([]);
    for (const { mailbox } of moves) expect(at.get(mailbox.guid)).toBe(standing.get(mailbox.guid));
  });

  plainTest("is not planned when the looks at the store do not fit together", () => {
    const logged = [0, 1, 2].map((n) => ({ guid: guid(n), path: place(n) }));
    const loggedAt = (path: string) => logged.find((mailbox) => mailbox.path === path);
    const stands = new Map([
      [guid(1), place(2)],
      [guid(2), place(1)],
    ]);
    // Mailbox 0 was found at place 1, and then mailbox 2 was.
    const plan = planVacating({ path: place(1), comer: guid(0) }, loggedAt, (wanted) => stands.get(wanted));
    expect(plan).toEqual({ moves: [], isTorn: true });
    const still = planVacating({ path: place(1), comer: guid(0) }, loggedAt, () => place(1));
    expect(still).toEqual({ moves: [], isTorn: true });
  });

  plainTest("takes nothing where nobody or the comer itself is", () => {
    const own = { guid: guid(0), path: place(0) };
    const nobody = planVacating(
      { path: place(3), comer: guid(0) },
      () => undefined,
      () => undefined,
    );
    expect(nobody).toEqual({ moves: [], isTorn: false });
    const self = planVacating(
      { path: place(0), comer: guid(0) },
      () => own,
      () => place(0),
    );
    expect(self).toEqual({ moves: [], isTorn: false });
  });
});
