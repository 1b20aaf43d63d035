/**
 * What a first contact would do with a destination that is not empty, in words. Reads both stores, writes nothing.
 */

import type { SurveyedMailbox } from "../apply/apply-types.js";
import { openStore } from "../apply/mailbox-place.js";
import { InventoryReader, surveyMailboxes } from "../apply/survey.js";
import { systemClock } from "../base/clock.js";
import { openNodeDisk } from "../base/disk-node.js";
import { type RawPath, rawFromText } from "../base/raw-name.js";
import { formatCount } from "../base/text-format.js";
import { SourceMessages } from "../resync/contact-columns.js";
import { type Elsewhere, findElsewhere } from "../resync/elsewhere.js";
import {
  ContactComparison,
  type ContactFinding,
  type ReplicaMailbox,
  type ReplicaMessage,
  type SourceMailbox,
} from "../resync/first-contact.js";
import { visibleMarks } from "../txn/marks.js";
import { adoptionRefusal } from "./adopt.js";
import { describeElsewhere, elsewhereRefusal } from "./elsewhere.js";
import { type ForeignChoice, refusal, treesAt } from "./first-contact.js";
import type { Places } from "./places.js";
import { countOf, mailboxName } from "./words.js";

const PAGE_MESSAGES_MAX = 20_000;
const NAMED_MAX = 5;

export interface ContactWords {
  /** In the order of the destination's mailboxes; none when nothing stands there. */
  readonly sentences: readonly string[];
  /** Why the run would be refused, if it would. */
  readonly refused: Error | undefined;
  readonly findings: readonly ContactFinding[];
  /** What stands at other paths than in the source. */
  readonly elsewhere: readonly Elsewhere[];
  /** For each mailbox of the source that stands there, by GUID, the base names of what is in it. */
  readonly basesByGuid: ReadonlyMap<string, ReadonlySet<string>>;
}

export async function describeFirstContact(
  { source, destination }: Pick<Places, "source" | "destination">,
  { foreign: choice, adopts }: { readonly foreign: ForeignChoice; readonly adopts: boolean },
  signal: AbortSignal,
): Promise<ContactWords> {
  const disk = openNodeDisk();
  const [sourceRoot, destinationRoot] = [rawFromText(source), rawFromText(destination)];
  const survey = (storeRoot: string) => surveyMailboxes({ disk, options: { storeRoot } });
  const ofSource = survey(sourceRoot);
  const sourceByGuid = new Map(ofSource.flatMap((it) => (it.guid === undefined ? [] : [[it.guid, it] as const])));
  const sourceByPath = new Map(ofSource.map((it) => [it.path, it]));
  const ofDestination = survey(destinationRoot);
  const elsewhere = findElsewhere(ofDestination, ofSource);
  const sentences = elsewhere.map(describeElsewhere);
  const findings: ContactFinding[] = [];
  const basesByGuid = new Map<string, ReadonlySet<string>>();
  const treeOf = treesAt([...ofSource, ...ofDestination]);
  for (const standing of ofDestination) {
    await systemClock.sleep(0, signal); // lets a signal in.
    const named = standing.guid === undefined ? undefined : sourceByGuid.get(standing.guid);
    const isOwn = named !== undefined && treeOf(named.path) === treeOf(standing.path);
    const own = isOwn ? named : sourceByPath.get(standing.path);
    const replica = asReplica(standing);
    const sourceMailbox = own === undefined ? undefined : asSource(sourceRoot, own);
    const comparison = new ContactComparison(replica, sourceMailbox);
    const bases = sourceMailbox !== undefined && isSame(sourceMailbox, replica) ? new Set<string>() : undefined;
    for (const messages of pagesOf(destinationRoot, standing.path)) {
      comparison.add(messages);
      for (const { base } of messages) bases?.add(base);
    }
    sentences.push(...sentencesOfNextUid(replica, own));
    if (bases !== undefined) basesByGuid.set(replica.guid, bases);
    const finding = comparison.finding();
    if (finding === undefined) continue;
    sentences.push(...sentencesOf(finding, choice));
    findings.push(finding);
  }
  const foreign = findings.filter((finding) => finding.foreign.length > 0);
  const hasMail = foreign.length > 0 && choice === "refuse" ? refusal(foreign) : undefined;
  const nothing = adopts ? adoptionRefusal(ofDestination, ofSource, destination) : undefined;
  const refused = elsewhereRefusal(elsewhere, { source, destination }) ?? nothing ?? hasMail;
  return { sentences, refused, findings, elsewhere, basesByGuid };
}

/** One without a uidlist, or with one that cannot be read, has no identity; of the latter nothing is said here. */
function asReplica({ path, guid, uidValidity, uidNext }: SurveyedMailbox): ReplicaMailbox {
  return { path, guid: guid ?? "", uidValidity: uidValidity ?? 0, uidNext: uidNext ?? 0 };
}

function asSource(sourceRoot: string, mailbox: SurveyedMailbox): SourceMailbox {
  const messages = new SourceMessages();
  for (const page of pagesOf(sourceRoot, mailbox.path))
    for (const message of page) messages.add(message, message.marks);
  return { ...asReplica(mailbox), messages };
}

function* pagesOf(storeRoot: string, path: RawPath): Generator<readonly ReplicaMessage[]> {
  const reader = new InventoryReader();
  const root = openStore(openNodeDisk(), storeRoot);
  try {
    let [afterUid, afterBase] = [0, ""];
    for (;;) {
      const read = reader.read(root, { path, afterUid, afterBase, messagesMax: PAGE_MESSAGES_MAX });
      if (read.kind !== "read") return;
      yield read.messages.map((it) => ({ ...it, marks: visibleMarks(it) }));
      yield read.files.map((file) => ({ ...file, uid: 0, marks: "" }));
      afterUid = read.messages.at(-1)?.uid ?? afterUid;
      afterBase = read.files.at(-1)?.base ?? afterBase;
      if (!read.more) return;
    }
  } finally {
    root.close();
  }
}

function isSame(source: SourceMailbox, replica: ReplicaMailbox): boolean {
  return source.guid === replica.guid && source.uidValidity === replica.uidValidity;
}

/** What becomes of one mailbox of the destination. Exported for its tests. */
export function sentencesOf(finding: ContactFinding, choice: ForeignChoice): readonly string[] {
  const { path, foreign, present, remarked, isOther, copies, changed, passed } = finding;
  const name = mailboxName(path);
  const words: string[] = [];
  if (present > 0)
    words.push(`${name}: ${countOf(present, "message")} of SRC ${be(present)} in DST already: adopted, and not sent`);
  if (remarked > 0) words.push(`${name}: ${countOf(remarked, "message")} in DST ${take(remarked)} SRC's flags`);
  if (isOther) {
    words.push(`${name}: the mailbox in DST has other UIDs, or none: it begins anew with those of SRC`);
  }
  if (copies.length > 0) {
    words.push(
      `${name}: ${formatCount(copies.length)} of these messages ${be(copies.length)} in DST already, and used again if the bytes are the same`,
    );
  }
  if (changed.length > 0) {
    words.push(
      `${name}: ${countOf(changed.length, "message")} of DST ${have(changed.length)} another size than in SRC: moved to the limbo, and sent`,
    );
  }
  if (foreign.length > 0)
    words.push(`${name}: ${countOf(foreign.length, "message")} that only DST has: ${fateOf(finding, choice)}`);
  if (passed.length > 0) {
    const [who, theirs] =
      passed.length === 1
        ? ["1 message of SRC gets a new UID", "its own"]
        : [`${formatCount(passed.length)} messages of SRC get new UIDs`, "theirs"];
    words.push(`${name}: ${who}, in SRC as well: DST has passed ${theirs} (${uidsInWords(passed)})`);
  }
  return words;
}

/** Kept mail that gives way, or is put back at the end, has the next UID a little above that. */
function sentencesOfNextUid(
  { path, uidValidity, uidNext: to }: ReplicaMailbox,
  own: SurveyedMailbox | undefined,
): readonly string[] {
  const from = own?.uidNext;
  if (from === undefined || own?.uidValidity !== uidValidity || to <= from) return [];
  return [
    `${mailboxName(path)}: the next UID of SRC is raised from ${from} to ${to}, or above: DST has given out those between`,
  ];
}

/** "UID 3", "UID 3, 10", "UID 3, 4, 5, ... 90". */
function uidsInWords(uids: readonly number[]): string {
  const told = uids.slice(0, NAMED_MAX).join(", ");
  return `UID ${told}${uids.length > NAMED_MAX ? `, ... ${uids.at(-1)}` : ""}`;
}

function fateOf({ foreign, isOther, inTheWay }: ContactFinding, choice: ForeignChoice): string {
  const isOne = foreign.length === 1;
  switch (choice) {
    case "refuse":
      return "so the run would be refused; say --foreign keep or --foreign limbo";
    case "keep":
      if (!isOther && inTheWay.length > 0) return keptInTheWay(inTheWay.length, foreign.length);
      if (!isOther) return isOne ? "kept as it is" : "kept as they are";
      return `kept beside the others, with ${isOne ? "a new UID" : "new UIDs"} above those of SRC`;
    case "limbo":
      return "moved to the limbo";
  }
}

/** Its UID is that of one of the source's messages. */
function keptInTheWay(inTheWay: number, all: number): string {
  const what = inTheWay === 1 ? "a new UID above all others" : "new UIDs above all others";
  if (inTheWay === all) return `kept, with ${what}: SRC has used ${all === 1 ? "its own" : "theirs"}`;
  return `kept, ${formatCount(inTheWay)} of them with ${what}: SRC has used ${inTheWay === 1 ? "its own" : "theirs"}`;
}

function be(count: number): string {
  return count === 1 ? "is" : "are";
}

function take(count: number): string {
  return count === 1 ? "takes" : "take";
}

function have(count: number): string {
  return count === 1 ? "has" : "have";
}
