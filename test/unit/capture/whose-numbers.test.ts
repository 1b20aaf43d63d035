/** Whose it is to number mail in a mailbox that has no uidlist. */
import { mkdirSync, readdirSync, rmSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import type { FoundMailbox } from "../../../src/capture/capture-types.js";
import { findControls, StoreEvidence } from "../../../src/capture/whose-numbers.js";
import { parseMailboxGuid } from "../../../src/maildir/ids.js";
import { CaptureBench, rawPath } from "./capture-bench.js";
import type { FakeMailbox } from "./fake-dovecot.js";

const GUID = parseMailboxGuid("0".repeat(32));

const kept = (path: string): FoundMailbox => ({ path: rawPath(path), guid: GUID, fingerprint: "" });
const bare = (path: string, trace?: string): FoundMailbox => ({
  path: rawPath(path),
  fingerprint: "",
  bare: { trace },
});

function refusal(path: string, mailboxes: readonly FoundMailbox[], controls: readonly string[] = []) {
  const own = mailboxes.find((mailbox) => mailbox.path === path)?.bare?.trace;
  const error = new StoreEvidence(mailboxes, controls.map(rawPath)).refusal(rawPath(path), own);
  return error === undefined ? undefined : `${error.code}: ${error.message.replace(/.*but no dovecot-uidlist/, "...")}`;
}

describe("a mailbox without a uidlist", () => {
  test("is ours where nothing else has been, alone or among others", () => {
    expect(refusal("", [bare("")])).toBeUndefined();
    expect(refusal("u1", [bare("u1"), bare("u1/.Work"), bare("u2")])).toBeUndefined();
    expect(refusal("u1", [bare("u1"), kept("u2")])).toBeUndefined();
  });

  test("that was in use before is Dovecot's, whatever others say", () => {
    const words = "uidlist-missing: ..., though it was in use before: there is mail in cur/";
    expect(refusal("u1", [bare("u1", "mail in cur/")])).toBe(words);
    expect(refusal("u1/.Work", [kept("u1"), bare("u1/.Work", "mail in cur/"), kept("u2")])).toBe(words);
  });

  test("is not ours where its neighbours were in use and have none either", () => {
    const neighbours = [bare("u1", "dovecot.index.log"), bare("u1/.Work"), kept("u2")];
    expect(refusal("u1/.Work", neighbours)).toBe(
      "uidlist-missing: ..., and neither has u1, which was in use before: there is dovecot.index.log",
    );
    expect(refusal("u1/.Fresh", neighbours)).toMatch(/^uidlist-missing/); // made after that look.
    expect(refusal("", [bare(""), bare(".Work", "mail in cur/")])).toMatch(/neither has \.Work/);
  });

  test("is ours where one beside it has its uidlist in place, and only another lost it", () => {
    expect(refusal("u1/.New", [kept("u1"), bare("u1/.Lost", "mail in cur/"), bare("u1/.New")])).toBeUndefined();
  });

  test("in a new home is judged by the homes of others", () => {
    const used = bare("u2", "mail in cur/");
    expect(refusal("u1", [bare("u1"), used])).toMatch(/^uidlist-missing: .*neither has u2/);
    expect(refusal("u1", [bare("u1"), used, kept("u3")])).toBeUndefined();
    expect(refusal("u1", [bare("u1"), used, bare("u10", "mail in cur/")])).toMatch(/neither has u2/);
  });
});

describe("beside a control directory", () => {
  const elsewhere = (at: string) => `uidlist-elsewhere: ...; there are such files without mail in ${at}`;

  test("it is not ours, wherever in the home that is", () => {
    const home = [bare("u1/Maildir"), bare("u1/Maildir/.Work")];
    for (const path of ["u1/Maildir", "u1/Maildir/.Work"]) {
      expect(refusal(path, home, ["u1/control/.INBOX"])).toBe(elsewhere("u1/control"));
      expect(refusal(path, home, ["u1/Maildir/control/.INBOX"])).toBe(elsewhere("u1/Maildir/control"));
    }
    expect(refusal("Maildir", [bare("Maildir")], [".INBOX"])).toBe(elsewhere("the store's root"));
  });

  test("the nearest one is named, and used mail is no other matter", () => {
    const homes = [bare("u1/Maildir", "mail in cur/"), bare("u2/Maildir"), bare("u3/Maildir")];
    const controls = ["u1/control/.INBOX", "u2/control/.INBOX"];
    expect(refusal("u1/Maildir", homes, controls)).toBe(elsewhere("u1/control"));
    expect(refusal("u2/Maildir", homes, controls)).toBe(elsewhere("u2/control"));
    expect(refusal("u3/Maildir", homes, controls)).toBe(elsewhere("u1/control"));
  });

  test("that is left over where the uidlists are in place it goes as elsewhere", () => {
    const homes = [kept("u1/Maildir"), bare("u1/Maildir/.New"), bare("u2/Maildir")];
    expect(refusal("u1/Maildir/.New", homes, ["u1/control/.INBOX"])).toBeUndefined();
    expect(refusal("u2/Maildir", homes, ["u1/control/.INBOX"])).toBeUndefined();
  });
});

test("a control directory is known by its INBOX, or by the names of mailboxes without a uidlist", () => {
  const controls = (bodiless: readonly string[], mailboxes: readonly FoundMailbox[]) => [
    ...findControls(bodiless.map(rawPath), mailboxes),
  ];
  expect(controls(["c/.INBOX", "c/.Work", "u1/.Half"], [])).toEqual(["c/.INBOX", "c/.Work"]);
  expect(controls(["c/INBOX", "c/Work", "c/Work/Sub"], [])).toEqual(["c/INBOX", "c/Work", "c/Work/Sub"]);
  expect(controls(["c/.Work", "c/.Half"], [bare("u1/.Work"), kept("u1/.Half")])).toEqual(["c/.Work"]);
  expect(controls(["c/.Work"], [kept("u1/.Work")])).toEqual([]);
});

describe("on disk", () => {
  const lose = (mailbox: FakeMailbox): void => unlinkSync(join(mailbox.dir, "dovecot-uidlist"));

  /** A look, as a dry run has one, and a try to number, both of which leave the directory as it is. */
  function refusals(bench: CaptureBench, mailbox: FakeMailbox): string[] {
    const state = () => [statSync(mailbox.dir).ctimeMs, ...readdirSync(mailbox.dir)];
    const before = state();
    const looked = bench.look(mailbox, { full: true });
    const numbered = bench.source.number({ path: rawPath(mailbox.path) });
    expect(state()).toEqual(before);
    expect(looked).toMatchObject({ kind: "unchanged" });
    if (numbered.kind !== "problem") throw new Error(JSON.stringify(numbered));
    expect(looked.unnumbered.refused).toEqual(numbered.problem);
    return [numbered.problem.code, numbered.problem.message];
  }

  test.each([
    [
      "mail in cur/",
      (box: FakeMailbox) => void box.deliver({ recorded: false, info: ":2,S" }),
      "there is mail in cur/",
    ],
    ["an index", (box: FakeMailbox) => writeFileSync(join(box.dir, "dovecot.index.log"), ""), "dovecot.index.log"],
    ["keywords", (box: FakeMailbox) => writeFileSync(join(box.dir, "dovecot-keywords"), "0 a\n"), "dovecot-keywords"],
    [
      "mail that Dovecot delivered",
      (box: FakeMailbox) => writeFileSync(join(box.dir, "new/1.M2P3.h,S=4,W=5"), ""),
      "W=5",
    ],
  ])("%s and no uidlist: nothing is written, not even a lock", async (_, use, words) => {
    const bench = await CaptureBench.open();
    const inbox = bench.store.create("alice");
    inbox.deliver({ recorded: false });
    use(inbox);
    lose(inbox);
    expect(refusals(bench, inbox)).toEqual(["uidlist-missing", expect.stringContaining(words)]);
  });

  test("an identity of its own makes all of that normal", async () => {
    const bench = await CaptureBench.open();
    const inbox = bench.store.create("alice");
    inbox.deliver({ recorded: false, info: ":2,S" });
    writeFileSync(join(inbox.dir, "dovecot.index.log"), "");
    expect(bench.look(inbox, { full: true }).unnumbered).toEqual({ count: 1, oldestSeenMs: bench.nowMs });
    expect(bench.source.number({ path: rawPath("alice") })).toEqual({
      ...{ kind: "numbered", count: 1, more: false, uidNext: 2, notFiles: [] },
    });
  });

  test("what comes under the lock of somebody who is at work there is waited for", async () => {
    const bench = await CaptureBench.open();
    const inbox = bench.store.create("alice");
    inbox.deliver({ recorded: false, info: ":2,S" });
    lose(inbox);
    inbox.lock();
    expect(bench.source.number({ path: rawPath("alice") })).toMatchObject({ kind: "busy" });
    inbox.unlock();
    expect(bench.source.number({ path: rawPath("alice") })).toMatchObject({ kind: "problem" });
  });

  test("an identity is not begun for what turns out to be no mail", async () => {
    const bench = await CaptureBench.open();
    const inbox = bench.store.create("alice");
    mkdirSync(join(inbox.dir, "new/1700000000.dir"));
    lose(inbox);
    expect(bench.source.number({ path: rawPath("alice") })).toEqual({
      ...{ kind: "numbered", count: 0, more: false, uidNext: 1, notFiles: ["new/1700000000.dir"] },
    });
    expect(readdirSync(inbox.dir)).not.toContain("dovecot-uidlist");
  });

  test("a control directory is named as one, and so are the mailboxes beside it", async () => {
    const bench = await CaptureBench.open();
    const folder = bench.store.create("u1/Maildir/.Work");
    folder.deliver({ recorded: false });
    lose(folder);
    for (const name of ["u1/control/.INBOX", "u1/control/.Work", "u1/Maildir/.Half"]) {
      const path = join(bench.store.root, name, "dovecot-uidlist");
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, `3 V1 N1 G${GUID}\n`);
    }
    const { problems } = bench.source.discover();
    expect(problems.map(({ path, code }) => [path, code])).toEqual([
      ["u1/Maildir/.Half", "mailbox-without-cur"],
      ["u1/control/.INBOX", "uidlist-elsewhere"],
      ["u1/control/.Work", "uidlist-elsewhere"],
    ]);
    expect(problems[1]?.message).toContain("CONTROL=");
    expect(problems[1]?.hint).toContain("CONTROL=");
    expect(refusals(bench, folder)).toEqual(["uidlist-elsewhere", expect.stringContaining("in u1/control")]);
    rmSync(join(bench.store.root, "u1/control"), { recursive: true });
    bench.source.discover();
    expect(bench.source.number({ path: rawPath(folder.path) })).toMatchObject({ kind: "numbered", isIdentified: true });
  });
});
