/** Whatever is said of two bodies: nobody is called bad against a witness, and the two sides are judged alike. */
import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { type BodyFacts, judgeBody } from "../../../src/resync/judge-body.js";
import { tries } from "../tries.js";

const [A, B, C] = ["aa".repeat(32), "bb".repeat(32), "cc".repeat(32)] as const;

describe("whatever is said", () => {
  const body = fc.record({
    sha256: fc.constantFrom(A, B, C, undefined),
    size: fc.constantFrom(1, 2, 3),
  });
  const any: fc.Arbitrary<BodyFacts> = fc.record({
    ...{ source: body, replica: body },
    known: fc.option(fc.record({ sha256: fc.constantFrom(A, B, C), size: fc.constantFrom(1, 2, 3) }), {
      nil: undefined,
    }),
    nameSize: fc.constantFrom(1, 2, 3, undefined),
    loggedSize: fc.constantFrom(1, 2, 3, undefined),
  });

  test.prop([any], tries(2_000))("a body that is the one that was read first is never called bad", (given) => {
    const { kind } = judgeBody(given);
    const isRight = ({ sha256 }: { readonly sha256: string | undefined }) =>
      given.known !== undefined && sha256 === given.known.sha256;
    if (isRight(given.source)) expect(["equal", "replica-bad"]).toContain(kind);
    if (isRight(given.replica)) expect(["equal", "source-bad"]).toContain(kind);
  });

  const MIRRORED = new Map<string, string>([
    ["source-bad", "replica-bad"],
    ["replica-bad", "source-bad"],
  ]);
  test.prop([any], tries(2_000))("the two sides exchanged, the verdict is", (given) => {
    const verdict = judgeBody(given);
    const other = judgeBody({ ...given, source: given.replica, replica: given.source });
    expect(other).toStrictEqual({ ...verdict, kind: MIRRORED.get(verdict.kind) ?? verdict.kind });
  });

  test.prop([any], tries(2_000))("what cannot be read is never the right one", (given) => {
    const { kind } = judgeBody(given);
    if (given.source.sha256 === undefined) expect(["source-bad", "both-bad", "unknown"]).toContain(kind);
    if (given.replica.sha256 === undefined) expect(["replica-bad", "both-bad", "unknown"]).toContain(kind);
  });
});
