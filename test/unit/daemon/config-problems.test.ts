/** Each thing that can be wrong with a configuration, with its place and its words; and that all are told at once. */
import { describe, expect, test } from "vitest";
import { judgeConfig } from "../../../src/daemon/config/judge-config.js";
import { formatProblem } from "../../../src/daemon/config/problem.js";

const ROOT = { isRoot: true, home: "/root", env: {} };
const KEY = "sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
const OTHER_KEY = "sha256:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=";

function problemsIn(textByFile: Readonly<Record<string, string>>, surroundings = ROOT as Surroundings): string[] {
  const texts = Object.entries(textByFile).map(([file, text]) => ({ file, text }));
  const judged = judgeConfig({ files: texts.map(({ file }) => file), texts, problems: [] }, surroundings);
  return judged.kind === "right" ? [] : judged.problems.map(formatProblem);
}

type Surroundings = Parameters<typeof judgeConfig>[1];

const problems = (text: string): string[] => problemsIn({ f: text });

/** A right store, so that nothing else is to be said. */
const STORE = `[store.mail]\npath = "/var/vmail"\n[store.mail.replica.b]\nto = "unix:/run/b.sock"\n`;

describe("a key", () => {
  test.each([
    ['log_levle = "info"', 'f:1:1: log_levle = "info": there is no such key above the tables; did you mean log_level?'],
    [
      "\n\n  zzz = 1",
      "f:3:3: zzz = 1: there is no such key above the tables; known are state_dir, control, log_level, log, listen, identity, peer, store",
    ],
    ['max_size = "1GiB"', 'f:1:1: max_size = "1GiB": there is no such key above the tables; it belongs in [log]'],
    ['[log]\nstate_dir = "/x"', 'f:2:1: state_dir = "/x": there is no such key in [log]; it belongs above the tables'],
    ["[lgo]\na = 1", "f:1:2: [lgo]: there is no such table; did you mean log?"],
    ["log.max_sise = 1", "f:1:5: max_sise = 1: there is no such key in [log]; did you mean max_size?"],
    ["[log]\nzzz = 1", "f:2:1: zzz = 1: there is no such key in [log]; known there are max_size, max_age"],
    ['[store.a.source]\nfrom = "unix:/a"', 'f:1:8: [store.a]: path is missing; add path = "/var/vmail"'],
    [
      `[peer.b]\nkey = "${KEY}"\nto = "tls://b:1"`,
      'f:3:1: to = "tls://b:1": there is no such key in [peer.b]; it belongs in [store.NAME.replica.NAME]',
    ],
  ])("%j", (text, problem) => {
    expect(problems(text)).toStrictEqual([problem]);
  });
});

describe("a value of the wrong kind", () => {
  test.each([
    ["log_level = 1", 'f:1:13: log_level = 1: that is none of "error", "warn", "info", "debug"; write one of them'],
    [
      'log_level = "wran"',
      'f:1:13: log_level = "wran": that is none of "error", "warn", "info", "debug"; did you mean "warn"?',
    ],
    [
      "state_dir = true",
      'f:1:13: state_dir = true: that is a truth value, and must be a text; write state_dir = "/var/lib/mailtwin"',
    ],
    [
      "control = 2026-01-01",
      'f:1:11: control = 2026-01-01: that is a date, and must be a text; write control = "/run/mailtwin/control.sock"',
    ],
    ["log = 5", "f:1:7: log = 5: that is a number, and must be a table; write it as [log]"],
    ["peer = []", "f:1:8: peer = []: that is a list, and must be a table; write it as [peer]"],
    ["[peer]\nb = 'x'", "f:2:5: b = 'x': that is a text, and must be a table; write it as [peer.b]"],
    ["[[peer]]", "f:1:3: [peer]: that is a list, and must be a table; write it as [peer]"],
    ['listen.tls = "x:1"', 'f:1:14: tls = "x:1": that is a text, and must be a list; write tls = ["[::]:4417"]'],
    [
      "[listen]\nunix = [\n  '/a',\n  5,\n]",
      'f:4:3: 5: that is a number, and must be a text; write "/run/mailtwin/link.sock"',
    ],
    ["[log.max_size]\n", 'f:1:6: [log.max_size]: that is a table, and must be a text; write max_size = "1GiB"'],
  ])("%j", (text, problem) => {
    expect(problems(text)).toStrictEqual([problem]);
  });
});

describe("a quantity", () => {
  const units = 'write a whole number and one of B, kB, MB, GB, TB, KiB, MiB, GiB, TiB, as "512MiB"';
  test.each([
    ['max_size = "many"', `f:2:12: max_size = "many": that is no size; ${units}`],
    ['max_size = "1.5GiB"', `f:2:12: max_size = "1.5GiB": that is no size; ${units}`],
    ['max_size = "1B"', 'f:2:12: max_size = "1B": that is less than 16MiB; write 16MiB or more'],
    [
      'max_size = "9999999999999999TiB"',
      'f:2:12: max_size = "9999999999999999TiB": that is more than 64TiB; write 64TiB or less',
    ],
    [
      'max_age = "14"',
      'f:2:11: max_age = "14": that is no duration; write a whole number and one of ms, s, m, h, d, w, as "14d"',
    ],
    ['max_age = "59m"', 'f:2:11: max_age = "59m": that is less than 1h; write 1h or more'],
    ['max_age = "3651d"', 'f:2:11: max_age = "3651d": that is more than 3650d; write 3650d or less'],
  ])("%j", (text, problem) => {
    expect(problems(`[log]\n${text}\n${STORE}`)).toStrictEqual([problem]);
  });
});

describe("a path or address", () => {
  const absolute = 'write an absolute path, as "/var/vmail"';
  const forms = 'write "tls://host[:port]", "ssh://[user@]host[:port]" or "unix:/path"';
  const tls = 'write "tls://host[:port]", as "tls://b.example.org:4417"';
  const unix = 'write "unix:/path", as "unix:/run/mailtwin/link.sock"';
  const port = "its port is not a number from 1 to 65535";
  const host = 'its host is not made of letters, digits, "_" and "-", in parts with "." between, with no "-" in front';
  const user = 'its user is not made of letters, digits, "_", ".", "+" and "-", with no "-" in front';
  const ssh = 'write "ssh://[user@]host[:port]", as "ssh://vmail@b.example.org"';
  test.each([
    ['state_dir = ""', "1:13", "the path is empty", absolute],
    ['state_dir = "lib"', "1:13", "the path is not absolute", absolute],
    ['state_dir = "~/x"', "1:13", "~ is a word of shells, and nobody's home here", absolute],
    ['state_dir = "/a/../b"', "1:13", "the path goes through ..", "write it without"],
    ['state_dir = "/a\\u0000"', "1:13", "a path has no NUL", absolute],
    [
      `control = "/${"a".repeat(107)}"`,
      "1:11",
      "the path of a socket has at most 107 bytes, and this one 108",
      "write a shorter one, as /run/mailtwin/NAME.sock",
    ],
    ['to = "b.example.org"', "4:6", "it begins with none of tls://, ssh:// and unix:", forms],
    ['to = "tls:b:1"', "4:6", "it begins with none of tls://, ssh:// and unix:", forms],
    ['to = "tls://b:0"', "4:6", port, tls],
    ['to = "tls://-b:1"', "4:6", host, tls],
    ['to = "tls://[::x]:1"', "4:6", "what stands in brackets is no IPv6 address", tls],
    ['to = "ssh://-oProxyCommand=x"', "4:6", host, ssh],
    ['to = "ssh://-l@host"', "4:6", user, ssh],
    ['to = "ssh://b:x"', "4:6", port, ssh],
    ['to = "unix:b"', "4:6", "the path of a socket is absolute", unix],
  ])("%s", (line, place, why, advice) => {
    const text = line.startsWith("to") ? STORE.replace(/to = .*/, () => line) : `${line}\n${STORE}`;
    const read = line.length > 60 ? `${line.slice(0, 59)}…` : line;
    expect(problems(text)).toStrictEqual([`f:${place}: ${read}: ${why}; ${advice}`]);
  });

  test.each([
    ['"0.0.0.0"', "the port is missing"],
    ['"a b:1"', host],
    ['"::1:80"', "an IPv6 address stands in brackets: [::1]"],
    ['"[::1]:65536"', port],
  ])("to listen on %s", (address, why) => {
    const advice = 'write "host:port", as "0.0.0.0:4417" or "[::]:4417"';
    expect(problems(`listen.tls = [${address}]\n${STORE}`)).toStrictEqual([`f:1:15: ${address}: ${why}; ${advice}`]);
  });
});

describe("a name", () => {
  const rule = "write up to 64 of a-z, 0-9, _ and -, with a letter or digit first";
  test.each([
    ["Mail", "f:1:8: [store.Mail]: a name has no capital letters; write mail"],
    ["-a", `f:1:8: [store.-a]: that is no name; ${rule}`],
    ['""', `f:1:8: [store.""]: a name is empty; ${rule}`],
    ['"a/b"', `f:1:8: [store."a/b"]: that is no name; ${rule}`],
    ["a".repeat(65), `f:1:8: [store.${"a".repeat(52)}…: a name has at most 64 bytes, and this one 65; ${rule}`],
  ])("of a store: %s", (name, problem) => {
    expect(problems(STORE.replaceAll("store.mail", () => `store.${name}`))).toStrictEqual([problem]);
  });

  test("of a peer, of a replica, and of a store on the other side", () => {
    const text = `[peer.B]\nkey = "${KEY}"\n${STORE.replace("replica.b", "replica.'b '")}store = "M"\n`;
    expect(problems(text)).toStrictEqual([
      "f:1:7: [peer.B]: a name has no capital letters; write b",
      `f:5:21: [store.mail.replica."b "]: that is no name; ${rule}`,
      'f:7:9: store = "M": that is no name of a store; write the NAME of its [store.NAME] on the other side',
    ]);
  });
});

describe("what only the whole can tell", () => {
  test("a peer or store that is nobody", () => {
    const text = `${STORE}peer = "bb"\n[peer.bbb]\nkey = "${KEY}"\nmay_read = ["mail", "mial"]\nmay_write = ["other"]\n`;
    expect(problems(text)).toStrictEqual([
      'f:5:8: peer = "bb": there is no peer of that name; add [peer.bb]: there are bbb',
      'f:8:21: "mial": there is no store of that name; did you mean mail?',
      'f:9:14: "other": there is no store of that name; add [store.other]: there are mail',
    ]);
    expect(problems(`${STORE}peer = "x"`)).toStrictEqual([
      'f:5:8: peer = "x": there is no peer of that name; add [peer.x]: there is no [peer.NAME] at all',
    ]);
  });

  test("a key that is none, or that two peers have", () => {
    const advice = 'write "sha256:" and the 44 characters that the peer\'s own mailtwin tells';
    const text = `${STORE}[peer.a]\nkey = "${KEY}"\n[peer.b]\nkey = "${KEY}"\n[peer.c]\nkey = "sha256:x"\n`;
    expect(problems(text)).toStrictEqual([
      `f:8:7: key = "${KEY}": that is the key of [peer.a] (f:6:7) too; each peer has a key of its own`.replace(
        `key = "${KEY}"`,
        `key = "${KEY}"`.slice(0, 60),
      ),
      `f:10:7: key = "sha256:x": that is no fingerprint of a key; ${advice}`,
    ]);
  });

  test("patterns of users", () => {
    const peer = (users: string) => `${STORE}[peer.a]\nkey = "${KEY}"\nusers = ${users}\n`;
    const advice = 'write a pattern of users, as "*@example.org"';
    expect(problems(peer('["*@example.org"]'))).toStrictEqual([]);
    expect(problems(peer('["", "a\\n"]'))).toStrictEqual([
      `f:7:10: "": an empty pattern means no user; ${advice}`,
      `f:7:14: "a\\n": a pattern has no control characters; ${advice}`,
    ]);
  });

  test("a store that is nothing, or both", () => {
    expect(problems('[store.a]\npath = "/a"')).toStrictEqual([
      "f:1:8: [store.a]: it has neither replicas nor a source; add [store.a.replica.NAME] to send it, or [store.a.source] to receive it",
    ]);
    expect(problems(`${STORE}[store.mail.source]\nfrom = "unix:/a"`)).toStrictEqual([
      "f:5:13: [store.mail.source]: a store with replicas (f:3:13) has no source; keep its replicas or its source",
    ]);
  });

  test("TLS without a peer or an identity", () => {
    const text = STORE.replace("unix:/run/b.sock", "tls://b:1");
    expect(problems(text)).toStrictEqual([
      'f:4:6: to = "tls://b:1": nobody says whose key is to be found there; add peer = "NAME", and its [peer.NAME]',
      'f:4:6: to = "tls://b:1": TLS needs a key of this host, and [identity] has none; add [identity] with key = "/etc/mailtwin/identity.key"',
    ]);
    expect(problems(`listen.tls = ["[::]:1"]\n${STORE}`)).toStrictEqual([
      'f:1:14: tls = ["[::]:1"]: TLS needs a key of this host, and [identity] has none; add [identity] with key = "/etc/mailtwin/identity.key"',
    ]);
  });

  test("TLS with a peer whose key nobody knows", () => {
    const text = `listen.tls = ["[::]:1"]\n[identity]\nkey = "/k"\n[peer.b]\n${STORE.replace('"unix:/run/b.sock"', '"tls://b:1"\npeer = "b"')}`;
    expect(problems(text)).toStrictEqual([
      'f:9:8: peer = "b": TLS needs the key of [peer.b], which has none; add key = "sha256:..." to [peer.b]',
    ]);
    expect(problems('[peer.b]\n[identity]\nname = "a"')).toStrictEqual([]);
  });

  test("one who dials in without a name or a right", () => {
    const peer = `[peer.a]\nkey = "${KEY}"\n[peer.b]\nkey = "${OTHER_KEY}"\nmay_write = ["mail"]\n`;
    expect(problems(`${peer}${STORE.replace(/to = .*/, "")}`)).toStrictEqual([
      'f:8:21: [store.mail.replica.b]: without "to" the other side dials in, and nobody says who that is; add peer = "NAME", or to = "tls://host:port"',
    ]);
    expect(problems(`${peer}${STORE.replace(/to = .*/, 'peer = "b"')}`)).toStrictEqual([
      'f:9:8: peer = "b": without "to" the peer dials in, and it may not fetch store mail; add may_read = ["mail"] to [peer.b], or say here with "to" where it is dialled',
    ]);
    const receiving = (who: string) => `${peer}[store.mail]\npath = "/m"\n[store.mail.source]\npeer = "${who}"\n`;
    expect(problems(receiving("b"))).toStrictEqual([]);
    expect(problems(receiving("a"))).toStrictEqual([
      'f:9:8: peer = "a": without "from" the peer dials in, and it may not send to store mail; add may_write = ["mail"] to [peer.a], or say here with "from" where it is dialled',
    ]);
  });

  test("an alarm that could never sound", () => {
    const alarm = 'unreachable_alarm = "2h"';
    const replica = (lines: string) => `[identity]\nname = "x"\n${STORE.replace(/to = .*/, lines)}`;
    expect(problems(replica(`to = "unix:/b"\n${alarm}`))).toStrictEqual([]);
    expect(problems(replica(`to = "unix:/b"\nmode = "on-demand"\n${alarm}`))).toStrictEqual([
      `f:8:21: ${alarm}: a replica on demand is not expected to be there; take it out`,
    ]);
    expect(problems(replica('to = "unix:/b"\nunreachable_alarm = "59s"'))).toStrictEqual([
      'f:7:21: unreachable_alarm = "59s": that is less than 1m; write 1m or more',
    ]);
    const dialsIn = `[peer.b]\nmay_read = ["mail"]\n${STORE.replace(/to = .*/, `peer = "b"\n${alarm}`)}`;
    expect(problems(dialsIn)).toStrictEqual([]);
    expect(problems(`${dialsIn}mode = "on-demand"\n`)).toStrictEqual([]);
  });

  test("two that would write to one store", () => {
    const text = `${STORE}[store.two]\npath = "/two"\n[store.two.replica.b]\nto = "unix:/run/b.sock"\nstore = "mail"\n`;
    expect(problems(text)).toStrictEqual([
      'f:7:20: [store.two.replica.b]: store mail of unix:/run/b.sock is the replica of [store.mail.replica.b] (f:3:21) already; name another store there, with store = "NAME"',
    ]);
  });
});

describe("places in one another", () => {
  const outside = "name a place outside of every store, and not above one";
  const second = (path: string) => `${STORE}[store.two]\npath = "${path}"\nreplica.c.to = "unix:/c"\n`;

  test("stores", () => {
    const advice = "name two directories of which neither holds the other";
    expect(problems(second("/var/vmail/x"))).toStrictEqual([
      `f:6:8: path = "/var/vmail/x": it lies inside [store.mail] (f:2:8); ${advice}`,
    ]);
    expect(problems(second("/var/"))).toContain(`f:6:8: path = "/var/": it holds [store.mail] (f:2:8); ${advice}`);
    expect(problems(second("/var//vmail"))).toStrictEqual([
      `f:6:8: path = "/var//vmail": it is the same as [store.mail] (f:2:8); ${advice}`,
    ]);
    expect(problems(second("/var/vmail2"))).toStrictEqual([]);
  });

  test("what is ours in a store", () => {
    const text = `state_dir = "/var/vmail/s"\ncontrol = "/var/vmail/c"\nlisten.unix = ["/var/vmail/l"]\nidentity.key = "/var/vmail/k"\n`;
    const inside = (place: string, read: string) =>
      `f:${place}: ${read}: it lies inside [store.mail] (f:6:8); ${outside}`;
    expect(
      problems(`${text}${STORE.replace("[store.mail.rep", 'scratch = "/var/vmail/x"\n[store.mail.rep')}`),
    ).toStrictEqual([
      inside("1:13", 'state_dir = "/var/vmail/s"'),
      inside("2:11", 'control = "/var/vmail/c"'),
      inside("3:16", '"/var/vmail/l"'),
      inside("4:16", 'key = "/var/vmail/k"'),
      inside("7:11", 'scratch = "/var/vmail/x"'),
    ]);
  });

  test("a store in what is ours, and around a default", () => {
    expect(problems(STORE.replace("/var/vmail", "/var/lib/mailtwin/a"))).toStrictEqual([
      `f:2:8: path = "/var/lib/mailtwin/a": it lies inside state_dir (/var/lib/mailtwin by default); ${outside}`,
    ]);
    expect(problems(STORE.replace("/var/vmail", "/run"))).toStrictEqual([
      `f:2:8: path = "/run": it holds control (/run/mailtwin/control.sock by default); ${outside}`,
    ]);
  });

  test("scratch, sockets, addresses twice", () => {
    const text = `control = "/c"\n[listen]\nunix = ["/c"]\ntls = ["A:1", "a:1"]\n[identity]\nkey = "/k"\n${second("/two").replaceAll(/^path/gm, 'scratch = "/s"\npath')}`;
    expect(problems(text)).toStrictEqual([
      'f:3:9: "/c": it is the same as control (f:1:11); give each socket a path of its own',
      'f:4:15: "a:1": that address is in the list already; keep it once',
      'f:13:11: scratch = "/s": it is the same as the scratch of [store.mail] (f:8:11); give each store a scratch directory of its own',
    ]);
  });
});

describe("several files", () => {
  test("may each give a part", () => {
    expect(
      problemsIn({ m: STORE, "c/a": '[store.mail.replica.c]\nto = "unix:/c"', "c/b": "log.max_age = '1d'" }),
    ).toStrictEqual([]);
  });

  test("may not give one thing twice", () => {
    const again = `[store.mail]\npath = "/x"\n[log]\n`;
    expect(
      problemsIn({
        m: `log_level = "info"\n[log]\n${STORE}`,
        a: again,
        b: 'log_level = "debug"\nlog.max_age = "1d"\nstore.mail.replica = {}',
      }),
    ).toStrictEqual([
      "a:1:8: [store.mail]: it is given in m:3:8 too; keep one of the two",
      "a:3:2: [log]: it is given in m:2:2 too; keep one of the two",
      'b:1:1: log_level = "debug": it is given in m:1:1 too; keep one of the two',
      "b:3:12: replica = {}: it is given in m:5:13 too; keep one of the two",
    ]);
  });

  test("have their problems told by file and line, those of form and of the whole together", () => {
    const problems = problemsIn({
      m: `zzz = 1\n${STORE}peer = "nobody"\n`,
      a: '[log]\nmax_age = "x"\n[store.b]\npath = "/var/vmail"\nsource = { peer = "x", form = 1 }\n',
    });
    expect(problems.map((problem) => problem.replace(/:[^:]*$/, "").slice(0, 8))).toStrictEqual([
      ...["m:1:1: z", "m:6:8: p"],
      ...["a:2:11: ", "a:4:8: p", "a:5:19: ", "a:5:24: "],
    ]);
  });
});

describe("what is no TOML", () => {
  const advice = 'write it as TOML has it: key = "text" with quotes, each key and table once';
  test.each([
    ["a = 1\npath = /var/vmail\n", "f:2:8: path = /var/vmail: that is no TOML: invalid value"],
    ["[log]\n[log]\n", "f:2:2: [log]: that is no TOML: trying to redefine an already defined table or value"],
    ['a = "x\n', 'f:1:7: a = "x: that is no TOML: control characters are not allowed in strings'],
    ["__proto__ = 1\n", "f:1:1: __proto__ = 1: that is no TOML: document contains an unsafe property"],
  ])("%j", (text, problem) => {
    expect(problems(text)).toStrictEqual([`${problem}; ${advice}`]);
  });

  test("is told beside the problems of other files, of which nobody is accused of what may stand in it", () => {
    expect(problemsIn({ m: `${STORE}peer = "b"\nmood = 1\n`, a: "[peer.b\n" })).toStrictEqual([
      expect.stringMatching(/^m:6:1: mood = 1: there is no such key/),
      expect.stringMatching(/^a:1:8: \[peer\.b: that is no TOML/),
    ]);
  });

  test("leaves nothing missing that may stand in it, and no default in doubt", () => {
    const more = '[store.mail.replica.b]\nto = "unix:/b"\n[peer.b]\nmay_read = ["x"]\n[store.c]\npath = "/run"\n';
    expect(problemsIn({ m: "[store.mail\n", a: more })).toStrictEqual([expect.stringMatching(/^m:1:12: /)]);
  });

  test("is refused when it is nested beyond need", () => {
    expect(problems(`a = ${"[".repeat(500)}${"]".repeat(500)}`)).toStrictEqual([
      expect.stringMatching(/^f:1:\d+: a = \[+…: that is no TOML: /),
    ]);
  });
});

test("without a home directory the state needs a place", () => {
  const nobody = { isRoot: false, home: undefined, env: {} };
  expect(problemsIn({ f: STORE }, nobody)).toStrictEqual([
    'f: state_dir is missing, and without a home directory there is no default; add state_dir = "/path"',
  ]);
  expect(problemsIn({ f: STORE }, { ...nobody, env: { XDG_STATE_HOME: "/s" } })).toStrictEqual([]);
});

test("thousands of stores are judged as fast as they are read", () => {
  const stores = Array.from({ length: 5000 }, (_, n) => `[store.s${n}]\npath = "/v/${n}"\nreplica.b.to = "unix:/b"\n`);
  expect(problems(stores.join(""))).toStrictEqual([]);
});
