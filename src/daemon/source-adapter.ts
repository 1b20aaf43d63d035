/**
 * The source's capture as a replay agent sees it.
 *
 * INVARIANT: where a mailbox is, and what is in it, is read from the database that the log is read from: a transaction and the row of its mailbox are
 * one commit, and visible together. The capture hears of a commit later, by a message of another thread, and till then would call
 * a new mailbox gone, bodies and all.
 */
import type { SourceSide as AgentsSource, LoggedFile } from "../agent/source-side.js";
import { systemClock } from "../base/clock.js";
import type { FileLook } from "../capture/capture-types.js";
import { lookAtFiles } from "../capture/look-at-files.js";
import { readUids } from "../capture/read-uids.js";
import type { StateReader } from "../log/state-ports.js";
import type { MailboxGuid, Uid } from "../maildir/ids.js";
import { type BodyNotes, loggedSize } from "./body-notes.js";
import type { SourceSide } from "./source-side.js";

type Known = Pick<BodyNotes, "known">;

export function adaptSource({
  notes,
  ...side
}: Pick<SourceSide, "reader" | "capturer" | "worker"> & { readonly notes: Known }): AgentsSource {
  const { reader, capturer, worker } = side;
  return {
    get isLive() {
      return capturer.isWatching;
    },
    get sweeps() {
      return capturer.counts.sweeps;
    },
    fresh: capturer.fresh,
    pathOf: (guid) => reader.mailboxByGuid(guid)?.path,
    uidNextOf: (guid) => reader.mailboxByGuid(guid)?.uidNext ?? 1,
    uidsAmong: (query) => readUids(reader, query),
    lookAgain(guid) {
      const path = reader.mailboxByGuid(guid)?.path;
      if (path !== undefined) capturer.markFull(path, "confirm");
      capturer.sweepSoon();
    },
    async lookAtFiles(guid, files) {
      const kept = reader.replicas().length > 1 ? await readBefore({ reader, notes }, guid, files) : new Set<Uid>();
      const looks = files.map(({ uid }): FileLook => ({ uid, notes: kept.has(uid) ? "date" : "all" }));
      await lookAtFiles({ ...side, clock: systemClock }, guid, looks);
      return [...kept];
    },
    whyHeld: (of) => worker.call("whyHeld", of),
    describe: (where) => worker.call("describe", where),
    renumber: (...args) => capturer.renumbering.renumber(...args),
    raiseNextUid: (...args) => capturer.renumbering.raiseNextUid(...args),
  };
}

/** Those that were read whole when they were what the log says: a replica may have them so. */
async function readBefore(
  { reader, notes }: { readonly reader: Pick<StateReader, "mailboxByGuid" | "chunk">; readonly notes: Known },
  guid: MailboxGuid,
  files: readonly LoggedFile[],
): Promise<ReadonlySet<Uid>> {
  const known = await notes.known(guid, files);
  const isKept = (file: LoggedFile, i: number) => {
    const size = known[i]?.size;
    return size !== undefined && size === loggedSize(reader, guid, file);
  };
  return new Set(files.filter(isKept).map(({ uid }) => uid));
}
