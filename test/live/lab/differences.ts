/** Compares two views of one user's mail and says in words what differs, in a bounded number of lines. */
import type { FolderView, MessageView, StoreView } from "./view.js";

export interface CompareOptions {
  /** Leaves UIDNEXT out of the comparison. */
  readonly ignoreUidNext?: boolean;
  /** Leaves GUIDs of messages out, for sides that hold the same mail by other ways. */
  readonly ignoreMessageGuids?: boolean;
  /** Leaves subscriptions out. */
  readonly ignoreSubscriptions?: boolean;
  /** Most lines returned, the one that counts the rest included (default 25). */
  readonly linesMax?: number;
}

/** Empty when equal. Bodies that neither view has read are equal; a body that only one of them has is a difference. */
export function differences(a: StoreView, b: StoreView, options: CompareOptions = {}): string[] {
  const lines: string[] = [];
  for (const path of unionOf(a.folders.keys(), b.folders.keys())) {
    const inA = a.folders.get(path);
    const inB = b.folders.get(path);
    const where = `${a.user}/${path}`;
    if (inA === undefined) lines.push(`${where}: folder only on ${b.site}`);
    else if (inB === undefined) lines.push(`${where}: folder only on ${a.site}`);
    else lines.push(...folderDifferences({ where, sites: [a.site, b.site], a: inA, b: inB, options }));
  }
  if (options.ignoreSubscriptions !== true) {
    for (const path of unionOf(a.subscriptions, b.subscriptions)) {
      if (!b.subscriptions.includes(path)) lines.push(`${a.user}/${path}: subscribed only on ${a.site}`);
      if (!a.subscriptions.includes(path)) lines.push(`${a.user}/${path}: subscribed only on ${b.site}`);
    }
  }
  return bounded(lines, options.linesMax ?? 25);
}

interface FolderPair {
  readonly where: string;
  readonly sites: readonly [string, string];
  readonly a: FolderView;
  readonly b: FolderView;
  readonly options: CompareOptions;
}

function folderDifferences({ where, sites, a, b, options }: FolderPair): string[] {
  const lines: string[] = [];
  const compare = compareInto(lines, sites);
  compare(`${where}: selectable`, a.selectable, b.selectable);
  compare(`${where}: UIDVALIDITY`, a.uidValidity, b.uidValidity);
  if (options.ignoreUidNext !== true) compare(`${where}: UIDNEXT`, a.uidNext, b.uidNext);
  compare(`${where}: mailbox GUID`, a.guid, b.guid);
  const messagesOfA = new Map(a.messages.map((message) => [message.uid, message]));
  const messagesOfB = new Map(b.messages.map((message) => [message.uid, message]));
  for (const uid of unionOf(messagesOfA.keys(), messagesOfB.keys()).sort((x, y) => x - y)) {
    const inA = messagesOfA.get(uid);
    const inB = messagesOfB.get(uid);
    const what = `${where} UID ${uid}`;
    if (inA === undefined) lines.push(`${what}: only on ${sites[1]} (guid ${inB?.guid})`);
    else if (inB === undefined) lines.push(`${what}: only on ${sites[0]} (guid ${inA.guid})`);
    else messageDifferences({ what, compare, a: inA, b: inB, options });
  }
  return lines;
}

type Compare = (what: string, x: string | number | boolean, y: string | number | boolean) => void;

interface MessagePair {
  readonly what: string;
  readonly compare: Compare;
  readonly a: MessageView;
  readonly b: MessageView;
  readonly options: CompareOptions;
}

function messageDifferences({ what, compare, a, b, options }: MessagePair): void {
  compare(`${what}: flags`, a.flags.join(" "), b.flags.join(" "));
  compare(`${what}: keywords`, a.keywords.join(" "), b.keywords.join(" "));
  compare(`${what}: INTERNALDATE`, formatDate(a.internalDateMs), formatDate(b.internalDateMs));
  compare(`${what}: RFC822.SIZE`, a.sizeBytes, b.sizeBytes);
  compare(`${what}: body`, a.bodySha256 ?? "not read", b.bodySha256 ?? "not read");
  if (options.ignoreMessageGuids !== true) compare(`${what}: message GUID`, a.guid, b.guid);
}

function compareInto(lines: string[], [nameOfA, nameOfB]: readonly [string, string]): Compare {
  return (what, x, y) => {
    // Object.is: a size that is missing on both sides (NaN) is equal.
    if (!Object.is(x, y)) lines.push(`${what}: "${x}" on ${nameOfA}, "${y}" on ${nameOfB}`);
  };
}

function formatDate(ms: number): string {
  return Number.isNaN(ms) ? "none" : new Date(ms).toISOString();
}

function unionOf<T>(a: Iterable<T>, b: Iterable<T>): T[] {
  return [...new Set([...a, ...b])];
}

function bounded(lines: string[], linesMax: number): string[] {
  if (lines.length <= linesMax) return lines;
  return [...lines.slice(0, linesMax - 1), `... and ${lines.length - linesMax + 1} more differences`];
}
