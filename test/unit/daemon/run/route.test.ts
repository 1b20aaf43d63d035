/** Whom the daemon lets do what, by its configuration. */
import { describe, expect, test } from "vitest";
import { type Config, makeConfig } from "../../../../src/daemon/config/config.js";
import { configSchema } from "../../../../src/daemon/config/schema.js";
import { routeOf } from "../../../../src/daemon/run/route.js";
import { type LinkRole, NO_SOURCE, type Opening } from "../../../../src/wire/opening.js";

const KEY = (letter: string) => `sha256:${letter.repeat(42)}A=`;

const CONFIG: Config = makeConfig(
  configSchema.parse({
    peer: {
      up: { key: KEY("U"), may_write: ["fetched", "dialled"] },
      down: { key: KEY("D"), may_read: ["mail", "two"] },
      idle: { key: KEY("I") },
    },
    store: {
      mail: { path: "/mail", replica: { laptop: { peer: "down" }, far: { to: "unix:/far", peer: "idle" } } },
      two: { path: "/two", replica: { other: { to: "unix:/x", peer: "down" } } },
      fetched: { path: "/fetched", source: { peer: "up" } },
      dialled: { path: "/dialled", source: { peer: "up", from: "unix:/up" } },
    },
  }),
  { stateDir: "/state", control: "/control" },
);

const proof = (peer: string | undefined) => {
  if (peer === undefined) return undefined;
  return { peer, key: [...CONFIG.peers.values()].find(({ name }) => name === peer)?.key ?? KEY("X") };
};

const asks = (role: LinkRole, store: string, peer = ""): Opening => ({
  ...{ role, peer, ...NO_SOURCE },
  target: { kind: "store", store },
});

describe("who dials in", () => {
  test("gets the store that it may read, as the replica that is waited for", () => {
    const route = routeOf(CONFIG, asks("replica", "mail"), proof("down"));
    expect(route).toMatchObject({ kind: "replica", store: { name: "mail" }, replica: { name: "laptop" } });
  });

  test("sends to the store that it may write", () => {
    expect(routeOf(CONFIG, asks("source", "fetched"), proof("up"))).toMatchObject({
      kind: "source",
      store: { name: "fetched" },
    });
  });

  test("is who the carrier says it is, whatever it says itself", () => {
    expect(() => routeOf(CONFIG, asks("replica", "mail", "down"), proof("idle"))).toThrow(
      'serving "idle": it may not read the store "mail"',
    );
    expect(routeOf(CONFIG, asks("replica", "mail", "down"), undefined).kind).toBe("replica");
  });

  test.each([
    ["a store that is not there", asks("replica", "nothing"), "down"],
    ["a store that it has no right to", asks("replica", "mail"), "idle"],
    ["a store that it may read, to send to it", asks("source", "mail"), "down"],
    ["a store that it may write, to read it", asks("replica", "fetched"), "up"],
    ["a store that is dialled for it", asks("replica", "two"), "down"],
    ["a store whose source is dialled", asks("source", "dialled"), "up"],
    ["a store, and is nobody", asks("replica", "mail"), "stranger"],
    ["a store, and has no name", asks("replica", "mail"), undefined],
  ] as const)("is refused %s", (_what, opening, peer) => {
    expect(() => routeOf(CONFIG, opening, proof(peer))).toThrow(
      expect.objectContaining({ code: "no-right", exitCode: 77 }),
    );
  });

  test("with a key that was taken from the peer meanwhile is refused", () => {
    const stolen = { peer: "down", key: KEY("S") };
    expect(() => routeOf(CONFIG, asks("replica", "mail"), stolen)).toThrow(
      expect.objectContaining({ code: "no-right" }),
    );
  });

  test.each([
    [
      asks("replica", "mail"),
      'serving "idle": it may not read the store "mail", which takes, in the configuration of the host that refuses, may_read = ["mail"] in [peer.idle], and [store.mail.replica.NAME] with peer = "idle" and without "to"',
    ],
    [
      asks("source", "a b"),
      'serving "idle": it may not send to the store "a b", which takes, in the configuration of the host that refuses, may_write = ["a b"] in [peer.idle], and [store."a b".source] with peer = "idle" and without "from"',
    ],
  ])("hears what it may not, and what gives the right: %#", (opening, words) => {
    expect(() => routeOf(CONFIG, opening, proof("idle"))).toThrow(
      expect.objectContaining({ message: words, hint: expect.stringContaining("mailtwin reload there") }),
    );
  });

  test("hears the same of a store that is not there and of one that is not for it", () => {
    const words = (store: string) => {
      try {
        routeOf(CONFIG, asks("replica", store), proof("idle"));
      } catch (error) {
        return (error as Error).message.replaceAll(store, "STORE");
      }
      return "let in";
    };
    expect(words("nothing")).toBe(words("mail"));
  });

  test("gets no directory by its path", () => {
    const target = {
      kind: "path",
      path: "/etc",
      foreign: "limbo",
      live: false,
      sourceId: "0".repeat(32),
    } as const;
    expect(() => routeOf(CONFIG, { ...asks("source", "mail"), target }, proof("up"))).toThrow(
      "it asks for a directory",
    );
  });
});
