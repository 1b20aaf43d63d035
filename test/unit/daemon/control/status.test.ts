/** What a status means, and what people and machines are shown of it. */
import { describe, expect, test } from "vitest";
import { levelOf, troublesOf, withLevels, wordsOfLevel } from "../../../../src/daemon/control/status.js";
import { statusSchema } from "../../../../src/daemon/control/status-schema.js";
import { formatStatus, summarizeStatus } from "../../../../src/daemon/control/status-text.js";
import { NOW_MS, replica, replicaStore, source, status, trouble } from "./statuses.js";

const problem = { ...trouble("needs-you"), mailbox: "alice/.Work" };

describe("the level of a thing is that of the worst trouble in it", () => {
  test.each([
    ["nothing", status(source("mail"), replicaStore("twin")), "ok"],
    [
      "a replica that heals",
      status(source("mail", { replicas: [replica("b", { troubles: [trouble("healing")] })] })),
      "healing",
    ],
    ["a store", status(source("mail", { troubles: [trouble("needs-you")] })), "needs-you"],
    ["a mailbox", status(source("mail", { problems: [problem] })), "needs-you"],
    [
      "a replica store",
      status(replicaStore("twin", { troubles: [trouble("healing"), trouble("needs-you")] })),
      "needs-you",
    ],
    ["the daemon", { ...status(), troubles: [trouble("healing")] }, "healing"],
  ] as const)("%s", (_, of, level) => expect(levelOf(of)).toBe(level));

  test("of one replica, of one store", () => {
    const sick = replica("c", { troubles: [trouble("needs-you"), trouble("healing")] });
    expect([levelOf(sick), levelOf(replica("b")), levelOf(source("mail", { replicas: [sick] }))]).toEqual([
      ...["needs-you", "ok", "needs-you"],
    ]);
  });

  test("a replica that is away, paused or behind is in no trouble as such", () => {
    const quiet = (["away", "paused", "catching-up"] as const).map((state) =>
      replica(state, { state, lagTransactions: 9 }),
    );
    expect(levelOf(source("mail", { replicas: quiet }))).toBe("ok");
  });

  test("each level has words, and each trouble a place", () => {
    expect((["ok", "healing", "needs-you"] as const).map(wordsOfLevel)).toEqual([
      "all is well",
      "healing: nobody has to do anything",
      "needs you: a person has to do something",
    ]);
    const sick = source("mail", {
      troubles: [trouble("healing")],
      problems: [problem],
      replicas: [replica("b", { troubles: [trouble("healing")] })],
    });
    const all = { ...status(sick), troubles: [trouble("needs-you")] };
    expect(troublesOf(all).map(({ where }) => where)).toEqual(["", "mail", "mail: alice/.Work", "mail/b"]);
  });

  test("machines get it with each thing, and it is of the form that clients expect", () => {
    const told = withLevels(
      status(source("mail", { replicas: [replica("b", { troubles: [trouble("healing")] })] }), replicaStore("twin")),
    );
    expect(told).toMatchObject({
      level: "healing",
      stores: [{ level: "healing", name: "mail", replicas: [{ level: "healing", name: "b" }] }, { level: "ok" }],
    });
    expect(statusSchema.parse(JSON.parse(JSON.stringify(told)))).toEqual(told);
  });
});

test("what a replica of this host refuses is a person's matter here", () => {
  const refused = { mailboxes: 1, sinceMs: NOW_MS - 1_000, named: [problem] };
  const told = status(replicaStore("twin", { refused }));
  expect(levelOf(told)).toBe("needs-you");
  expect(troublesOf(told)).toMatchObject([{ where: "twin: alice/.Work", code: problem.code }]);
  expect(statusSchema.parse(JSON.parse(JSON.stringify(withLevels(told))))).toMatchObject({
    stores: [{ level: "needs-you", refused: { mailboxes: 1, named: [{ mailbox: "alice/.Work" }] } }],
  });
});

describe("a store that is not open", () => {
  const unknown = { mailboxes: undefined, messages: undefined };
  const shut = replica("b", { cursor: undefined, lagTransactions: undefined, lagMs: undefined, rejects: undefined });
  const failed = source("mail", {
    ...{ ...unknown, log: undefined, watch: undefined, sweeps: undefined, replicas: [shut] },
    troubles: [trouble("needs-you")],
  });
  const told = status(failed, replicaStore("twin", unknown));

  test("has no numbers, in no form", () => {
    const text = formatStatus(told);
    expect(text).toContain("mail: source, /var/vmail: not open\n  b:  not served  tls://b.example.org:4417\n\ntwin:");
    expect(text).toContain("twin: replica, /srv/twin: not open\n  from a: connected");
    expect(summarizeStatus(told)).toBe("needs-you; mail/b live not served; twin connected");
    const json = JSON.stringify(withLevels(told));
    expect(json).not.toMatch(/"(mailboxes|messages|log|watch|sweeps|cursor|lagTransactions|lagMs|rejects)":/);
    expect(levelOf(statusSchema.parse(JSON.parse(json)))).toBe("needs-you");
  });
});

describe("mailboxes that are compared because they were asked for", () => {
  test("are told until none is left", () => {
    const told = status(source("mail", { replicas: [replica("b", { asked: { done: 3, all: 12 } }), replica("c")] }));
    expect(formatStatus(told)).toContain("\n  b: 3 of 12 mailboxes compared that were asked for\n");
    expect(statusSchema.parse(JSON.parse(JSON.stringify(told)))).toMatchObject({
      stores: [{ replicas: [{ asked: { done: 3, all: 12 } }, {}] }],
    });
  });
});

describe("links that ended because the other end did not keep to the protocol", () => {
  const breaches = { count: 1_200, lastCode: "wire-invalid", lastMs: NOW_MS - 61_000 };
  const words =
    "did not keep to the protocol: 1,200 links ended since the daemon began, the last 1 min 1 s ago (wire-invalid)";

  test("are counted for people and machines, of a replica and of a source, and are no trouble as such", () => {
    const told = status(source("mail", { replicas: [replica("b", { breaches })] }), replicaStore("twin", { breaches }));
    expect(levelOf(told)).toBe("ok");
    const lines = formatStatus(told).split("\n");
    expect(lines.filter((line) => line.includes("protocol"))).toEqual([`  b ${words}`, `  a ${words}`]);
    expect(statusSchema.parse(JSON.parse(JSON.stringify(withLevels(told))))).toMatchObject({
      stores: [{ replicas: [{ breaches }] }, { breaches }],
    });
  });

  test("are not told where there are none", () => {
    const told = status(source("mail"), replicaStore("twin"));
    expect(formatStatus(told)).not.toContain("protocol");
    expect(JSON.stringify(withLevels(told))).not.toContain("breaches");
  });
});

describe("a comparison that is under way", () => {
  const comparison = { mailboxes: { done: 120, all: 312 }, messages: { done: 10_200, all: 48_210 } };
  const told = status(source("mail", { replicas: [replica("b", { state: "comparing", comparison }), replica("c")] }));

  test("says how far it is, in all forms", () => {
    expect(
      formatStatus(told)
        .split("\n")
        .filter((line) => line.includes("compared")),
    ).toEqual(["  b is being compared: 120 of 312 mailboxes, 10,200 of 48,210 messages"]);
    expect(summarizeStatus(told)).toBe(
      "ok; mail/b comparing (120 of 312 mailboxes compared) 0 behind; mail/c live 0 behind",
    );
    expect(statusSchema.parse(JSON.parse(JSON.stringify(withLevels(told))))).toMatchObject({
      stores: [{ replicas: [{ comparison }, {}] }],
    });
  });
});

test("how long it takes yet is told where a replica catches up or is compared", () => {
  const comparison = { mailboxes: { done: 120, all: 312 }, messages: { done: 10_200, all: 48_210 } };
  const catching = replica("b", { state: "catching-up", lagTransactions: 1_310, lagMs: 125_000, etaMs: 40_000 });
  const compared = replica("c", { state: "comparing", lagTransactions: 4, lagMs: 5_000, comparison, etaMs: 200_000 });
  const told = status(source("mail", { replicas: [catching, compared] }));
  const text = formatStatus(told);
  expect(text).toContain("  1,310 behind, 2 min 5 s, about 40.0 s to go  ");
  expect(text).toMatch(/ {2}4 behind, 5\.00 s +success/);
  expect(text).toContain(
    "\n  c is being compared: 120 of 312 mailboxes, 10,200 of 48,210 messages, about 3 min 20 s to go\n",
  );
  expect(statusSchema.parse(JSON.parse(JSON.stringify(withLevels(told))))).toMatchObject({
    stores: [{ replicas: [{ etaMs: 40_000 }, { etaMs: 200_000 }] }],
  });
});

describe("the text", () => {
  test("of a daemon with all that can be said", () => {
    const away = replica("laptop", {
      ...{ address: "dials in", mode: "on-demand", state: "away", cursor: 1200, lagTransactions: 110, lagMs: 242_000 },
      ...{ lastSuccessMs: NOW_MS - 7_200_000, rejects: 1, bytesSent: 0, needsResync: true },
      limited: { mailboxes: 41, all: 312, why: "users of [peer.laptop]", named: ["bob", "bob/.Sent", "carol", "eve"] },
    });
    const failing = replica("c", {
      ...{ state: "backing-off", nextTryMs: NOW_MS + 30_000, lagTransactions: 1, lagMs: 125_000, cursor: 1309 },
      ...{ lastSuccessMs: undefined, troubles: [trouble("healing")] },
    });
    const refused = {
      ...problem,
      code: "uidlist-damaged",
      words: "reading dovecot-uidlist: line 3 is no record",
      hint: "Restore it.",
    };
    const named = ["alice/.Work", "bob", "carol", "dora"].map((mailbox, i) => ({
      mailbox,
      messages: 40 - 10 * i,
      comparedMs: NOW_MS - 60_000,
    }));
    const b = replica("b", { foreign: { messages: 1_100, mailboxes: 5, named } });
    const mail = source("mail", { replicas: [b, failing, away], problems: [refused] });
    const occupied = {
      ...problem,
      mailbox: "dora",
      code: "mailbox-occupied",
      words: "another stands there",
      hint: "Move it.",
    };
    const refusedThere = { mailboxes: 1, sinceMs: NOW_MS - 125_000, named: [occupied] };
    const twin = replicaStore("twin", {
      ...{ isConnected: false, lastLinkMs: undefined, lastChangeMs: undefined, refused: refusedThere },
    });
    expect(formatStatus(status(mail, twin))).toBe(
      `mailtwin 0.1.0, pid 4711, up 2 d 2 h: needs you: a person has to do something

mail: source, /var/vmail: 312 mailboxes, 48,210 messages
  log:    LSN 1200 to 1310, 2.30 MB
  watch:  watching, 14 mailboxes hot; sweeps: 96, the last 5.00 s ago, caught 2 changes
  b:       live                             cursor 1310  0 behind                               success 200 ms ago  0 rejects  12.3 MB sent  tls://b.example.org:4417
  c:       backing-off, next try in 30.0 s  cursor 1309  1 behind, 2 min 5 s                    no success yet      0 rejects  12.3 MB sent  tls://c.example.org:4417
  laptop:  away                             cursor 1200  110 behind, 4 min 2 s, needs a resync  success 2 h ago     1 reject   0 bytes sent  dials in (on demand)
  when last compared only b had 1,100 messages: 40 in alice/.Work (1 min ago), 30 in bob (1 min ago), 20 in carol (1 min ago), the rest in 2 more
  laptop does not get 41 of 312 mailboxes (users of [peer.laptop]): bob, bob/.Sent, carol, and 38 more

twin: replica, /srv/twin: 1 mailbox, 7 messages
  from a: not connected, and never was; no change since it began

needs you:
  mail: alice/.Work: reading dovecot-uidlist: line 3 is no record (uidlist-damaged, for 2 min 5 s)
    Restore it.
  twin: dora: another stands there (mailbox-occupied, for 2 min 5 s)
    Move it.

healing, by itself:
  mail/c: connecting to tls://b.example.org:4417: ECONNREFUSED: connection refused (peer-unreachable, for 2 min 5 s)
`,
    );
  });

  test("of one that has nothing, and of one that was just begun", () => {
    expect(formatStatus({ ...status(), startedMs: NOW_MS + 5 })).toBe(
      "mailtwin 0.1.0, pid 4711, up 0 ms: all is well\n\nno stores: the configuration has none\n",
    );
    const fresh = source("mail", {
      ...{ mailboxes: 1, messages: 1, log: { firstLsn: 1, lastLsn: 0, bytes: 0 }, replicas: [] },
      ...{
        watch: { structure: "sweeping", why: "ENOSPC: no space", hotMailboxes: 1 },
        sweeps: { count: 0, caught: 0 },
      },
    });
    expect(formatStatus(status(fresh))).toContain(
      `mail: source, /var/vmail: 1 mailbox, 1 message
  log:    LSN 0, nothing waits in it
  watch:  not watching all, changes are found by sweeps (ENOSPC: no space: are fs.inotify.max_user_watches and max_user_instances too low?), 1 mailbox hot; sweeps: 0, caught 0 changes
  no replicas
`,
    );
  });

  test("is bounded, and has nothing that a terminal would act on", () => {
    const problems = Array.from({ length: 60 }, (_, n) => ({ ...problem, mailbox: `m${n}\x1b[2J\n` }));
    const text = formatStatus(status(source("mail", { problems })));
    expect([text.includes("\x1b"), text.includes("m3\n")]).toEqual([false, false]);
    expect(text).toContain("and 10 more: mailtwin status --json has them all\n");
    expect(text.match(/mail: m\d+ /g)).toHaveLength(50);
  });

  test("of one line", () => {
    expect(summarizeStatus(status(source("mail"), replicaStore("twin", { isConnected: false })))).toBe(
      "ok; mail/b live 0 behind; twin not connected",
    );
  });
});

test("people are shown long names without their middle, machines all of them", () => {
  const mailbox = `alice/${".deep".repeat(800)}.Work`;
  const foreign = { messages: 1, mailboxes: 1, named: [{ mailbox, messages: 1, comparedMs: NOW_MS }] };
  const limited = { mailboxes: 1, all: 3, why: "users of [peer.b]", named: [mailbox] };
  const told = status(
    source("mail", {
      problems: [{ ...problem, mailbox, words: `reading ${mailbox}/dovecot-uidlist: no record` }],
      replicas: [replica("b", { foreign, limited })],
    }),
  );
  const lines = formatStatus(told).split("\n");
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(600);
  const long = String.raw`alice/[.dep]+\[…\][.dep]+\.Work`;
  expect(lines).toEqual(
    expect.arrayContaining([
      expect.stringMatching(new RegExp(`^  mail: ${long}: reading [^ ]+\\[…\\][^ ]+/dovecot-uidlist: no record`)),
      expect.stringMatching(new RegExp(`only b had 1 message: 1 in ${long} \\(`)),
      expect.stringMatching(new RegExp(`: ${long}$`)),
    ]),
  );
  expect(JSON.stringify(withLevels(told)).split(mailbox)).toHaveLength(5);
});
