/**
 * `kill -9` between the steps in which mailboxes are made, moved and removed, and mail is taken to the limbo: after a restart the
 * two sides are equal through IMAP, the mailboxes are the same files, nothing is left outside of the store, the limbo knows
 * each thing it holds, and the source is as it was.
 */
import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { ImapFlow } from "imapflow";
import { expect, test } from "vitest";
import type { HELD_CRASH_POINTS } from "../../src/apply/exchange.js";
import type { MAILBOX_CRASH_POINTS } from "../../src/apply/store-context.js";
import { openStateReader } from "../../src/log/state-reader.js";
import { describeLive } from "./lab/available.js";
import * as imap from "./lab/imap.js";
import { deliver } from "./lab/lmtp.js";
import { makeMessage } from "./lab/messages.js";
import { expectKilled } from "./twin/killed.js";
import { expectPeacefulEnd } from "./twin/live-twin.js";
import { openPair, type Pair } from "./twin/pair.js";
import { rawDifferences, treeState } from "./twin/raw-compare.js";
import { useSharedPair } from "./twin/shared-pair.js";

const USER = "u1";
const OUTSIDE = ["parked", "held", "build", "stage"];

interface Sessions {
  readonly source: ImapFlow;
  readonly replica: ImapFlow;
}

/** What happens to mailboxes whose names begin with `name`, before a first and a second run of the twin. */
interface Scenario {
  readonly before: (sessions: Sessions, name: string) => Promise<void>;
  readonly change: (sessions: Sessions, name: string) => Promise<void>;
  /** Whole mailboxes and messages that are in the limbo afterwards. Default: none. */
  readonly limbo?: readonly ("mailbox" | "message")[];
  /** Dovecot's index of folders goes on listing a parent that was deleted, at the source as well. */
  readonly listsParents?: true;
}

const made: Scenario = {
  before: async () => undefined,
  change: ({ source }, name) => fill(source, `${name}/Deep/Box`),
};
/** Its directory stands there, for the folder in it. */
const madeAround: Scenario = {
  before: ({ source }, name) => fill(source, `${name}/Child`),
  change: ({ source }, name) => fill(source, name),
};
const takenOver: Scenario = {
  before: async () => undefined,
  change: async ({ source, replica }, name) => {
    await imap.createFolder(replica, name);
    await fill(source, name);
  },
};
const renamed: Scenario = {
  before: ({ source }, name) => fill(source, `${name}/Deep/Box`, `${name}/Deep/Box/Child`),
  change: ({ source }, name) => imap.renameFolder(source, `${name}/Deep/Box`, `${name} to/Box`),
};
/** A client of the replica has made an empty mailbox in the target's place: parts move. */
const renamedOver: Scenario = {
  before: ({ source }, name) => fill(source, name),
  change: async ({ source, replica }, name) => {
    await imap.createFolder(replica, `${name} to`);
    await imap.renameFolder(source, name, `${name} to`);
  },
  limbo: ["mailbox"],
};
const deleted: Scenario = {
  before: ({ source }, name) => fill(source, name),
  change: ({ source }, name) => imap.deleteFolder(source, name),
  limbo: ["mailbox"],
};
/** Its directory stays, for the folder in it: parts move. */
const deletedAround: Scenario = {
  before: ({ source }, name) => fill(source, name, `${name}/Child`),
  change: ({ source }, name) => imap.deleteFolder(source, name),
  limbo: ["mailbox"],
  listsParents: true,
};
const expunged: Scenario = {
  before: ({ source }, name) => fill(source, name),
  change: async ({ source }, name) => {
    await imap.select(source, name);
    await imap.expunge(source, [2]);
    await imap.select(source, "INBOX");
  },
  limbo: ["message"],
};
const exchanged: Scenario = {
  before: ({ source }, name) => fill(source, name, `${name}/Child`, `${name} other`, `${name} other/Child`),
  change: async ({ source }, name) => {
    for (const [from, to] of [
      [`${name} other`, "Passing"],
      [name, `${name} other`],
      ["Passing", name],
    ] as const) {
      await imap.renameFolder(source, from, to);
    }
  },
};

type Point = (typeof MAILBOX_CRASH_POINTS)[number] | (typeof HELD_CRASH_POINTS)[number];
type Case = readonly [what: string, scenario: Scenario, times?: number];

interface Kill {
  readonly point: string;
  readonly what: string;
  readonly scenario: Scenario;
  readonly times: number;
}

/** A point that is not here does not compile. */
const CASES: Readonly<Record<Point, readonly Case[]>> = {
  "apply.mailbox-built": [
    ["made", made],
    ["made around a folder", madeAround],
  ],
  "apply.parents-made": [
    ["made", made],
    ["renamed", renamed],
  ],
  "apply.mailbox-moved-in": [["made", made]],
  "apply.uidlist-moved-in": [["made around a folder", madeAround]],
  "apply.parts-moved-in": [["made around a folder", madeAround]],
  "apply.cur-moved-in": [["made around a folder", madeAround]],
  "apply.identity-taken": [["in the place of an empty one", takenOver]],
  "apply.mailbox-renamed": [["renamed with a folder in it", renamed]],
  "apply.target-made": [["renamed over an empty one", renamedOver]],
  "apply.target-cleared": [["renamed over an empty one", renamedOver]],
  "apply.part-moved": [
    ["deleted from around a folder, cur/ is out", deletedAround, 1],
    ["deleted from around a folder, some more is out", deletedAround, 3],
    ["renamed over an empty one, half of that is out", renamedOver, 2],
  ],
  "apply.parts-out": [["renamed over an empty one", renamedOver]],
  "apply.parts-in": [["renamed over an empty one", renamedOver]],
  "apply.mailbox-in-limbo": [
    ["deleted", deleted],
    ["deleted from around a folder", deletedAround],
  ],
  "apply.bodies-in-limbo": [["a message expunged", expunged]],
  "apply.directories-out": [["two that hold folders change places", exchanged]],
  "apply.directories-back": [["two that hold folders change places", exchanged]],
};
/** Points of other scenarios that mean something else for mailboxes which come or go. */
const MORE: readonly (readonly [point: string, ...rest: Case])[] = [
  ["apply.body-renamed", "in the place of an empty one", takenOver],
  ["apply.bodies-renamed", "in the place of an empty one", takenOver],
  ["apply.locked", "renamed over an empty one", renamedOver],
  ["apply.unlocked", "renamed over an empty one", renamedOver],
  ["apply.unlocked", "deleted", deleted],
  ["apply.uidlist-written", "a message expunged", expunged],
];
const KILLS: readonly Kill[] = [
  ...Object.entries(CASES).flatMap(([point, cases]) => cases.map((it) => [point, ...it] as const)),
  ...MORE,
].map(([point, what, scenario, times = 1]) => ({ point, what, scenario, times }));

describeLive("killed while mailboxes come, move and go", () => {
  let serial = 0;
  const shared = useSharedPair(async () => {
    const pair = await openPair({ users: [USER], layout: "fs" });
    await deliver(pair.source, USER, makeMessage({ seed: 1 }));
    expect((await pair.sync()).code).toBe(0);
    return pair;
  });

  test.each(KILLS)("at $point, $what", async ({ point, scenario, times }) => {
    const { before, change, limbo = [], listsParents } = scenario;
    const { pair } = shared;
    serial += 1;
    const name = `Box ${serial}`;
    const env = { MAILTWIN_CRASH_AT: `${point}:${times}` };
    {
      await using source = await imap.connect(pair.source, USER);
      await using replica = await imap.connect(pair.replica, USER);
      await before({ source, replica }, name);
      expect((await pair.sync()).code).toBe(0);
      await change({ source, replica }, name);
    }
    const limboBefore = limboOf(pair).length;
    const untouched = treeState(pair.source.store);
    {
      await using doomed = pair.spawn({ env });
      await expectKilled(doomed, point, { isPast: ({ event }) => event === "live" });
    }
    await using twin = await pair.start();
    await pair.settleFiles();
    await expectPeacefulEnd(twin);
    expect(treeState(pair.source.store)).toEqual(untouched);
    if (listsParents === undefined) await pair.settle(USER);
    expect(rawDifferences(pair.source.store, pair.replica.store)).toEqual([]);
    const added = limboOf(pair).slice(limboBefore);
    expect(added.map(({ uid }) => (uid === 0 ? "mailbox" : "message"))).toEqual(limbo);
    expect(limboNames(pair)).toEqual(
      limboOf(pair)
        .map((row) => row.name)
        .sort(),
    );
    expect(outside(pair)).toEqual([]);
  });
});

/** Creates each folder and appends three messages to it; none is left selected. */
async function fill(session: ImapFlow, ...paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    await imap.createFolder(session, path);
    for (const seed of [1, 2, 3]) {
      await imap.append(session, path, makeMessage({ seed }), { flags: seed === 1 ? [] : ["\\Seen", "$Label1"] });
    }
  }
}

function scratchOf({ replica }: Pair): string {
  return join(dirname(replica.store), `.${basename(replica.store)}.mailtwin`);
}

/** What the state database says of the limbo. */
function limboOf({ state }: Pair) {
  using reader = openStateReader(join(state, "replica.db"));
  return [...reader.limbo()];
}

function limboNames(pair: Pair): string[] {
  const limbo = join(scratchOf(pair), "limbo");
  const days = existsSync(limbo) ? readdirSync(limbo) : [];
  return days.flatMap((day) => readdirSync(join(limbo, day)).map((name) => `${day}/${name}`)).sort();
}

/** Mailboxes that are on their way, and locks in the limbo. */
function outside(pair: Pair): string[] {
  const scratch = scratchOf(pair);
  const areas = OUTSIDE.map((name) => join(scratch, name)).filter((area) => existsSync(area));
  const locks = readdirSync(scratch, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".lock"));
  return [...areas.flatMap((area) => readdirSync(area)), ...locks];
}
