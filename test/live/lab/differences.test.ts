/** What the judge of all live tests says of bodies: the rest is planted on real stores in lab.test.ts. */
import { expect, test } from "vitest";
import { differences } from "./differences.js";
import type { StoreView } from "./view.js";

function viewOf(site: string, bodySha256: string | undefined): StoreView {
  const message = { uid: 1, flags: [], keywords: [], internalDateMs: 0, sizeBytes: 1, bodySha256, guid: "g" };
  const folder = { path: "INBOX", selectable: true, uidValidity: 1, uidNext: 2, guid: "m", messages: [message] };
  return { site, user: "u1", folders: new Map([["INBOX", folder]]), subscriptions: [] };
}

test.each([
  ["read on neither side", undefined, undefined, 0],
  ["the same", "aa", "aa", 0],
  ["another", "aa", "bb", 1],
  ["read on the first side only", "aa", undefined, 1],
  ["read on the second side only", undefined, "aa", 1],
])("a body that is %s", (_, a, b, expected) => {
  const found = differences(viewOf("A", a), viewOf("B", b));
  expect(found).toHaveLength(expected);
  for (const line of found) expect(line).toContain("UID 1: body");
});
