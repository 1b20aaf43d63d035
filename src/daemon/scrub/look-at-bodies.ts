/**
 * Reads some bodies of one mailbox on both sides, and judges those that differ. Writes nothing, but what those are that nobody had read before.
 *
 * INVARIANT: what is told differed twice, in the same way: what is on its way is none of it.
 */
import type { Clock } from "../../base/clock.js";
import type { NotedBody } from "../../log/known-bodies.js";
import type { Uid } from "../../maildir/ids.js";
import { type JudgedBody, type JudgedPlace, type JudgingPorts, judgeBodies } from "../../resync/judge-bodies.js";
import type { SummedSide } from "../../resync/sums-types.js";
import type { BodyNotes } from "../body-notes.js";

export type ReadingSide = Pick<SummedSide, "hashes" | "states">;

export interface LookPorts extends Pick<JudgingPorts, "loggedSize"> {
  /** `a`: the source. */
  readonly sides: { readonly a: ReadingSide; readonly b: ReadingSide };
  readonly notes: Pick<BodyNotes, "known" | "note">;
  readonly clock: Pick<Clock, "sleep">;
}

export interface LookedAt {
  /** That could be read on both sides. */
  readonly read: number;
  /** Not those that are equal. */
  readonly judged: readonly JudgedBody[];
}

/** What was captured a moment ago is on the replica by then. */
const SETTLE_MS = 2_000;

/** `uids` ascend, at most `STATES_MAX`. Throws what the sides throw: compared-unknown, the end of the link. */
export async function lookAtBodies(
  ports: LookPorts,
  place: JudgedPlace,
  uids: readonly Uid[],
  signal: AbortSignal,
): Promise<LookedAt> {
  const first = await judgeOnce(ports, place, uids, signal);
  const { read } = first;
  const news = first.judged.flatMap((it) => (it.verdict.kind === "equal" && it.isNews ? [notedOf(place, it)] : []));
  await ports.notes.note(news.flat());
  const doubtful = first.judged.filter(({ verdict }) => verdict.kind !== "equal");
  if (doubtful.length === 0) return { read, judged: [] };
  await ports.clock.sleep(SETTLE_MS, signal);
  const again = await judgeOnce(
    ports,
    place,
    doubtful.map(({ uid }) => uid),
    signal,
  );
  const before = new Map(doubtful.map((it) => [it.uid, wordOf(it)]));
  return {
    read,
    judged: again.judged.filter((it) => it.verdict.kind !== "equal" && before.get(it.uid) === wordOf(it)),
  };
}

interface Judgement extends JudgedBody {
  /** Nobody has read it before. */
  readonly isNews: boolean;
}

async function judgeOnce(
  { sides, notes, loggedSize }: LookPorts,
  place: JudgedPlace,
  uids: readonly Uid[],
  signal: AbortSignal,
): Promise<{ readonly read: number; readonly judged: readonly Judgement[] }> {
  const [ofA, ofB] = await Promise.all([
    sides.a.hashes({ path: place.a, uids }, signal),
    sides.b.hashes({ path: place.b, uids }, signal),
  ]);
  const bodies = uids.map((uid, index) => ({ uid, a: ofA[index], b: ofB[index] }));
  const unknown = new Set<Uid>();
  const known: JudgingPorts["known"] = async (guid, names) => {
    const words = await notes.known(guid, names);
    for (const [index, { uid }] of names.entries()) if (words[index] === undefined) unknown.add(uid);
    return words;
  };
  const judged = await judgeBodies({ sides, known, loggedSize }, place, bodies, signal);
  const read = bodies.filter(({ a, b }) => a !== undefined && b !== undefined).length;
  return { read, judged: judged.map((it) => ({ ...it, isNews: unknown.has(it.uid) })) };
}

function notedOf({ guid: mailbox }: JudgedPlace, { uid, base, size, sha256 }: JudgedBody): NotedBody[] {
  return sha256 === undefined ? [] : [{ mailbox, uid, base, size, sha256 }];
}

function wordOf({ base, verdict, sha256 }: JudgedBody): string {
  return JSON.stringify([base, verdict, sha256]);
}
