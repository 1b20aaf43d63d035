/** What a configuration says of peers before it is right, and what they are told. Pure. */
import { parse } from "smol-toml";
import { describe, expect, test } from "vitest";
import { lookAtConfig, rightsWished } from "../../../../src/daemon/keys/look-at-config.js";
import { nameFromHost, peerFile, snippetForOther } from "../../../../src/daemon/keys/peer-toml.js";

const look = (...texts: readonly string[]) => lookAtConfig(texts.map((text, n) => ({ file: `${n}.toml`, text })));

const KEY = "sha256:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=";
const MIXED = look(
  `[identity]
key = "/etc/mailtwin/identity.key"
[listen]
tls = ["[::]:4417"]
[store.mail]
[store.mail.replica.dialled]
peer = "b"
to = "tls://b:4417"
[store.mail.replica.dialling]
peer = "b"
store = "copy"
[store.mail.replica.other]
peer = "c"`,
  `[store.in.source]
peer = "b"
[store.out.source]
peer = "b"
store = "theirs"
from = "tls://b:4417"`,
);

test("peers that dial in are given what the stores say of them, and nothing else", () => {
  expect(rightsWished(MIXED, "b")).toEqual({ mayRead: ["mail"], mayWrite: ["in"] });
  expect(rightsWished(MIXED, "c")).toEqual({ mayRead: ["mail"], mayWrite: [] });
  expect(rightsWished(MIXED, "d")).toEqual({ mayRead: [], mayWrite: [] });
});

test("whatever is not of the expected form counts as not said", () => {
  const nothing = { identityKey: undefined, identityName: undefined, listenTls: [], ends: [] };
  for (const text of [
    "",
    "= no TOML",
    "identity = 3\nlisten = [1]\nstore = 7",
    '[identity]\nkey = 4\n[listen]\ntls = "x"',
    "[store.a]\nreplica = 3\nsource = [1]",
  ])
    expect(look(text)).toEqual(nothing);
  expect(look('[listen]\ntls = [1, "x:1"]').listenTls).toEqual(["x:1"]);
  expect(look("= no TOML", '[identity]\nkey = "/k"').identityKey).toBe("/k");
});

describe("the other host is told", () => {
  const own = { name: "a", key: KEY, host: "a.example.org" };

  test("in general: key, and what rights there are", () => {
    const snippet = snippetForOther(own, MIXED, undefined);
    expect(parse(snippet)).toEqual({ peer: { a: { key: KEY } } });
    expect(snippet).toContain(`#   mailtwin pair a ${KEY}\n`);
    expect(snippet).toContain("# may_write =");
  });

  test("as it is known here: its rights, and the tables of its stores as comments", () => {
    const snippet = snippetForOther(own, MIXED, "b");
    expect(parse(snippet)).toEqual({ peer: { a: { key: KEY, may_read: ["theirs"], may_write: ["mail"] } } });
    const commented = snippet.split("\n").filter((line) => /^# \S*[[=a-z]/.test(line) && /[[=]/.test(line));
    expect(parse(commented.map((line) => line.slice(2)).join("\n"))).toEqual({
      store: {
        mail: { source: { peer: "a" } },
        copy: { source: { peer: "a", store: "mail", from: "tls://a.example.org:4417" } },
        in: { replica: { a: { peer: "a", to: "tls://a.example.org:4417" } } },
        theirs: { replica: { a: { peer: "a", store: "out" } } },
      },
    });
  });

  test.each([
    ['[listen]\ntls = ["0.0.0.0:1"]', "tls://a.example.org:1"],
    ['[listen]\ntls = ["10.1.2.3:1"]', "tls://10.1.2.3:1"],
    ['[listen]\ntls = ["[fd00::1]:1"]', "tls://[fd00::1]:1"],
    ['[listen]\ntls = ["mx.example.org:1"]', "tls://mx.example.org:1"],
    ["", "tls://a.example.org:PORT"],
  ])("where to dial: %s", (listen, address) => {
    const snippet = snippetForOther(own, look(listen, '[store.s.replica.r]\npeer = "b"'), "b");
    expect(snippet).toContain(`# from = "${address}"\n`);
  });
});

test("what is written down is TOML of that peer, whatever its name and key are", () => {
  const peer = { name: "b", key: KEY, mayRead: ["mail", "mail"], mayWrite: [] };
  expect(parse(peerFile(peer))).toEqual({ peer: { b: { key: KEY, may_read: ["mail"] } } });
  const odd = { name: 'x"]\n[store.evil]\n#', key: '"\nkey = "', mayRead: [], mayWrite: ['"'] };
  expect(Object.keys(parse(peerFile({ ...odd, name: "b" })))).toEqual(["peer"]);
});

test.each([
  ["a.example.org", "a"],
  ["MX1", "mx1"],
  ["mail_1-x", "mail_1-x"],
  ["münchen", "m-nchen"],
  ["-x", undefined],
  ["", undefined],
  ["x".repeat(70), "x".repeat(64)],
])("the host %s is called %s", (host, name) => expect(nameFromHost(host)).toBe(name));
