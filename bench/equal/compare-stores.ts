/**
 * Says whether two stores are equal to an IMAP client, and if not, what differs: an independent judge that shares no code
 * with the program's own reading of Maildir.
 *
 * A is the source, B the replica. Both should be at rest. Memory holds one mailbox of each side at a time, and the paths of all
 * bodies where these are compared.
 */
import { lstatSync, readlinkSync } from "node:fs";
import { displayRaw, nodePath, rawFromText } from "../../src/base/raw-name.js";
import { type BodyPair, sameBytes } from "./bodies.js";
import { compareMailboxes, type MailboxCounts } from "./compare-mailboxes.js";
import { type Difference, type DifferenceKind, Differences } from "./difference.js";
import { type MailboxReading, readIfThere, readMailbox } from "./read-mailbox.js";
import { walkStore } from "./walk-store.js";

export interface CompareOptions {
  /** Read all bodies of both sides and compare them; files that are one inode are equal without reading. */
  readonly bodies: boolean;
  /** Demand the very same file names, keyword files and uidlist bytes: for plain copies, never for a live replica. */
  readonly exact: boolean;
  /** Also what lies beside the mail: subscriptions, scripts, counters. mailtwin does not carry these yet. */
  readonly sideFiles: boolean;
  /** How many differences are kept in words; all are counted. */
  readonly keptMax: number;
}

export interface StoreComparison {
  readonly equal: boolean;
  /** The first `keptMax`. */
  readonly differences: readonly Difference[];
  readonly total: number;
  readonly countByKind: Readonly<Partial<Record<DifferenceKind, number>>>;
  readonly mailboxes: number;
  readonly messages: number;
  readonly bytes: number;
  readonly unnumbered: number;
  readonly deadRecords: number;
}

export const DEFAULT_COMPARE: CompareOptions = { bodies: true, exact: false, sideFiles: false, keptMax: 100 };

/** A comparison whose bodies are still to be compared. */
export interface PartialComparison {
  /** The files whose bytes must be the same: of one size, and not one inode. None when bodies are not wanted. */
  readonly pairs: readonly BodyPair[];
  readonly addDifferentBody: (pair: BodyPair) => void;
  /** The comparison with what has been added so far. */
  readonly result: () => StoreComparison;
}

/** Compares the stores at two paths. Throws system errors when one of them cannot be read. */
export function compareStores(
  pathA: string,
  pathB: string,
  options: CompareOptions = DEFAULT_COMPARE,
): StoreComparison {
  const partial = compareAllButBodies(pathA, pathB, options);
  for (const pair of partial.pairs) if (!sameBytes(pair.pathA, pair.pathB)) partial.addDifferentBody(pair);
  return partial.result();
}

/** Everything that is told without reading the messages. Throws system errors. */
export function compareAllButBodies(pathA: string, pathB: string, options: CompareOptions): PartialComparison {
  const rootA = rawFromText(pathA);
  const rootB = rawFromText(pathB);
  const walkA = walkStore(rootA);
  const walkB = walkStore(rootB);
  const found = new Differences(options.keptMax);
  const counts: MailboxCounts = { messages: 0, bytes: 0, unnumbered: 0, deadRecords: 0 };
  const pairs: BodyPair[] = [];
  const inA = new Set(walkA.mailboxes);
  const inB = new Set(walkB.mailboxes);
  let mailboxes = 0;
  for (const mailbox of walkB.mailboxes)
    if (!inA.has(mailbox)) found.add("mailbox-extra", mailbox, "is a mailbox in B only");
  for (const mailbox of walkA.mailboxes) {
    if (!inB.has(mailbox)) {
      found.add("mailbox-missing", mailbox, "is a mailbox in A only");
      continue;
    }
    mailboxes++;
    const a = readMailbox(below(rootA, mailbox));
    const b = readMailbox(below(rootB, mailbox));
    compareMailboxes({ mailbox, a, b, exact: options.exact }, found, counts);
    if (options.exact)
      compareFiles(
        { rootA, rootB },
        mailbox === "" ? CONTENT_FILES : CONTENT_FILES.map((name) => `${mailbox}/${name}`),
        found,
      );
    if (options.bodies) collectBodies({ mailbox, a, b, rootA, rootB }, pairs);
  }
  if (options.sideFiles) {
    compareSideFiles({ rootA, rootB, a: walkA.others, b: walkB.others }, found);
    compareUidValidityCounters({ rootA, rootB }, walkA.mailboxes, found);
  }
  return {
    pairs,
    addDifferentBody: ({ mailbox, base }) => found.add("bytes", mailbox, `the bytes of ${displayRaw(base)} differ`),
    result: () => {
      const { kept, total } = found;
      return { equal: total === 0, differences: kept, total, countByKind: found.countByKind(), mailboxes, ...counts };
    },
  };
}

const CONTENT_FILES = ["dovecot-uidlist", "dovecot-keywords"];

interface Roots {
  readonly rootA: string;
  readonly rootB: string;
}

function collectBodies(
  sides: Roots & { readonly mailbox: string; readonly a: MailboxReading; readonly b: MailboxReading },
  pairs: BodyPair[],
): void {
  const { mailbox, a, b } = sides;
  const pathA = below(sides.rootA, mailbox);
  const pathB = below(sides.rootB, mailbox);
  for (const [base, message] of a.messageByBase) {
    const other = b.messageByBase.get(base);
    if (other === undefined || message.size !== other.size) continue;
    if (message.dev === other.dev && message.ino === other.ino) continue;
    const { ino } = message;
    pairs.push({ mailbox, base, pathA: `${pathA}/${message.path}`, pathB: `${pathB}/${other.path}`, ino });
  }
}

function compareSideFiles(
  sides: Roots & { readonly a: readonly string[]; readonly b: readonly string[] },
  found: Differences,
): void {
  const inA = new Set(sides.a);
  for (const path of sides.b) if (!inA.has(path)) found.add("side-file", path, "is in B only");
  const inB = new Set(sides.b);
  for (const path of sides.a) if (!inB.has(path)) found.add("side-file", path, "is in A only");
  compareFiles(
    sides,
    sides.a.filter((path) => inB.has(path) && !path.endsWith("/")),
    found,
  );
}

function compareFiles(roots: Roots, paths: readonly string[], found: Differences): void {
  for (const path of paths) {
    const a = contentOf(`${roots.rootA}/${path}`);
    const b = contentOf(`${roots.rootB}/${path}`);
    const same = a === undefined || b === undefined ? a === b : a.equals(b);
    if (!same) found.add("side-file", path, "the contents differ");
  }
}

/** Bytes of a file; of a link, where it leads to (a link is carried as a link). */
function contentOf(path: string): Buffer | undefined {
  const stat = lstatSync(nodePath(path), { throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  return stat.isSymbolicLink()
    ? Buffer.from(`link to ${readlinkSync(nodePath(path), "latin1")}`, "latin1")
    : readIfThere(path);
}

/** The counter from which Dovecot takes the next UIDVALIDITY may be ahead on the replica, never behind. */
function compareUidValidityCounters(roots: Roots, mailboxes: readonly string[], found: Differences): void {
  for (const mailbox of mailboxes) {
    const path = below(mailbox, "dovecot-uidvalidity");
    const a = readIfThere(`${roots.rootA}/${path}`);
    if (a === undefined) continue;
    const b = readIfThere(`${roots.rootB}/${path}`);
    const ahead =
      b !== undefined && Number.parseInt(b.toString("latin1"), 16) >= Number.parseInt(a.toString("latin1"), 16);
    if (!ahead) found.add("side-file", path, "B's counter is behind A's");
  }
}

function below(parent: string, child: string): string {
  return parent === "" ? child : child === "" ? parent : `${parent}/${child}`;
}
