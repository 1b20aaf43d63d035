/**
 * `mailtwin undelete restore` on the source's host: what a replica on another host has in its limbo is had over a link, into files of the
 * source's state directory, and put back from there as any other removed mail (restoring.ts).
 *
 * INVARIANT: what has come whole is put back before more is asked for; a link that is cut leaves it, and the next call goes on behind it.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../base/clock.js";
import type { Dir } from "../../base/disk.js";
import { openNodeDisk } from "../../base/disk-node.js";
import { Disposer } from "../../base/disposal.js";
import { errnoOf } from "../../base/errors.js";
import { rawFromText } from "../../base/raw-name.js";
import type { KnownBody } from "../../log/known-bodies.js";
import { openStateReader } from "../../log/state-reader.js";
import { splitBaseName } from "../../maildir/message-name.js";
import { LIMBO_READ_MAX } from "../../wire/limbo.js";
import type { Output } from "../output.js";
import { FETCHED } from "../reject/fetched-copies.js";
import { oneAtATime } from "../reject/one-at-a-time.js";
import { refuseOtherDirectory } from "../same-stores.js";
import { type FarLimbo, type FarPlace, FILES_MAX, type FilesBudget, filesOf, findFar, rowsOf } from "./far-limbo.js";
import { type FetchedFile, fetchedFileName, type WantedFile } from "./fetch-limbo.js";
import { NotedBytes } from "./noted-bytes.js";
import { openFar } from "./open-far.js";
import { tagOf } from "./put-back.js";
import { type Removed, removedMail, sinceOf, whyNothing } from "./removed-mail.js";
import {
  chosen,
  type Into,
  type PutBackName,
  type RestoreFlags,
  RestoreTelling,
  Restoring,
  refuseVague,
} from "./restoring.js";

const AS_THEY_ARE = "on the replica's host --to DIR";
const WENT = "its file went from the state directory, as somebody else had mail fetched: say the same again";

/** Returns the exit code: 1 where not all of it could be put back. Throws: as `findFar`, `openFar`, `rowsOf`; usage, not-in-limbo. */
export async function restoreFar(
  source: string | undefined,
  destination: string | undefined,
  flags: RestoreFlags,
  output: Output,
): Promise<number> {
  refuseVague(flags);
  const nowMs = systemClock.nowMs();
  const sinceMs = sinceOf(flags, nowMs);
  const place = findFar(source, destination, flags);
  using reader = openStateReader(join(place.state, "source.db"));
  if (flags.to === undefined) refuseOtherDirectory(reader, { path: place.source, site: place.site });
  using _one = flags.dryRun === true ? undefined : await oneAtATime(place.state);
  await using owner = new Disposer();
  const limbo = await openFar(place, flags, { owner, output });
  const rows = await rowsOf(limbo, sinceMs);
  const mailboxes = reader.mailboxes();
  const known = { limbo: () => rows, mailboxes: () => mailboxes };
  const meant = chosen(removedMail(known, flags, nowMs), flags, {
    isFar: true,
    nothing: () => whyNothing(known, flags, true),
  });
  const there = new Set(rows.flatMap(({ name, isThere }) => (isThere ? [name] : [])));
  const telling = new RestoreTelling(flags, output);
  const restoring = new Restoring({ source: place.source, known: mailboxes }, flags, telling.tell);
  using noted = new NotedBytes(place.state, AS_THEY_ARE);
  try {
    await new FarRestoring({ limbo, restoring, noted, place, there }).run(meant);
  } finally {
    if (flags.dryRun !== true) removeFetched(place);
  }
  return telling.end();
}

interface Ports {
  readonly limbo: FarLimbo;
  readonly restoring: Restoring;
  readonly noted: NotedBytes;
  readonly place: FarPlace;
  /** Names of rows that can be had. */
  readonly there: ReadonlySet<string>;
}

/** A message that is to be had. */
interface Wanted {
  readonly removed: Removed;
  readonly into: Into;
  readonly file: WantedFile;
  readonly name: PutBackName;
}

class FarRestoring {
  readonly #ports: Ports;
  readonly #files: FilesBudget = { left: FILES_MAX };

  constructor(ports: Ports) {
    this.#ports = ports;
  }

  async run(meant: readonly Removed[]): Promise<void> {
    let batch: Wanted[] = [];
    for (const removed of meant)
      for await (const wanted of this.#wantedOf(removed)) {
        batch.push(wanted);
        if (batch.length < LIMBO_READ_MAX) continue;
        await this.#restore(batch);
        batch = [];
      }
    await this.#restore(batch);
  }

  /** What has to be fetched; of all else it is said what became of it. */
  async *#wantedOf(removed: Removed): AsyncGenerator<Wanted> {
    const { limbo, restoring, there } = this.#ports;
    const into = restoring.intoFor(removed);
    if (into === undefined) return;
    const { row } = removed;
    const { name, base, size } = row;
    if (!there.has(name)) {
      restoring.sayGone(removed);
      return;
    }
    if (!removed.isMailbox) {
      const named = { from: name, base, tag: tagOf(row, size) };
      yield* this.#unlessSettled({ removed, into, file: { name, file: "", size }, name: named });
      return;
    }
    for await (const { file, size: bytes } of filesOf(limbo, name, this.#files)) {
      const inside = splitBaseName(file.slice(file.indexOf("/") + 1));
      const named = { from: `${name}/${inside}`, base: inside, tag: tagOf(row, bytes, inside) };
      yield* this.#unlessSettled({ removed, into, file: { name, file, size: bytes }, name: named });
    }
  }

  *#unlessSettled(wanted: Wanted): Generator<Wanted> {
    const { restoring } = this.#ports;
    if (!restoring.isSettled(wanted.removed, wanted.name, wanted.into)) yield wanted;
  }

  async #restore(batch: readonly Wanted[]): Promise<void> {
    const { limbo, place } = this.#ports;
    for (let at = 0; at < batch.length; ) {
      const left = batch.slice(at);
      const fetched = await limbo.fetch(left.map(({ file }) => file));
      const dir = openNodeDisk().openRoot(rawFromText(join(place.state, FETCHED)));
      try {
        for (const [index, wanted] of left.slice(0, fetched.length).entries())
          this.#settle(wanted, fetched[index], dir);
      } finally {
        dir?.close();
      }
      at += fetched.length;
    }
  }

  #settle(wanted: Wanted, fetched: FetchedFile | undefined, dir: Dir | undefined): void {
    const { restoring, noted } = this.#ports;
    const { removed, into } = wanted;
    const { base } = wanted.name;
    const { size } = wanted.file;
    const name = fetchedFileName(wanted.file);
    const refuse = (words: string) => restoring.say(removed, { event: "not-restored", words });
    if (fetched?.why !== undefined) {
      refuse(fetched.why);
      return;
    }
    if (fetched === undefined || dir?.stat(name) === undefined) {
      refuse(WENT);
      return;
    }
    const { sha256, virtualSize } = fetched;
    const { mailbox, uid } = removed.row;
    const other = noted.whyOther({ mailbox, uid, base }, { sha256, size });
    if (other !== undefined) {
      refuse(other);
      return;
    }
    const named = { ...wanted.name, base: isTrueOf(wanted, virtualSize) ? base : "" };
    const whyNot = (copied: KnownBody) => (copied.sha256 === sha256 && copied.size === size ? undefined : WENT);
    restoring.trying(removed, () => {
      restoring.put(removed, { dir, name, ...named, whyNot }, into);
      dir.unlink(name);
    });
  }
}

/** Dovecot believes the sizes that a name has noted: they go along only where they are true. */
function isTrueOf({ name, file }: Wanted, virtualSize: number): boolean {
  const [, size, virtual = String(virtualSize)] = /,S=(\d+)(?:,W=(\d+))?$/.exec(name.base) ?? [];
  return size === String(file.size) && virtual === String(virtualSize);
}

/** Nothing is left but what the system does not let go: the next call removes that. */
function removeFetched({ state }: FarPlace): void {
  try {
    rmSync(join(state, FETCHED), { recursive: true, force: true });
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
  }
}
