/**
 * A comparison that narrows down offers what a naive comparison of all messages comes to, whatever differs, wherever it stands, and
 * whenever the replica forgets what it has looked at. Over a compressed link, of mailboxes large enough for all levels.
 */
import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { stateOfRecord } from "../../../src/log/baseline-chunk.js";
import type { BaselineRecord } from "../../../src/log/state-types.js";
import { parseUid } from "../../../src/maildir/ids.js";
import { countForeign, planMessages } from "../../../src/resync/plan-messages.js";
import type { Answer, ComparedMessage } from "../../../src/wire/messages.js";
import { heldOf, numbersOf, recordOf, SyntheticPair } from "../../unit/agent/synthetic-pair.js";
import { tries } from "../tries.js";

const KINDS = ["flag", "lacking", "lost", "foreign", "expunged", "moved", "own", "fields", "second"] as const;

interface Case {
  readonly messages: number;
  /** From one UID to the next, at the most. */
  readonly gap: number;
  readonly firstUid: number;
  readonly edits: readonly { readonly kind: (typeof KINDS)[number]; readonly at: number }[];
  /** Edits are near each other. */
  readonly isNear: boolean;
  /** All messages but those that are edited are the replica's own. */
  readonly isForeign: boolean;
  readonly lookedAtOnce: number;
  readonly forgetsBefore: number | undefined;
  readonly seed: number;
}

const cases: fc.Arbitrary<Case> = fc.record({
  messages: fc.oneof(fc.nat(40), fc.nat(400), fc.nat(3000)),
  gap: fc.constantFrom(1, 2, 9, 200, 70_000),
  firstUid: fc.constantFrom(1, 2, 127, 128, 5_000_000),
  edits: fc.array(fc.record({ kind: fc.constantFrom(...KINDS), at: fc.nat(1_000_000) }), { maxLength: 120 }),
  isNear: fc.boolean(),
  isForeign: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, fc.constant(true)),
  lookedAtOnce: fc.constantFrom(65_536, 700),
  forgetsBefore: fc.oneof(fc.constant(undefined), fc.integer({ min: 2, max: 7 })),
  seed: fc.nat(),
});

/** Both ascending by UID. */
function sidesOf({ messages, gap, firstUid, edits, isNear, isForeign, seed }: Case) {
  const next = numbersOf(seed);
  const source = new Map<number, BaselineRecord>();
  for (let [left, uid] = [messages, firstUid]; left > 0; left--, uid += 1 + next(gap))
    source.set(uid, recordOf(uid, next));
  const held = isForeign ? "foreign" : "applied";
  const replica = new Map([...source].map(([uid, record]) => [uid, heldOf(stateOfRecord(record), held)]));
  const uids = [...source.keys()];
  for (const { kind, at } of edits) {
    const place = isNear ? uids.length / 2 + (at % 40) : at;
    const uid = uids[Math.floor(place) % Math.max(1, uids.length)] ?? 0;
    const [own, there] = [source.get(uid), replica.get(uid)];
    if (own === undefined || there === undefined) continue;
    const put = (more: Partial<ComparedMessage>) => replica.set(uid, { ...there, ...more });
    if (kind === "flag") put({ flags: there.flags ^ 4 });
    else if (kind === "lacking") replica.delete(uid);
    else if (kind === "lost" || kind === "second") put({ held: "lost" });
    else if (kind === "foreign") put({ held: "foreign" });
    else if (kind === "fields") put({ fields: "P12" });
    else if (kind === "expunged") source.delete(uid);
    else if (kind === "own") {
      const free = uid + 1;
      if (!source.has(free) && !replica.has(free))
        replica.set(free, heldOf(stateOfRecord(recordOf(free, next)), "foreign"));
    } else {
      const free = (uids.at(-1) ?? 0) + 1 + (at % 3000);
      if (source.has(free) || replica.has(free)) continue;
      source.delete(uid);
      source.set(free, { ...own, uid: parseUid(free) });
    }
  }
  const ascending = <T extends { readonly uid: number }>(all: Map<number, T>) =>
    [...all.values()].sort((a, b) => a.uid - b.uid);
  return { source: ascending(source), replica: ascending(replica) };
}

test.prop([cases], tries(40))(
  "narrowing down offers what a naive comparison comes to",
  async (it) => {
    const { source, replica } = sidesOf(it);
    using pair = await SyntheticPair.open();
    pair.lookedAtOnce = it.lookedAtOnce;
    pair.forgetsBefore = it.forgetsBefore;
    const { compared, changes, told } = await pair.compare(source, replica);
    const states = source.map(stateOfRecord);
    const planned = planMessages(replica, states);
    expect(changes).toStrictEqual(planned);
    const counts = { messages: source.length, differed: planned.length, foreign: countForeign(replica, states) };
    expect(compared).toStrictEqual({ kind: "equal", lsn: 1, counts });
    const isLost = it.forgetsBefore !== undefined; // then equal ones may be told, too.
    if (planned.length === 0 && counts.foreign === 0 && !isLost) expect(told).toBe(0);
  },
  120_000,
);

interface Lies {
  readonly seed: number;
  /** One of so many parts has another bit. */
  readonly each: number;
  readonly hasOthers: boolean | undefined;
}

const lies: fc.Arbitrary<Lies> = fc.record({
  seed: fc.nat(),
  each: fc.constantFrom(1, 2, 50, 5_000),
  hasOthers: fc.constantFrom(true, false, undefined),
});

/** Of what differs: well-formed, and not so. */
function liar({ seed, each, hasOthers }: Lies): (answer: Answer) => Answer {
  const next = numbersOf(seed);
  return (answer) => {
    if (answer.kind !== "compare" || answer.differing === undefined || answer.differing.isEqual) return answer;
    const { differing } = answer;
    // The last byte may have bits of no part, and stays as it is.
    const bits = differing.bits.map((byte, at) =>
      at === differing.bits.length - 1 || next(each) > 0 ? byte : next(256),
    );
    return { ...answer, differing: { ...differing, bits, hasOthers: hasOthers ?? differing.hasOthers } };
  };
}

test.prop([cases, lies], tries(30))(
  "a replica that says that other parts differ gets no change that a naive comparison would not make, and it ends",
  async (it, how) => {
    const { source, replica } = sidesOf(it);
    using pair = await SyntheticPair.open();
    pair.lie = liar(how);
    const { compared, changes, questions } = await pair.compare(source, replica);
    expect(compared.kind).toBe("equal");
    const planned = planMessages(replica, source.map(stateOfRecord)).map((change) => JSON.stringify(change));
    // What it hides may be one half of a move.
    const isMoved = it.edits.some(({ kind }) => kind === "moved");
    if (!isMoved) expect(changes.filter((change) => !planned.includes(JSON.stringify(change)))).toStrictEqual([]);
    expect(questions.length).toBeLessThan(200);
  },
  120_000,
);
