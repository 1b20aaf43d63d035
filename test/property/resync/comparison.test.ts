/** What a comparison of two states comes to, for any two of them. */
import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { openHash } from "../../../src/base/hash.js";
import { planMessages } from "../../../src/resync/plan-messages.js";
import { applyChanges } from "../../../src/txn/apply-changes.js";
import { StateDigester, sameDigest } from "../../../src/txn/digest.js";
import { MarkedUids } from "../../../src/txn/marked-uids.js";
import { type MessageState, NO_MARKS, sameRecordFields } from "../../../src/txn/message-state.js";
import type { ComparedMessage } from "../../../src/wire/messages.js";
import { tries } from "../tries.js";
import { mailboxState } from "../txn/arbitraries.js";

const UID_MAX = 12;

interface Case {
  readonly source: readonly MessageState[];
  readonly replica: readonly ComparedMessage[];
}

/** Of the replica's messages, how each is held; foreign ones stand where the source has none. */
const cases: fc.Arbitrary<Case> = fc
  .tuple(
    mailboxState,
    mailboxState,
    fc.array(fc.constantFrom("applied", "foreign", "lost"), { minLength: 8, maxLength: 8 }),
  )
  .map(([source, states, held]) => {
    const uids = new Set(source.map(({ uid }) => uid));
    const bases = new Set(source.map(({ base }) => base));
    const replica = states.flatMap((state, at): ComparedMessage[] => {
      const how = held[at] ?? "applied";
      const isFree = !uids.has(state.uid) && !bases.has(state.base);
      if (how === "foreign") return isFree ? [{ ...state, held: how }] : [];
      if (how === "lost") return isFree ? [{ ...state, held: how }] : [];
      return [{ ...state, held: "applied" as const }];
    });
    return { source, replica };
  });

const digester = new StateDigester(await openHash());

/** As a comparison sums them up. */
function sumOf(states: readonly MessageState[]) {
  const marked = new MarkedUids(0);
  for (const state of states) marked.add(state.uid, digester.halvesWithFields(state));
  return marked.digest;
}

/** The message, in another state. */
const alike = ({ uid, base }: MessageState, other: MessageState | undefined): MessageState => {
  return { ...(other ?? { ...NO_MARKS, size: 0, mtimeS: 0, fields: "" }), uid, base };
};

const plain = ({ held: _, ...state }: ComparedMessage): MessageState => state;

/** What stands on the replica when the changes were applied. */
function outcome(replica: readonly ComparedMessage[], changes: ReturnType<typeof planMessages>): MessageState[] {
  const lost = new Set(replica.filter(({ held }) => held === "lost").map(({ uid }) => uid as number));
  const standing = replica.filter(({ held }) => held !== "lost").map(plain);
  const real = changes.filter((change) => change.kind !== "expunge" || !lost.has(change.uid));
  return applyChanges(standing, real);
}

/** Sizes that a record caches are each Dovecot's own. */
function withOwnFields(states: readonly MessageState[], source: readonly MessageState[]): MessageState[] {
  const byUid = new Map(source.map((state) => [state.uid, state]));
  return states.map((state) => {
    const twin = byUid.get(state.uid);
    return twin !== undefined && sameRecordFields(state.fields, twin.fields)
      ? { ...state, fields: twin.fields }
      : state;
  });
}

describe("a comparison", () => {
  test.prop([cases], tries())(
    "ends in the source's state, and what only the replica has stays",
    ({ source, replica }) => {
      const foreign = replica.filter(({ held }) => held === "foreign").map(plain);
      const wanted = [...source, ...foreign].sort((a, b) => a.uid - b.uid);
      const after = outcome(replica, planMessages(replica, source));
      expect(withOwnFields(after, source)).toStrictEqual(wanted);
    },
  );

  test.prop([cases, fc.array(fc.integer({ min: 1, max: UID_MAX }), { maxLength: 3 })], tries())(
    "by ranges of UIDs comes to the same",
    ({ source, replica }, cuts) => {
      const bounds = [...new Set([...cuts, UID_MAX])].sort((a, b) => a - b);
      let states = replica.filter(({ held }) => held !== "lost").map(plain);
      let from = 0;
      for (const upTo of bounds) {
        const isIn = ({ uid }: MessageState): boolean => uid > from && uid <= upTo;
        const changes = planMessages(replica.filter(isIn), source.filter(isIn));
        const lost = new Set(replica.filter(({ held }) => held === "lost").map(({ uid }) => uid as number));
        states = applyChanges(
          states,
          changes.filter((change) => change.kind !== "expunge" || !lost.has(change.uid)),
        );
        from = upTo;
      }
      const foreign = replica.filter(({ held }) => held === "foreign").map(plain);
      expect(withOwnFields(states, source)).toStrictEqual([...source, ...foreign].sort((a, b) => a.uid - b.uid));
    },
  );

  test.prop([mailboxState], tries())("of what is equal has no change", (states) => {
    const replica = states.map((state) => ({ ...state, held: "applied" as const }));
    expect(planMessages(replica, states)).toStrictEqual([]);
  });

  test.prop([mailboxState], tries())("takes on what is equal and was not written by replication", (states) => {
    const replica = states.map((state) => ({ ...state, held: "foreign" as const }));
    const saves = planMessages(replica, states).map((change) => (change.kind === "save" ? change.message : undefined));
    expect(saves).toStrictEqual(states);
  });

  test.prop([mailboxState, mailboxState, fc.nat(12)], tries(300))(
    "has a change exactly where the sums differ",
    (states, other, pick) => {
      // One message differs, or all may.
      const source = pick < states.length ? states.map((it, at) => (at === pick ? alike(it, other[0]) : it)) : other;
      const replica = states.map((state) => ({ ...state, held: "applied" as const }));
      const isSame = sameDigest(sumOf(states), sumOf(source));
      expect(isSame).toBe(planMessages(replica, source).length === 0);
    },
  );

  test.prop([cases], tries())("names what is lost on the replica only to have it forgotten", ({ source, replica }) => {
    const changes = planMessages(replica, source);
    for (const { uid, base, held } of replica) {
      if (held === "lost") expect(changes).toContainEqual({ kind: "expunge", uid, base });
    }
  });
});
