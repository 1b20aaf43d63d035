/** What has been in the limbo for long enough goes, and of what is too much the oldest; nothing else does, whatever breaks off in between. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { PurgeOutcome, UndeleteLimits } from "../../../src/apply/purge-types.js";
import type { LimboRow } from "../../../src/log/state-types.js";
import { eachReplica } from "./each-replica.js";
import {
  CREATE,
  expunge,
  GUID,
  OTHER_GUID,
  type Replica,
  refuseBody,
  type StoreOptions,
  save,
  transaction,
} from "./replica-fixture.js";

let replica: Replica;
eachReplica((opened) => {
  replica = opened;
});

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const WEEK: UndeleteLimits = { keptMs: 7 * DAY_MS, bytesMax: undefined };

/** One slice, and what the caller records of it. */
function step(limits: UndeleteLimits): PurgeOutcome {
  const outcome = replica.store.limboPurge.step(limits);
  const names = new Set([...outcome.counted, ...outcome.dropped].map(({ name }) => name));
  replica.state.limbo = [...replica.state.limbo.filter(({ name }) => !names.has(name)), ...outcome.counted];
  return outcome;
}

/** Returns the rows that went. */
function purge(limits: UndeleteLimits, laterMs = 0, options: StoreOptions = {}): LimboRow[] {
  if (laterMs > 0) replica.open({ ...options, laterMs });
  const dropped: LimboRow[] = [];
  for (let more = true; more; ) {
    const outcome = step(limits);
    dropped.push(...outcome.dropped);
    ({ more } = outcome);
  }
  return dropped;
}

function limbo(...parts: readonly string[]): string {
  return join(replica.scratchRoot, "limbo", ...parts);
}

/** Files and empty directories below the limbo. */
function files(below = limbo()): string[] {
  if (!existsSync(below)) return [];
  return readdirSync(below, { withFileTypes: true })
    .flatMap((entry) => {
      if (!entry.isDirectory()) return [entry.name];
      const inner = files(join(below, entry.name));
      return inner.length === 0 ? [`${entry.name}/`] : inner.map((name) => `${entry.name}/${name}`);
    })
    .sort();
}

const names = (rows: readonly LimboRow[]): string[] => rows.map(({ name }) => name).sort();

/** Two messages that were expunged, the second one a day later. */
function expungeTwo(): LimboRow[] {
  replica.apply(transaction([save(1, "one"), save(2, "two"), save(3, "three")], { structure: CREATE }));
  replica.apply(transaction([expunge(1, "one")], { uidNext: 4 }));
  replica.open({ laterMs: DAY_MS });
  replica.apply(transaction([expunge(2, "two")], { uidNext: 4 }));
  return [...replica.state.limbo];
}

function deleteMailbox(): LimboRow {
  replica.apply(
    transaction(
      Array.from({ length: 300 }, (_, index) => save(index + 1, `m${index}`)),
      { structure: CREATE },
    ),
  );
  replica.apply(transaction([], { structure: { kind: "delete" }, uidNext: 301 }));
  const [row] = replica.state.limbo;
  if (row === undefined) throw new Error("it is not in the limbo");
  return row;
}

describe("by age", () => {
  test("what is old enough goes with its row and its day, and what is younger stays", () => {
    const [first, second] = expungeTwo();
    expect(purge(WEEK, 7 * DAY_MS - HOUR_MS)).toEqual([]);
    expect(files()).toEqual(names([first, second] as LimboRow[]));

    expect(purge(WEEK, 7 * DAY_MS + HOUR_MS)).toEqual([first]);
    expect(replica.state.limbo).toEqual([second]);
    expect(files()).toEqual([second?.name]);

    expect(purge(WEEK, 8 * DAY_MS + HOUR_MS)).toEqual([second]);
    expect([replica.state.limbo, files()]).toEqual([[], []]);
  });

  test("a row whose file is gone, or whose day is, goes as well", () => {
    const [first, second] = expungeTwo();
    unlinkSync(limbo(first?.name ?? ""));
    rmSync(limbo((second?.name ?? "").slice(0, 10)), { recursive: true });
    expect(purge(WEEK, 9 * DAY_MS)).toEqual([first, second]);
    expect(replica.state.limbo).toEqual([]);
  });

  test("killed after the file went, before its row: the next one drops the row", () => {
    const [first] = expungeTwo();
    replica.open({ laterMs: 7 * DAY_MS + HOUR_MS });
    while (replica.store.limboPurge.step(WEEK).dropped.length === 0);
    expect([existsSync(limbo(first?.name ?? "")), replica.state.limbo.length]).toEqual([false, 2]);
    expect(purge(WEEK, 7 * DAY_MS + HOUR_MS)).toEqual([first]);
  });

  test("a name is not given again while its row is there", () => {
    const [first] = expungeTwo();
    unlinkSync(limbo(first?.name ?? "")); // as by a purge that was killed.
    replica.open();
    replica.apply(transaction([save(4, "one")], { uidNext: 5 }));
    replica.state.limbo = replica.state.limbo.map((row) => (row === first ? { ...row, name: nameOf(4, row) } : row));
    replica.open();
    replica.apply(transaction([expunge(4, "one")], { uidNext: 5 }));
    expect(replica.state.limbo.map(({ name }) => name)).toContain(`${nameOf(4, first)}-1`);
  });

  test("a message that is gone from the limbo is no body any more, and its bytes are asked for", () => {
    expungeTwo();
    replica.apply(transaction([save(4, "two")], { uidNext: 5 }), refuseBody); // it is had from there.
    replica.apply(transaction([expunge(4, "two")], { uidNext: 5 }));
    purge(WEEK, 9 * DAY_MS);
    expect(() => replica.apply(transaction([save(5, "two")], { uidNext: 6 }), refuseBody)).toThrow(/was asked for/);
  });
});

function nameOf(uid: number, row: LimboRow | undefined): string {
  return (row?.name ?? "").replace(/\.\d+\./, `.${uid}.`);
}

describe("a whole mailbox", () => {
  test("goes in slices, out of the way first, so that nobody takes it for one on its way", () => {
    const { name } = deleteMailbox();
    replica.open({ laterMs: 8 * DAY_MS });
    const slices: string[] = [];
    for (let more = true; more; ) {
      ({ more } = step(WEEK));
      slices.push(`${existsSync(limbo(name))} ${files().length}`);
    }
    expect(slices[0]).toMatch(/^true 30\d$/);
    expect(slices.filter((slice) => slice.startsWith("true"))).toHaveLength(1);
    expect(slices.some((slice) => /^false [1-9]\d*$/.test(slice) && Number(slice.slice(6)) < 300)).toBe(true);
    expect(files()).toEqual(["purged/"]);
    expect(replica.state.limbo).toEqual([]);
  });

  test("killed in the middle: the same mailbox may come to the limbo again, and the rest of the first one goes", () => {
    const { name } = deleteMailbox();
    replica.open({ laterMs: 8 * DAY_MS });
    let left = files().length;
    while (left > 250) {
      step(WEEK);
      left = files().length;
    }
    expect(left).toBeGreaterThan(0);
    replica.open({ laterMs: 8 * DAY_MS });
    replica.apply(transaction([save(1, "again")], { structure: CREATE }));
    replica.apply(transaction([], { structure: { kind: "delete" }, uidNext: 2 }));
    expect(purge(WEEK)).toEqual([]);
    const [row] = replica.state.limbo;
    expect(row?.name).not.toBe(name);
    expect(files().filter((file) => !file.startsWith(`${row?.name}/`))).toEqual(["purged/"]);
    expect(files().filter((file) => file.includes("/cur/"))).toHaveLength(1);
  });

  test("is counted once, for the size of the limbo alone", () => {
    const { size: before, name } = deleteMailbox();
    expect(before).toBe(0);
    purge(WEEK);
    expect(replica.state.limbo[0]?.size).toBe(0);
    purge({ ...WEEK, bytesMax: 2 ** 30 });
    const counted = replica.state.limbo[0]?.size ?? 0;
    expect(counted).toBeGreaterThan(300 * 20);
    writeFileSync(limbo(name, "cur", "more"), Buffer.alloc(100_000));
    purge({ ...WEEK, bytesMax: 2 ** 30 });
    expect(replica.state.limbo[0]?.size).toBe(counted);
    purge({ ...WEEK, bytesMax: counted - 1 });
    expect([replica.state.limbo, files()]).toEqual([[], [`${name.slice(0, 10)}/`, "purged/"]]);
  });
});

test("an empty mailbox of today stays, since it may be about to be filled, and goes tomorrow", () => {
  replica.apply(transaction([save(1, "one")], { structure: CREATE }));
  replica.apply(transaction([], { structure: { kind: "delete" }, uidNext: 2 }));
  const [row] = replica.state.limbo;
  rmSync(limbo(row?.name ?? ""), { recursive: true });
  mkdirSync(limbo(row?.name ?? ""));
  expect(purge({ keptMs: 0, bytesMax: 0 })).toEqual([]);
  expect(files()).toEqual([`${row?.name}/`]);
  expect(purge({ keptMs: 0, bytesMax: 0 }, DAY_MS)).toHaveLength(1);
  expect(replica.state.limbo).toEqual([]);
});

describe("by size", () => {
  test("the oldest go until the rest fits, also those of today", () => {
    const [first, second] = expungeTwo();
    const bytes = (first?.size ?? 0) + (second?.size ?? 0);
    expect(purge({ ...WEEK, bytesMax: bytes })).toEqual([]);
    expect(purge({ ...WEEK, bytesMax: bytes - 1 })).toEqual([first]);
    expect(purge({ ...WEEK, bytesMax: 0 })).toEqual([second]);
  });
});

describe("what is not ours to remove stays", () => {
  test("names that are none of the limbo's, directories that are no days, what links lead to", () => {
    const [first] = expungeTwo();
    const day = (first?.name ?? "").slice(0, 10);
    const outside = join(replica.root, "outside");
    mkdirSync(join(outside, "deep"), { recursive: true });
    writeFileSync(join(outside, "deep", `${GUID}.1.0123456789abcdef`), "theirs");
    writeFileSync(limbo(day, "notes"), "mine");
    mkdirSync(limbo("2020"));
    writeFileSync(limbo("2020", `${GUID}.1.0123456789abcdef`), "mine");
    symlinkSync(join(outside, "deep"), limbo("2020-01-01"));
    symlinkSync(outside, limbo(day, `${OTHER_GUID}.mailbox`));
    purge(WEEK, 30 * DAY_MS);
    expect(files()).toEqual(["2020-01-01", `2020/${GUID}.1.0123456789abcdef`, `${day}/notes`]);
    expect(readFileSync(join(outside, "deep", `${GUID}.1.0123456789abcdef`), "utf8")).toBe("theirs");
    expect(replica.state.limbo).toEqual([]);
  });

  test("rows that name something else are left alone", () => {
    expungeTwo();
    writeFileSync(join(replica.scratchRoot, "x"), "mine");
    const [row] = replica.state.limbo;
    if (row === undefined) throw new Error("there is one");
    const odd = ["../x", "purged/x", `2020-01-01/../../x`, `2020-01-01/${GUID}.1.0123456789abcdef/x`, "x"];
    replica.state.limbo = odd.map((name) => ({ ...row, name }));
    expect(purge(WEEK, 30 * DAY_MS)).toEqual([]);
    expect(existsSync(join(replica.scratchRoot, "x"))).toBe(true);
  });

  test("what cannot be removed is told, keeps its row, and keeps nothing else", () => {
    const [first, second] = expungeTwo();
    const day = (first?.name ?? "").slice(0, 10);
    rmSync(limbo(day), { recursive: true });
    writeFileSync(limbo(day), "in its place");
    replica.open({ laterMs: 30 * DAY_MS });
    const failed: (string | undefined)[] = [];
    for (let more = true; more; ) {
      const outcome = step(WEEK);
      failed.push(outcome.failed);
      ({ more } = outcome);
    }
    expect(failed.find((words) => words !== undefined)).toBe(
      `removing ${first?.name} from the limbo: ENOTDIR: not a directory`,
    );
    expect(replica.state.limbo).toEqual([first]);
    expect(files()).not.toContain(second?.name);
  });
});

describe("what has no row", () => {
  test("goes when its day is over for long enough, and not before", () => {
    const [first, second] = expungeTwo();
    replica.state.limbo = [];
    expect(purge(WEEK, 7 * DAY_MS)).toEqual([]);
    expect(files()).toEqual(names([first, second] as LimboRow[]));
    purge(WEEK, 9 * DAY_MS + HOUR_MS);
    expect(files()).toEqual([]);
  });

  test("one with a younger row stays", () => {
    const [first] = expungeTwo();
    if (first === undefined) throw new Error("there is one");
    const laterMs = 30 * DAY_MS;
    replica.state.limbo = [{ ...first, removedMs: Date.now() + laterMs - DAY_MS }]; // made anew of the file's ctime.
    utimesSync(limbo(first.name), 0, 0);
    purge(WEEK, laterMs);
    expect(files()).toEqual([first.name]);
  });
});
