/**
 * Notes whose twin a replica is, as its source says it over a link: in the scratch directory, and beside the store where that is elsewhere.
 */
import type { Site } from "../../base/disk.js";
import type { Disposer } from "../../base/disposal.js";
import type { OpenedSource } from "../../wire/opening.js";
import type { ReplicaPlaces } from "../half-places.js";
import { noteLineage, refuseRing } from "../lineage.js";
import { openBeside, type PlaceBeside } from "../note-beside.js";
import { scratchRefusal } from "../place-rules.js";
import type { ReplicaSide } from "../replica-side.js";

interface NoteTaking {
  readonly places: ReplicaPlaces;
  readonly scratchSite: Site;
  readonly side: ReplicaSide;
  readonly by: "daemon" | undefined;
}

/** Whether mail was written there by another log than that one. */
export function isOfAnother({ reader }: ReplicaSide, logId: string): boolean {
  return reader.mailboxes().length > 0 && !reader.hasApplied(logId);
}

/**
 * A source that does not say what it is a twin of changes nothing; nor does one that the replica is not of. What is returned throws:
 * stores-swapped, stores-overlap, system errors.
 */
export function noteTaker(
  { places: { store, scratch }, scratchSite, side, by }: NoteTaking,
  owner: Disposer,
): (source: OpenedSource) => void {
  const inScratch = { path: scratch, site: scratchSite, refuse: scratchRefusal(scratch) };
  const takeBack: (() => void)[] = [];
  let beside: PlaceBeside | undefined;
  // Before the scratch directory is let go of. The source was refused, hung up, or had nothing to be done: nothing was twinned.
  owner.defer(() => {
    if (side.reader.mailboxes().length === 0) for (const undo of takeBack) undo();
    beside?.[Symbol.dispose]();
  });
  return ({ lineage, logId }) => {
    refuseRing(store, lineage);
    if (lineage.length === 0 || isOfAnother(side, logId)) return;
    const isFirst = takeBack.length === 0;
    const undo = noteLineage(inScratch, { lineage, by });
    beside ??= openBeside({ source: undefined, destination: store, scratch });
    const undoBeside = beside?.note((place) => noteLineage(place, { lineage, by }));
    if (isFirst) takeBack.push(undo, ...(undoBeside === undefined ? [] : [undoBeside]));
  };
}
