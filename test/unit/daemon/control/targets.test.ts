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
