/** Which replica or store is meant. */
import { describe, expect, test } from "vitest";
import { receiverNamed, replicaNamed, targetsNamed } from "../../../../src/daemon/control/targets.js";
import { replica, replicaStore, source, status } from "./statuses.js";

const KNOWN = status(
  source("mail", { replicas: [replica("berlin"), replica("laptop")] }),
  source("lists", { replicas: [replica("berlin")] }),
  replicaStore("twin"),
);
const MAIL_LAPTOP = { store: "mail", replica: "laptop" };

const coded = (code: string, words: string): unknown =>
  expect.objectContaining({ code, message: expect.stringContaining(words), exitCode: 64 });

describe("a replica", () => {
  test("is named by its own name where that is one, and by its store and its name", () => {
    expect(replicaNamed(KNOWN, "laptop")).toEqual(MAIL_LAPTOP);
    expect(replicaNamed(KNOWN, "mail/laptop")).toEqual(MAIL_LAPTOP);
    expect(replicaNamed(KNOWN, "lists/berlin")).toEqual({ store: "lists", replica: "berlin" });
  });

  test.each([
    ["berlin", "target-ambiguous", "there are mail/berlin, lists/berlin"],
    ["labtop", "target-unknown", "did you mean laptop?"],
    ["mail/labtop", "target-unknown", "did you mean mail/laptop?"],
    ["mail", "target-unknown", 'looking for replica "mail"'],
    ["xx", "target-unknown", "(known: berlin, mail/berlin, laptop, mail/laptop, lists/berlin)"],
    ["twni", "target-unknown", 'looking for replica "twni"'],
    ["twin", "not-the-source", 'looking for replica "twin": of twin this host has the replica; ask on the host of a'],
    ["twin/b", "not-the-source", "of twin this host has the replica; ask on the host of a"],
    ["", "target-unknown", 'looking for replica ""'],
    ["\x1b[2J", "target-unknown", '"\\x1b[2J"'],
  ])("%j is none: %s", (text, code, words) => {
    expect(() => replicaNamed(KNOWN, text)).toThrow(coded(code, words) as Error);
  });
});

test("who receives: a replica, or a store of this host that is one, or all", () => {
  expect(receiverNamed(KNOWN, undefined)).toEqual({});
  expect(receiverNamed(KNOWN, "twin")).toEqual({ store: "twin" });
  expect(receiverNamed(KNOWN, "laptop")).toEqual(MAIL_LAPTOP);
  expect(() => receiverNamed(KNOWN, "twni")).toThrow(coded("target-unknown", "did you mean twin?") as Error);
  expect(() => receiverNamed(KNOWN, "lists")).toThrow(coded("target-unknown", '"lists"') as Error);
});

test("a store narrows down which replica is meant", () => {
  expect(targetsNamed(KNOWN, {})).toEqual({});
  expect(targetsNamed(KNOWN, { store: "lists" })).toEqual({ store: "lists" });
  expect(targetsNamed(KNOWN, { store: "lists", replica: "berlin" })).toEqual({ store: "lists", replica: "berlin" });
  expect(() => targetsNamed(KNOWN, { store: "lists", replica: "laptop" })).toThrow(
    coded("target-unknown", "") as Error,
  );
  expect(() => targetsNamed(KNOWN, { store: "list" })).toThrow(coded("target-unknown", "did you mean lists?") as Error);
});

test("where all stores are replicas, no name can be that of a replica of this host: whom to ask is said", () => {
  const own = status(replicaStore("mail"), replicaStore("lists", { peer: "c" }));
  expect(() => replicaNamed(own, "b")).toThrow(
    coded(
      "not-the-source",
      'looking for replica "b": of mail this host has the replica; ask on the host of a; of lists this host has the replica; ask on the host of c',
    ) as Error,
  );
  expect(() => replicaNamed(own, "lists")).toThrow(coded("not-the-source", '"lists": of lists this host') as Error);
  expect(() => targetsNamed(own, { store: "mail", replica: "b" })).toThrow(coded("not-the-source", "of mail") as Error);
  expect(() => receiverNamed(own, "mial")).toThrow(coded("target-unknown", "did you mean mail?") as Error);
  const alike = status(source("lists", { replicas: [replica("mail")] }), replicaStore("mail"));
  expect(replicaNamed(alike, "mail")).toEqual({ store: "lists", replica: "mail" });
});
