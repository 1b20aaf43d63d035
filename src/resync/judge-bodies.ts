/** Asks all witnesses of bodies that differ, and judges each: their sizes on both sides, and what whoever knows them says. */
import { MailtwinError } from "../base/errors.js";
import type { RawPath } from "../base/raw-name.js";
import type { BodyName, KnownBody, NotedBody } from "../log/known-bodies.js";
import type { MailboxGuid, Uid } from "../maildir/ids.js";
import type { MessageState } from "../txn/message-state.js";
import { STATES_MAX } from "../wire/sums.js";
import type { Finding, MailboxDifference } from "./differences.js";
import { type BodyVerdict, judgeBody, sizeInName } from "./judge-body.js";
import type { SummedSide } from "./sums-types.js";

export interface JudgingPorts {
  /** `a`: the source. */
  readonly sides: { readonly a: Pick<SummedSide, "states">; readonly b: Pick<SummedSide, "states"> };
  /** In the order of `names`; undefined: nothing is known of it. */
  readonly known: (mailbox: MailboxGuid, names: readonly BodyName[]) => Promise<readonly (KnownBody | undefined)[]>;
  /** Bytes, by the source's log; undefined: it does not know the message. */
  readonly loggedSize: (mailbox: MailboxGuid, name: BodyName) => number | undefined;
}

/** One mailbox, and where it stands on either side. */
export interface JudgedPlace {
  readonly guid: MailboxGuid;
  readonly a: RawPath;
  readonly b: RawPath;
}

/** What was read on either side; undefined: it cannot be. Ascending by UID. */
export interface ReadBodies {
  readonly uid: Uid;
  readonly a: string | undefined;
  readonly b: string | undefined;
}

export interface JudgedBody extends BodyName {
  readonly verdict: BodyVerdict;
  /** Of the source's file, in bytes. */
  readonly size: number;
  /** As was read at the source. */
  readonly sha256: string | undefined;
}

/** A message that is not there on one side, or another one, has no verdict. Throws what the sides and ports throw. */
export async function judgeBodies(
  { sides, known, loggedSize }: JudgingPorts,
  { guid, a: pathA, b: pathB }: JudgedPlace,
  bodies: readonly ReadBodies[],
  signal: AbortSignal,
): Promise<readonly JudgedBody[]> {
  const judged: JudgedBody[] = [];
  for (let at = 0; at < bodies.length; at += STATES_MAX) {
    const part = bodies.slice(at, at + STATES_MAX);
    const uids = part.map(({ uid }) => uid);
    const states = (side: Pick<SummedSide, "states">, path: RawPath) => side.states({ path, uids }, signal);
    const [ofA, ofB] = await Promise.all([states(sides.a, pathA), states(sides.b, pathB)]);
    const [here, there] = [byUid(ofA), byUid(ofB)];
    const both = part.flatMap((read) => {
      const [source, replica] = [here.get(read.uid), there.get(read.uid)];
      return source === undefined || source.base !== replica?.base ? [] : [{ read, source, replica }];
    });
    const words = await known(
      guid,
      both.map(({ source: { uid, base } }) => ({ uid, base })),
    );
    for (const [index, { read, source, replica }] of both.entries()) {
      const { uid, base } = source;
      const verdict = judgeBody({
        source: { sha256: read.a, size: source.size },
        replica: { sha256: read.b, size: replica.size },
        known: words[index],
        nameSize: sizeInName(base),
        loggedSize: loggedSize(guid, { uid, base }),
      });
      judged.push({ uid, base, verdict, size: source.size, sha256: read.a });
    }
  }
  return judged;
}

function byUid(states: readonly MessageState[]): ReadonlyMap<Uid, MessageState> {
  return new Map(states.map((state) => [state.uid, state]));
}

/** What is known of the bodies that differ, by GUID and UID. */
export type Judged = ReadonlyMap<MailboxGuid, ReadonlyMap<Uid, JudgedBody>>;

/** The same differences, each body with its verdict, and all verdicts. Throws as `judgeBodies`. */
export async function judgeDifferences(
  ports: JudgingPorts,
  differences: readonly MailboxDifference[],
  signal: AbortSignal,
): Promise<{ readonly differences: readonly MailboxDifference[]; readonly judged: Judged }> {
  const judged = new Map<MailboxGuid, ReadonlyMap<Uid, JudgedBody>>();
  const named: MailboxDifference[] = [];
  for (const difference of differences) {
    const { guid, path, findings } = difference;
    const bodies = findings.flatMap((it) => (it.kind === "body" ? [it] : []));
    if (guid === undefined || bodies.length === 0) {
      named.push(difference);
      continue;
    }
    const moved = findings.find((it) => it.kind === "path");
    const place = { guid, a: path, b: moved?.kind === "path" ? moved.b : path };
    const found = await unlessGone(judgeBodies(ports, place, bodies, signal));
    const own = new Map(found.map((it) => [it.uid, it]));
    judged.set(guid, own);
    named.push({ ...difference, findings: findings.map((it) => withVerdict(it, own)) });
  }
  return { differences: named, judged };
}

/** Renamed or deleted since they were compared: nobody is judged. */
async function unlessGone(judging: Promise<readonly JudgedBody[]>): Promise<readonly JudgedBody[]> {
  try {
    return await judging;
  } catch (error) {
    if (error instanceof MailtwinError && error.code === "compared-unknown") return [];
    throw error;
  }
}

/** UIDs of those that may be had anew from the source; with `trustsSource` all that can be read there. */
export function damagedIn(judged: Judged, trustsSource: boolean): ReadonlyMap<MailboxGuid, ReadonlySet<Uid>> {
  const isDamaged = ({ verdict, sha256 }: JudgedBody) =>
    verdict.kind === "replica-bad" || (trustsSource && sha256 !== undefined && verdict.kind !== "equal");
  const found = Array.from(judged, ([guid, bodies]) => {
    const uids = [...bodies.values()].filter(isDamaged).map(({ uid }) => uid);
    return [guid, new Set(uids)] as const;
  });
  return new Map(found.filter(([, uids]) => uids.size > 0));
}

/** What is to be known of the source's bodies from now on, where a person has said that they are right. */
export function trustedIn(judged: Judged): readonly NotedBody[] {
  return Array.from(judged, ([mailbox, bodies]) =>
    [...bodies.values()].flatMap(({ uid, base, size, sha256 }) =>
      sha256 === undefined ? [] : [{ mailbox, uid, base, size, sha256 }],
    ),
  ).flat();
}

function withVerdict(finding: Finding, judged: ReadonlyMap<Uid, JudgedBody>): Finding {
  const verdict = finding.kind === "body" ? judged.get(finding.uid)?.verdict : undefined;
  return verdict === undefined || finding.kind !== "body" ? finding : { ...finding, verdict };
}
