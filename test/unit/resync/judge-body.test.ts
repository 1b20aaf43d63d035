/** Which of two bodies that differ is the right one: nobody is called bad without a witness, or against one. */
import { expect, test } from "vitest";
import { type BodyFacts, type BodyVerdict, judgeBody, sizeInName } from "../../../src/resync/judge-body.js";

const [A, B, C] = ["aa".repeat(32), "bb".repeat(32), "cc".repeat(32)] as const;
const SIZE = 100;

function facts(parts: Partial<BodyFacts>): BodyFacts {
  const [source, replica] = [
    { sha256: A, size: SIZE },
    { sha256: B, size: SIZE },
  ];
  return { source, replica, known: undefined, nameSize: SIZE, loggedSize: SIZE, ...parts };
}

const hash = (sha256: string | undefined, size = SIZE) => ({ sha256, size });
const known = (sha256: string) => ({ sha256, size: SIZE });

const TABLE: readonly (readonly [string, Partial<BodyFacts>, BodyVerdict])[] = [
  ["equal, nothing known", { replica: hash(A) }, { kind: "equal" }],
  ["equal, and as it was", { replica: hash(A), known: known(A) }, { kind: "equal" }],
  ["equal, and others than it was", { replica: hash(A), known: known(C) }, { kind: "changed-alike" }],
  ["the source's is what it was", { known: known(A) }, { kind: "replica-bad", by: "hash" }],
  ["the replica's is what it was", { known: known(B) }, { kind: "source-bad", by: "hash" }],
  ["neither is", { known: known(C) }, { kind: "both-bad", by: "hash" }],
  ["nothing known, both of one size", {}, { kind: "unknown" }],
  ["nothing known, no size", { nameSize: undefined, loggedSize: undefined }, { kind: "unknown" }],
  ["the replica's is cut", { replica: hash(B, 7) }, { kind: "replica-bad", by: "size" }],
  ["the source's is cut", { source: hash(A, 7) }, { kind: "source-bad", by: "size" }],
  ["only the log has the size", { nameSize: undefined, replica: hash(B, 7) }, { kind: "replica-bad", by: "size" }],
  ["a name that fits neither", { nameSize: 5, replica: hash(B, 7) }, { kind: "replica-bad", by: "size" }],
  ["name and log speak against each other", { loggedSize: 7, replica: hash(B, 7) }, { kind: "unknown" }],
  [
    "what is known counts more than sizes",
    { known: known(B), replica: hash(B, 7) },
    { kind: "source-bad", by: "hash" },
  ],
  ["the replica's cannot be read", { replica: hash(undefined) }, { kind: "replica-bad", by: "unreadable" }],
  ["the source's cannot be read", { source: hash(undefined) }, { kind: "source-bad", by: "unreadable" }],
  [
    "the replica's cannot be read, and the source's is cut",
    { replica: hash(undefined), source: hash(A, 7) },
    { kind: "unknown" },
  ],
  ["none can be read", { source: hash(undefined), replica: hash(undefined) }, { kind: "both-bad", by: "unreadable" }],
  [
    "the source's cannot be read, the replica's is what it was",
    { source: hash(undefined), known: known(B) },
    { kind: "source-bad", by: "hash" },
  ],
  [
    "the source's cannot be read, the replica's is another",
    { source: hash(undefined), known: known(A) },
    { kind: "both-bad", by: "hash" },
  ],
];

test.each(TABLE)("%s", (_, parts, verdict) => {
  expect(judgeBody(facts(parts))).toStrictEqual(verdict);
});

test.each([
  ["1700.M1P2.mx,S=309,W=320", 309],
  ["1700.M1P2.mx,W=320,S=309", 309],
  ["1700.M1P2.mx,S=0", 0],
  ["1700.M1P2.mx", undefined],
  ["1700.M1P2.mx,S=", undefined],
  ["1700.M1P2.mx,S=12x", undefined],
  ["1700.M1P2.mx,XS=12", undefined],
  [`1700.M1P2.mx,S=${"9".repeat(16)}`, undefined],
])("the size in %s", (name, size) => {
  expect(sizeInName(name)).toBe(size);
});
