/**
 * Two copies of one body differ: which one is what it was? Pure.
 *
 * INVARIANT: a side is called bad only by a witness that speaks for the other one, and none speaks against it. Where nothing speaks, or
 * witnesses disagree, nobody is: what is written over cannot be had back from the good side once that is gone.
 */
import type { KnownBody } from "../log/known-bodies.js";

/** A body as it stands. */
export interface StandingBody {
  /** In hex; undefined: its bytes cannot be read, though its file is there. */
  readonly sha256: string | undefined;
  /** Of the file, in bytes. */
  readonly size: number;
}

export interface BodyFacts {
  readonly source: StandingBody;
  readonly replica: StandingBody;
  /** What it was at the source when it was first read. */
  readonly known: KnownBody | undefined;
  /** What its file name says (S=). */
  readonly nameSize: number | undefined;
  /** What the source's log says; undefined: it does not know the message. */
  readonly loggedSize: number | undefined;
}

/** What told them apart. */
export type Witness = "hash" | "size" | "unreadable";

export type BodyVerdict =
  | { readonly kind: "equal" }
  /** Equal, and neither is what was read first: it was changed on both sides, or before it was copied. */
  | { readonly kind: "changed-alike" }
  | { readonly kind: "replica-bad"; readonly by: Witness }
  | { readonly kind: "source-bad"; readonly by: Witness }
  /** Neither is what was read first, or none can be read. */
  | { readonly kind: "both-bad"; readonly by: Witness }
  | { readonly kind: "unknown" };

export function judgeBody(facts: BodyFacts): BodyVerdict {
  const { source, replica, known } = facts;
  const isReadable = source.sha256 !== undefined && replica.sha256 !== undefined;
  if (isReadable && source.sha256 === replica.sha256)
    return { kind: known === undefined || known.sha256 === source.sha256 ? "equal" : "changed-alike" };
  if (source.sha256 === undefined && replica.sha256 === undefined) return { kind: "both-bad", by: "unreadable" };
  return known === undefined ? bySize(facts) : byHash(facts, known);
}

function byHash({ source, replica }: BodyFacts, known: KnownBody): BodyVerdict {
  if (source.sha256 === known.sha256) return { kind: "replica-bad", by: "hash" };
  return { kind: replica.sha256 === known.sha256 ? "source-bad" : "both-bad", by: "hash" };
}

type Side = "source" | "replica";

/** Nobody has read it before: its size may tell, and whether it can be read. */
function bySize({ source, replica, nameSize, loggedSize }: BodyFacts): BodyVerdict {
  const speaksFor = (size: number | undefined): readonly Side[] => {
    if (size === undefined || (source.size === size) === (replica.size === size)) return [];
    return [source.size === size ? "source" : "replica"];
  };
  const bySizes = [...speaksFor(nameSize), ...speaksFor(loggedSize)];
  const readable: readonly Side[] =
    source.sha256 === undefined ? ["replica"] : replica.sha256 === undefined ? ["source"] : [];
  const all = new Set([...bySizes, ...readable]);
  if (all.size !== 1) return { kind: "unknown" };
  const by = readable.length > 0 ? "unreadable" : "size";
  return { kind: all.has("source") ? "replica-bad" : "source-bad", by };
}

/** The size that Dovecot writes into a file's base name (S=), if it does. */
export function sizeInName(base: string): number | undefined {
  const [, digits] = /,S=(\d{1,15})(?:[,:]|$)/.exec(base) ?? [];
  return digits === undefined ? undefined : Number(digits);
}
