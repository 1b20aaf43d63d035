/**
 * `mailtwin undelete restore` on the source's host: what a replica on another host has in its limbo is had over a link, into files of the
 * source's state directory, and put back from there as any other removed mail (restoring.ts).
 *
 * INVARIANT: what has come whole is put back before more is asked for; a link that is cut leaves it, and the next call goes on behind it.
 */
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../base/clock.js";
import type { Dir } from "../../base/disk.js";
import { openNodeDisk } from "../../base/disk-node.js";
import { Disposer } from "../../base/disposal.js";
import { errnoOf } from "../../base/errors.js";
import { rawFromText } from "../../base/raw-name.js";
import { KNOWN_BODIES, KnownBodies } from "../../log/known-bodies.js";
import { openStateReader } from "../../log/state-reader.js";
import { isBaseName, isUid } from "../../maildir/ids.js";
import { splitBaseName } from "../../maildir/message-name.js";
import { LIMBO_READ_MAX } from "../../wire/limbo.js";
import type { Output } from "../output.js";
import { FETCHED } from "../reject/fetched-copies.js";
import { oneAtATime } from "../reject/one-at-a-time.js";
import { refuseOtherDirectory } from "../same-stores.js";
import { type FarLimbo, type FarPlace, filesOf, findFar, openFar, rowsOf } from "./far-limbo.js";
import type { FetchedFile, WantedFile } from "./fetch-limbo.js";
import { type Removed, removedMail, sinceOf } from "./removed-mail.js";
import {
  chosen,
  type Into,
  type PutBackName,
  type RestoreFlags,
  RestoreTelling,
  Restoring,
  refuseVague,
} from "./restoring.js";

/** A message that is larger is none that a mail server takes, whatever is said of it. */
const BODY_BYTES_MAX = 4 * 1024 ** 3;

const OTHER_BYTES =
  "its bytes in the limbo are not those that the source had (on the replica's host --to DIR has them as they are)";

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
  const meant = chosen(removedMail({ limbo: () => rows, mailboxes: () => mailboxes }, flags, nowMs), flags);
  const there = new Set(rows.flatMap(({ name, isThere }) => (isThere ? [name] : [])));
  const telling = new RestoreTelling(flags, output);
  using restoring = new Restoring({ source: place.source, known: mailboxes }, flags, telling.tell);
  const file = join(place.state, KNOWN_BODIES);
  using bodies = new KnownBodies(existsSync(file) ? file : undefined, "read");
  try {
    await new FarRestoring({ limbo, restoring, bodies, place, there }).run(meant);
  } finally {
    if (flags.dryRun !== true) removeFetched(place);
  }
  return telling.end();
}

interface Ports {
  readonly limbo: FarLimbo;
  readonly restoring: Restoring;
  readonly bodies: KnownBodies;
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
    const { name, base, size } = removed.row;
    if (!there.has(name)) {
      restoring.sayGone(removed);
      return;
    }
    if (!removed.isMailbox) {
      yield* this.#unlessSettled({ removed, into, file: { name, file: "", size }, name: { from: name, base } });
      return;
    }
    for await (const { file, size: bytes } of filesOf(limbo, name)) {
      const inside = splitBaseName(file.slice(file.indexOf("/") + 1));
      const named = { from: `${name}/${inside}`, base: inside };
      yield* this.#unlessSettled({ removed, into, file: { name, file, size: bytes }, name: named });
    }
  }

  *#unlessSettled(wanted: Wanted): Generator<Wanted> {
    const { restoring } = this.#ports;
    const { removed, into, name, file } = wanted;
    if (restoring.isSettled(removed, name, into)) return;
    if (file.size <= BODY_BYTES_MAX) yield wanted;
    else restoring.say(removed, { event: "not-restored", words: `it is said to have ${file.size} bytes` });
  }

  async #restore(batch: readonly Wanted[]): Promise<void> {
    const { limbo, place } = this.#ports;
    for (let at = 0; at < batch.length; ) {
      const left = batch.slice(at);
      const fetched = await limbo.fetch(left.map(({ file }) => file));
      const dir = openNodeDisk().openRoot(rawFromText(join(place.state, FETCHED)));
      try {
        for (const [index, wanted] of left.slice(0, fetched.length).entries())
          this.#settle(wanted, fetched[index], dir, String(index));
      } finally {
        dir?.close();
      }
      at += fetched.length;
    }
  }

  #settle(wanted: Wanted, fetched: FetchedFile | undefined, dir: Dir | undefined, name: string): void {
    const { restoring } = this.#ports;
    const { removed, into } = wanted;
    const refuse = (words: string) => restoring.say(removed, { event: "not-restored", words });
    if (fetched?.why !== undefined) {
      refuse(fetched.why);
      return;
    }
    if (fetched === undefined || dir === undefined) {
      refuse("its file went from the state directory");
      return;
    }
    if (this.#isOther(wanted, fetched.sha256)) {
      refuse(OTHER_BYTES);
      return;
    }
    const base = isTrueOf(wanted, fetched.virtualSize) ? wanted.name.base : "";
    restoring.trying(removed, () => {
      restoring.put(removed, { dir, name, from: wanted.name.from, base }, into);
      dir.unlink(name);
    });
  }

  /** Of a message whose bytes the source remembers. */
  #isOther({ removed, file }: Wanted, sha256: string): boolean {
    const { mailbox, uid, base } = removed.row;
    if (removed.isMailbox || !isUid(uid) || !isBaseName(base)) return false;
    const [known] = this.#ports.bodies.read(mailbox, [{ uid, base }]);
    return known !== undefined && (known.sha256 !== sha256 || known.size !== file.size);
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
