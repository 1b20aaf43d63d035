/** What a daemon says to do: in its own words, wherever those of the catalogue are for somebody in front of a command. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { readCatalogues, readDaemonHints } from "../../../../scripts/error-catalogue.mjs";
import { systemHintOf } from "../../../../src/base/errors.js";
import { captureError } from "../../../../src/capture/errors.js";
import { DAEMON_HINTS, hintInDaemon, hintOfRefused, hintOfRejection } from "../../../../src/daemon/run/daemon-hints.js";
import { openEventLog } from "../../../../src/daemon/run/event-log.js";
import { troubleOf } from "../../../../src/daemon/run/troubles.js";

const ROOT = join(fileURLToPath(new URL("../../../../", import.meta.url)));

/** Words for whoever runs `mailtwin sync`. */
const OF_A_COMMAND =
  /(^|\s)--[a-z]|run the command|the command again|same command|next run|\b(SRC|DST)\b|the state directory|start again|ulimit/i;

/** Of commands only: a daemon ends with none of these. */
const NEVER_IN_DAEMON = [
  ...["usage", "interrupted", "terminated", "hung-up", "log-missing", "store-unknown", "not-in-log", "not-rejected"],
  ...["config-missing", "config-wrong", "daemon-not-running", "control-refused", "key-nowhere", "peer-wrong"],
  ...[
    "limbo-missing",
    "peer-unwritable",
    "state-too-old",
    "target-ambiguous",
    "nothing-to-adopt",
    "not-a-twin",
    "target-away",
  ],
];

/** True of a daemon as well: a file of the operator's, an option of another program, "the next run or sweep". */
const RIGHT_AS_THEY_ARE = [
  ...["key-expired", "ssh-failed", "mailbox-restless", "mailbox-unsettled", "state-unreachable", "replica-of-another"],
  ...["key-unusable", "state-too-new"],
];

describe("the hints of a daemon", () => {
  const all = readCatalogues(ROOT);

  test("stand for each that speaks of a command", () => {
    const known = new Set([...NEVER_IN_DAEMON, ...RIGHT_AS_THEY_ARE, ...Object.keys(DAEMON_HINTS)]);
    const ofCommands = all.filter(({ hint }) => OF_A_COMMAND.test(hint));
    expect(ofCommands.length).toBeGreaterThan(20);
    expect(ofCommands.filter(({ code }) => !known.has(code)).map(({ code, hint }) => `${code}: ${hint}`)).toEqual([]);
  });

  test("speak of no command line themselves, and are of codes that exist", () => {
    const codes = new Set(all.map(({ code }) => code));
    expect(
      Object.entries(DAEMON_HINTS).filter(([, hint]) => OF_A_COMMAND.test(hint.replaceAll(/`[^`]*`/g, ""))),
    ).toEqual([]);
    expect(Object.keys(DAEMON_HINTS).filter((code) => !codes.has(code))).toEqual([]);
  });

  test("are on the page of errors as they are said", () => {
    expect(Object.fromEntries(readDaemonHints(ROOT))).toEqual(DAEMON_HINTS);
  });

  test("are in the status and in the log, whatever the error is", () => {
    const lines: string[] = [];
    const error = captureError("source-emptied", "looking for mailboxes");
    openEventLog("info", (line) => lines.push(line)).write("store-needs-you", { ...troubleOf(error) });
    for (const hint of [troubleOf(error).hint, (JSON.parse(lines[0] ?? "") as { hint: string }).hint]) {
      expect(hint).toContain("move stores/NAME in its state_dir away");
      expect(hint).not.toMatch(/run the command/);
    }
    const full = Object.assign(new Error("ENOSPC: no space"), { code: "ENOSPC" });
    expect(troubleOf(full).hint).not.toBe(systemHintOf("ENOSPC"));
    expect(hintInDaemon("constructor", "as it was")).toBe("as it was");
  });

  test("of a mailbox that is refused say what stands in the way, if that is known", () => {
    expect(hintOfRejection("mailbox-occupied")).toMatch(
      /^On the replica's host, move the mailbox .* It is tried again by itself/,
    );
    expect(hintOfRefused("mailbox-occupied")).toMatch(/^Move the mailbox .* Its source tries again by itself/);
    expect(hintOfRefused("uid-passed")).toMatch(/^Its source tries again by itself/);
    expect(hintOfRejection("uid-passed")).toMatch(/^It is tried again by itself/);
    expect(hintOfRejection("toString")).toMatch(/^It is tried again by itself/);
  });
});
