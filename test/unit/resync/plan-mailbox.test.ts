/** What happens to a mailbox as a whole when it is compared. */
import { expect, test } from "vitest";
import { isRawPath, type RawPath } from "../../../src/base/raw-name.js";
import { parseMailboxGuid, parseUidValidity } from "../../../src/maildir/ids.js";
import { type PlanMailboxInput, planMailbox } from "../../../src/resync/plan-mailbox.js";

const OTHER = parseMailboxGuid("0123456789abcdef0123456789abcdef");

function path(text: string): RawPath {
  if (!isRawPath(text)) throw new Error(`not a path: ${text}`);
  return text;
}

const at = (
  text: string,
  more: { readonly validity?: number; readonly uidNext?: number; readonly extra?: string } = {},
) => ({
  path: path(text),
  uidValidity: parseUidValidity(more.validity ?? 7),
  uidNext: more.uidNext ?? 9,
  headerExtra: more.extra ?? "",
});

function plan({
  isSources = () => false,
  ...input
}: Partial<PlanMailboxInput> & Pick<PlanMailboxInput, "source" | "replica">) {
  return planMailbox({ isSources, ...input });
}

test("one that is as it was written, and as at the source, is no news", () => {
  const here = at("a");
  expect(plan({ source: here, replica: { written: here, standing: here } })).toStrictEqual({
    kind: "match",
    isNews: false,
  });
});

test.each([
  ["was never written", { standing: at("a") }],
  ["was written elsewhere", { standing: at("a"), written: at("b") }],
  ["has another next UID as written", { standing: at("a"), written: at("a", { uidNext: 8 }) }],
  ["has a lower next UID", { standing: at("a", { uidNext: 8 }), written: at("a") }],
  ["has other header fields as written", { standing: at("a"), written: at("a", { extra: "X1" }) }],
])("one that %s is, though no message differs", (_what, replica) => {
  expect(plan({ source: at("a"), replica })).toStrictEqual({ kind: "match", isNews: true });
});

test("one that stands nowhere is made, after what is known of it was forgotten", () => {
  expect(plan({ source: at("a"), replica: {} })).toStrictEqual({ kind: "make" });
  const written = at("b");
  expect(plan({ source: at("a"), replica: { written } })).toStrictEqual({ kind: "make", forget: written });
});

test("one that stands elsewhere moves, and changes places only with one of the source's", () => {
  const replica = { written: at("a"), standing: at("b"), occupant: OTHER };
  const from = at("b");
  expect(plan({ source: at("a"), replica })).toStrictEqual({ kind: "match", move: { from }, isNews: false });
  expect(plan({ source: at("a"), replica, isSources: (guid) => guid === OTHER })).toStrictEqual({
    kind: "match",
    move: { from, displaces: OTHER },
    isNews: false,
  });
});

test("one of another UIDVALIDITY is numbered anew, where it is to be", () => {
  const standing = at("b", { validity: 5 });
  expect(plan({ source: at("a"), replica: { written: standing, standing } })).toStrictEqual({
    ...{ kind: "renumber", before: 5, changedBy: "source" },
    move: { from: standing },
  });
});

test("of another UIDVALIDITY it is known who has changed it", () => {
  const planned = (written: number | undefined, standing: number) =>
    plan({
      source: at("a"),
      replica: {
        standing: at("a", { validity: standing }),
        ...(written === undefined ? {} : { written: at("a", { validity: written }) }),
      },
    });
  const { uidValidity } = at("a");
  const before = uidValidity + 1;
  expect(planned(before, before)).toStrictEqual({ kind: "renumber", before, changedBy: "source" });
  expect(planned(uidValidity, before)).toStrictEqual({ kind: "renumber", before, changedBy: "replica" });
  expect(planned(before + 1, before)).toStrictEqual({ kind: "renumber", before, changedBy: "replica" });
  expect(planned(undefined, before)).toStrictEqual({ kind: "renumber", before, changedBy: "nobody" });
});

test("one that the source does not have goes, unless replication never wrote it", () => {
  const [standing, written] = [at("b"), at("a")];
  expect(plan({ source: undefined, replica: { written, standing } })).toStrictEqual({ kind: "remove", at: standing });
  expect(plan({ source: undefined, replica: { written } })).toStrictEqual({ kind: "remove", at: written });
  expect(plan({ source: undefined, replica: { standing } })).toStrictEqual({ kind: "nothing" });
});
