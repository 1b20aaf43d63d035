/** Programs that put the times of directories back (rsync -a, tar, touch -d) hide nothing. */
import { utimesSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { systemClock } from "../../../src/base/clock.js";
import { CaptureBench } from "./capture-bench.js";
import { expectEqualToDisk } from "./log-model.js";

test.each(["a delivery", "a flag", "a keyword's name"])(
  "%s is found although all mtimes are as before",
  async (what) => {
    const clock = { ...systemClock, nowMs: () => (Date.now() + 60_000) as never };
    const bench = await CaptureBench.open({}, { clock });
    const inbox = bench.store.create("alice");
    const letter = inbox.keywordLetter("first");
    const base = inbox.deliver({ info: `:2,${letter}` });
    const parts = ["cur", "new", "dovecot-uidlist", "dovecot-keywords"].map((part) => join(inbox.dir, part));
    const putBack = (): void => parts.forEach((part) => void utimesSync(part, 1_700_000_000, 1_700_000_000));
    putBack();
    bench.settle(inbox);
    const before = bench.model.reader.mailboxes()[0]?.fingerprint;
    await bench.restart();
    expect([before, bench.source.discover().mailboxes[0]?.fingerprint]).toStrictEqual([
      before,
      expect.stringMatching(/./),
    ]);
    expect(bench.source.discover().mailboxes[0]?.fingerprint).toBe(before);
    if (what === "a delivery") inbox.deliver({ recorded: false });
    else if (what === "a flag") inbox.setInfo(base, `:2,S${letter}`);
    else inbox.writeKeywords(["other"]);
    putBack();
    expect(bench.source.discover().mailboxes[0]?.fingerprint).not.toBe(before);
    if (what === "a delivery") inbox.numberAll();
    expect(bench.settle(inbox)).toBe(1);
    expectEqualToDisk(bench.model, bench.store);
  },
);
