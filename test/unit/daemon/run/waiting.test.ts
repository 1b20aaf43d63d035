/** How long is waited before the next try, and what stays told. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fc } from "@fast-check/vitest";
import { describe, expect, test } from "vitest";
import { readCatalogues } from "../../../../scripts/error-catalogue.mjs";
import { errorOfSource } from "../../../../src/agent/farewell.js";
import { daemonError } from "../../../../src/daemon/errors.js";
import { BACK_OFF, BackOff } from "../../../../src/daemon/run/back-off.js";
import { openEventLog } from "../../../../src/daemon/run/event-log.js";
import { RefusalLog } from "../../../../src/daemon/run/refusal-log.js";
import { Troubles, troubleOf } from "../../../../src/daemon/run/troubles.js";
import { wireError } from "../../../../src/wire/errors.js";
import { FakeClock } from "../../../fake-clock.js";

const ROOT = join(fileURLToPath(new URL("../../../../", import.meta.url)));

describe("BackOff", () => {
  test("doubles its bound with each failure, up to the longest", () => {
    const highest = new BackOff(() => 0.999_999);
    const waits = Array.from({ length: 10 }, () => highest.nextMs());
    expect(waits).toStrictEqual([500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]);
  });

  test("begins anew after a success", () => {
    const backOff = new BackOff(() => 0);
    for (let i = 0; i < 5; i++) backOff.nextMs();
    backOff.reset();
    expect(backOff.nextMs()).toBe(250);
  });

  test("never waits less than half of its bound, nor longer than the longest", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 0.999_999, noNaN: true }), fc.nat(2_000), (random, failures) => {
        const backOff = new BackOff(() => random);
        let last = 0;
        for (let i = 0; i <= failures; i++) last = backOff.nextMs();
        const bound = Math.min(BACK_OFF.msMin * 2 ** failures, BACK_OFF.msMax);
        expect(last).toBeGreaterThanOrEqual(Math.floor(bound / 2));
        expect(last).toBeLessThanOrEqual(BACK_OFF.msMax);
      }),
      { numRuns: 50 },
    );
  });
});

describe("RefusalLog", () => {
  test("logs a bounded number in a minute, and how many more there were", async () => {
    const clock = new FakeClock();
    const lines: Record<string, unknown>[] = [];
    const log = openEventLog("debug", (line) => lines.push(JSON.parse(line) as Record<string, unknown>));
    const refusals = new RefusalLog({ log, clock });
    const refuse = () => refusals.note(wireError("peer-unknown", "accepting somebody"), "b");
    for (let i = 0; i < 1_000; i++) refuse();
    expect(lines).toHaveLength(20);
    expect(lines[0]).toMatchObject({ msg: "link-refused", code: "peer-unknown", peer: "b" });
    await clock.advance(60_000);
    refuse();
    expect(lines.slice(20)).toMatchObject([{ msg: "links-refused-unsaid", count: 980 }, { msg: "link-refused" }]);
  });
});

describe("Troubles", () => {
  const trouble = troubleOf(wireError("peer-unreachable", "connecting to b"));

  test("are news once, and keep the time since when they stand", () => {
    const troubles = new Troubles();
    expect(troubles.note("link", trouble, 100)).toBe(true);
    expect(troubles.note("link", { ...trouble, words: "connecting to b, again" }, 200)).toBe(false);
    expect(troubles.all).toStrictEqual([{ ...trouble, words: "connecting to b, again", sinceMs: 100 }]);
    troubles.over("link");
    expect(troubles.all).toStrictEqual([]);
  });

  test("that become worse are news again, and begin when they began", () => {
    const troubles = new Troubles();
    troubles.note("link", trouble, 100);
    expect(troubles.note("link", { ...trouble, level: "needs-you" }, 300)).toBe(true);
    expect(troubles.all[0]?.sinceMs).toBe(100);
  });

  test("of what failed are logged when they are news, by who has to act", () => {
    const lines: Record<string, unknown>[] = [];
    const log = openEventLog("debug", (line) => lines.push(JSON.parse(line) as Record<string, unknown>));
    const troubles = new Troubles();
    const failed = (hasLasted = false) =>
      troubles.noteFailure("link", wireError("peer-unreachable", "x"), { of: "replica", log, nowMs: 1, hasLasted });
    for (const hasLasted of [false, false, true, true]) failed(hasLasted);
    troubles.noteFailure("store", new TypeError("a defect"), { of: "store", log, nowMs: 2 });
    expect(lines.map(({ msg, level, code }) => [msg, level, code])).toStrictEqual([
      ["replica-failed", 40, "peer-unreachable"],
      ["replica-needs-you", 50, "peer-unreachable"],
      ["store-needs-you", 50, "bug"],
    ]);
  });

  test("of one code are others for another reason: news, and begin anew", () => {
    const troubles = new Troubles();
    const seen = ["one", "one", "other"].map((reason, at) => troubles.note("source", trouble, at, reason));
    expect(seen).toStrictEqual([true, false, true]);
    expect(troubles.all).toStrictEqual([{ ...trouble, sinceMs: 2 }]);
  });

  /** What is logged while a source says one after the other, the n-th at n ms. */
  function saidBySource(codes: readonly string[]) {
    const lines: Record<string, unknown>[] = [];
    const log = openEventLog("debug", (line) => lines.push(JSON.parse(line) as Record<string, unknown>));
    const troubles = new Troubles();
    for (const [nowMs, code] of codes.entries()) {
      const error = errorOfSource({ code, message: `it is ${code}`, hint: "", disposition: "operator", exitCode: 75 });
      troubles.noteFailure("source", error, { of: "store", log, nowMs });
    }
    return { troubles, lines, news: lines.map(({ message }) => String(message).split("it is ")[1]) };
  }

  test("of a source are told apart by its codes that are known here: made-up ones are all alike", () => {
    const known = ["destination-has-mail", "replica-emptied", "ENOSPC"];
    const { troubles, lines, news } = saidBySource(["destination-has-mail", ...known, "x-1", "x-2", "toString"]);
    expect(news).toStrictEqual([...known, "x-1"]);
    expect(new Set(lines.map(({ code }) => code))).toStrictEqual(new Set(["source-refuses"]));
    expect(troubles.all).toMatchObject([{ code: "source-refuses", sinceMs: 4 }]);
  });

  test("of a source: each code of the agent's that needs a person is known here", () => {
    const ofReplicas = new Set(["replica-failed", "source-refuses"]); // what another end said, told here.
    const codes = readCatalogues(ROOT)
      .filter(({ room, code, disposition }) => room === "agent" && disposition === "operator" && !ofReplicas.has(code))
      .map(({ code }) => code);
    expect(codes.length).toBeGreaterThan(3);
    expect(saidBySource(codes).news).toStrictEqual(codes);
    for (const code of codes) expect(saidBySource(["x", code]).news, code).toStrictEqual(["x", code]);
  });

  test("need a person unless they pass by themselves", () => {
    expect(trouble.level).toBe("healing");
    expect(troubleOf(wireError("peer-key-differs", "x")).level).toBe("needs-you");
    expect(troubleOf(daemonError("destination-has-mail", "x")).level).toBe("needs-you");
    expect(troubleOf(new TypeError("a defect")).level).toBe("needs-you");
  });
});
