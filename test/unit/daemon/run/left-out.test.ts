/** What a limited replica does not get, as its status tells it. */
import { expect, test } from "vitest";
import type { RawPath } from "../../../../src/base/raw-name.js";
import { LeftOut } from "../../../../src/daemon/run/left-out.js";
import { maySee } from "../../../../src/daemon/run/user-rights.js";
import { rawPath } from "../../log/state-fixtures.js";

/** A store that changes, and how often all of its mailboxes were gone through. */
function bench(users: readonly string[] | undefined, ...paths: readonly string[]) {
  const store = { paths: paths.map(rawPath) as RawPath[], lsn: 1, nowMs: 0, looks: 0 };
  const leftOut = new LeftOut({
    mayHave: users === undefined ? undefined : maySee(users),
    peer: "b",
    capturer: {
      get rows() {
        store.looks += 1;
        return store.paths.map((path) => ({ path }));
      },
    },
    reader: { lastLsn: () => store.lsn },
    clock: { monotonicMs: () => store.nowMs },
  });
  return { store, leftOut };
}

test("a replica whose peer is not limited has none of that", () => {
  expect(bench(undefined, "alice", "bob").leftOut.status).toBeUndefined();
});

test("how many of how many, why, and a few by name", () => {
  const many = Array.from({ length: 12 }, (_, i) => `u${String(i).padStart(2, "0")}`);
  const { leftOut } = bench(["alice"], "bob/.caf\xe9", ...many.toReversed(), "alice", "alice/.Work");
  expect(leftOut.status).toStrictEqual({
    ...{ mailboxes: 13, all: 15, why: "users of [peer.b]" },
    named: ["bob/.caf\\xe9", ...many.slice(0, 9)],
  });
});

test("a limit that leaves nothing out, and a store that is one Maildir", () => {
  expect(bench(["*"], "alice").leftOut.status).toStrictEqual({
    ...{ mailboxes: 0, all: 1, why: "users of [peer.b]", named: [] },
  });
  expect(bench(["alice"], "", ".Sent").leftOut.status).toMatchObject({
    mailboxes: 2,
    all: 2,
    named: ["INBOX", ".Sent"],
  });
});

test("all mailboxes are gone through only when the log has gone on, and not again at once", () => {
  const { store, leftOut } = bench(["alice"], "alice", "bob");
  const count = () => leftOut.status?.mailboxes;
  expect([count(), count(), store.looks]).toEqual([1, 1, 1]);
  store.paths.push(rawPath("carol"));
  store.lsn += 1;
  store.nowMs = 4_999;
  expect([count(), store.looks]).toEqual([1, 1]);
  store.nowMs = 5_000;
  expect([count(), store.looks]).toEqual([2, 2]);
  store.nowMs = 3_600_000;
  expect([count(), store.looks]).toEqual([2, 2]);
});
