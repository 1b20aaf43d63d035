/**
 * Stages the bodies of large transactions in a thread of its own, beside the one that prepares and applies others.
 *
 * It knows no mailboxes: `prepare` said where a transaction's bodies go, and they go into `tmp/` of that directory only if
 * what stands at the path is still it (device and inode); otherwise into the scratch directory, where whoever applies the
 * transaction looks as well. No path is followed through a link.
 * INVARIANT: all files of a transaction lie in one directory, which stays open: if its mailbox is renamed meanwhile the
 * directory, and what is staged in it, moves along.
 * INVARIANT: nothing of a transaction stays that was neither handed over nor made by a process that was killed.
 */
import { assert } from "../base/assert.js";
import type { Dir, Disk } from "../base/disk.js";
import { errnoOf } from "../base/errors.js";
import { openBelow } from "../base/open-below.js";
import { splitRaw } from "../base/raw-name.js";
import { TMP } from "../maildir/mailbox-files.js";
import type {
  AdoptedBody,
  BodyPart,
  BodyParts,
  KeyRequest,
  MailboxSite,
  StageOutcome,
  StageTicket,
} from "./apply-types.js";
import { closeBelow } from "./locate.js";
import { isWrongKind, openStore } from "./mailbox-place.js";
import { type StagingState, stagedName } from "./pending.js";
import { pinReplica } from "./pinned-root.js";
import { refusing } from "./refusing.js";
import { stageBody, stagePart } from "./stage.js";
import { makeStageDir } from "./stage-place.js";
import type { BeginRequest, StageMethods } from "./stage-types.js";

interface Apart extends StagingState {
  readonly ticket: StageTicket;
  /** Opened when the first body comes. */
  place: Dir | undefined;
}

/** The other thread removes the scratch directory of a mailbox when it is empty: once, when the mailbox was created. */
const PLACES_MAX = 3;

export class BodyStager implements StageMethods {
  readonly #disk: Disk;
  readonly #apartByKey = new Map<number, Apart>();

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  begin({ key, ticket }: BeginRequest): void {
    assert(!this.#apartByKey.has(key), `transaction ${key} has begun`);
    const maps = { staged: new Map(), partial: new Map(), gone: new Set<number>(), held: new Map() };
    this.#apartByKey.set(key, { key, expected: ticket.expected, ...maps, ticket, place: undefined });
  }

  stageMany({ key, bodies }: { readonly key: number; readonly bodies: readonly BodyParts[] }): StageOutcome {
    const apart = this.#of(key);
    return refusing(apart.expected, (): StageOutcome => {
      for (const body of bodies) {
        const outcome = this.#inPlace(apart, (tmp) => stageBody(tmp, apart, body));
        if (outcome.kind === "diverged") return outcome;
      }
      return { kind: "staged" };
    });
  }

  stagePart(part: BodyPart): StageOutcome {
    const apart = this.#of(part.key);
    return refusing(apart.expected, () => this.#inPlace(apart, (tmp) => stagePart(tmp, apart, part)));
  }

  handOver({ key }: KeyRequest): readonly AdoptedBody[] {
    const apart = this.#of(key);
    this.#close(apart);
    return [...apart.staged].map(([index, { ino }]) => ({ index, ino }));
  }

  drop({ key }: KeyRequest): void {
    const apart = this.#apartByKey.get(key);
    if (apart === undefined) return;
    try {
      // Where they cannot be reached they are left, for the next recovery.
      refusing(apart.expected, () => removeStaged(apart));
    } finally {
      this.#close(apart);
    }
  }

  #of(key: number): Apart {
    const apart = this.#apartByKey.get(key);
    assert(apart !== undefined, `transaction ${key} has not begun`);
    return apart;
  }

  #close(apart: Apart): void {
    this.#apartByKey.delete(apart.key);
    apart.place?.close();
    apart.place = undefined;
  }

  /** Runs `use` with the directory, or with another one when it has been removed. */
  #inPlace<T>(apart: Apart, use: (tmp: Dir) => T): T {
    for (let places = 1; ; places++) {
      try {
        return use(this.#placeOf(apart));
      } catch (error) {
        if (errnoOf(error) !== "ENOENT" || places === PLACES_MAX) throw error;
        this.#leave(apart);
      }
    }
  }

  /** What was in a directory that has been removed is staged no more: it will be found lacking, or not go on. */
  #leave(apart: Apart): void {
    removeStaged(apart);
    apart.place?.close();
    apart.place = undefined;
    apart.staged.clear();
    apart.partial.clear();
  }

  #placeOf(apart: Apart): Dir {
    const { ticket, expected } = apart;
    if (apart.place !== undefined) return apart.place;
    const disk = pinReplica(this.#disk, ticket);
    apart.place =
      (ticket.mailbox === undefined ? undefined : openTmp(disk, ticket.storeRoot, ticket.mailbox)) ??
      makeStageDir({ disk, options: ticket }, expected.mailbox);
    return apart.place;
  }
}

/** Undefined when the mailbox is not there any more, or has no `tmp/`. */
function openTmp(disk: Disk, storeRoot: string, { path, dev, ino }: MailboxSite): Dir | undefined {
  const root = openStore(disk, storeRoot);
  try {
    const mailbox = openUnlessWrong(root, path);
    if (mailbox === undefined) return undefined;
    try {
      return mailbox.dev === dev && mailbox.ino === ino ? mailbox.openDir(TMP) : undefined;
    } finally {
      closeBelow(root, mailbox);
    }
  } finally {
    root.close();
  }
}

function removeStaged({ key, place, staged, partial }: Apart): undefined {
  for (const index of [...staged.keys(), ...partial.keys()]) place?.unlink(stagedName(key, index));
}

/** A link or a file that has come to stand in its way is named when the transaction is applied. */
function openUnlessWrong(root: Dir, path: MailboxSite["path"]): Dir | undefined {
  try {
    return openBelow(root, splitRaw(path));
  } catch (error) {
    if (isWrongKind(error)) return undefined;
    throw error;
  }
}
