/**
 * Says whether real Dovecots can be run here, and wraps suites that need them.
 *
 * A suite that cannot run is skipped with the reason in its name, from where the end of the run tells it (not-run-reporter.mjs).
 * With MAILTWIN_LIVE=required a missing Dovecot is a failure instead (for machines that are meant to have one).
 * MAILTWIN_NOT_INSTALLED says why scripts/test did not install one; it is added to the reason.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { describe, test } from "vitest";

export type DovecotAvailability =
  | { readonly ok: true; readonly version: string }
  | { readonly ok: false; readonly reason: string };

const LIBEXEC = "/usr/lib/dovecot";
let known: DovecotAvailability | undefined;

/** Whether this process can start its own Dovecot instances: root, a 2.3 build, imap and lmtp installed. Cached. */
export function dovecotAvailable(): DovecotAvailability {
  known ??= probe();
  return known;
}

/** `describe` for suites beside real Dovecots; skipped with the reason where there is none. */
export function describeLive(name: string, fn: () => void): void {
  const found = dovecotAvailable();
  if (found.ok) {
    describe(name, fn);
    return;
  }
  if (process.env["MAILTWIN_LIVE"] === "required") {
    describe(name, () => {
      test("needs Dovecot", () => {
        throw new Error(`MAILTWIN_LIVE=required, but live tests cannot run: ${found.reason}`);
      });
    });
    return;
  }
  describe.skip(`${name} [skipped: ${found.reason}]`, fn);
}

function probe(): DovecotAvailability {
  if (process.platform !== "linux") return { ok: false, reason: "not Linux" };
  if (process.getuid?.() !== 0)
    return { ok: false, reason: "not root: Dovecot needs root to change to the mail owner" };
  const asked = spawnSync("dovecot", ["--version"], { encoding: "utf8" });
  if (asked.error !== undefined || asked.status !== 0) return missing("there is no dovecot command");
  const version = asked.stdout.trim();
  // 2.4 refuses a 2.3 configuration file, and the other way round.
  if (!version.startsWith("2.3.")) return { ok: false, reason: `Dovecot ${version}: the lab writes 2.3 configuration` };
  for (const [program, debianPackage] of Object.entries({ imap: "dovecot-imapd", lmtp: "dovecot-lmtpd" })) {
    if (!existsSync(`${LIBEXEC}/${program}`)) return missing(`${debianPackage} is not installed`);
  }
  return { ok: true, version };
}

function missing(what: string): DovecotAvailability {
  const why = process.env["MAILTWIN_NOT_INSTALLED"] ?? "";
  return { ok: false, reason: why === "" ? what : `${what}, and ${why}` };
}
