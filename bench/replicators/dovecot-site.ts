/**
 * One Dovecot 2.3 of its own, as root, that delivers by LMTP over a unix socket into one user's Maildir.
 *
 * Nothing of it is outside its directory, and all its processes are in one account. It has no IMAP port.
 */
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { monotonicMs, pause } from "../measure/clock.js";
import type { CpuAccount } from "../measure/cpu-account.js";
import { runToEnd } from "../measure/run-contender.js";
import { formatSiteConfig, formatUsers, type SiteConfig, USER } from "./dovecot-config.js";

export interface DovecotSite extends AsyncDisposable {
  readonly lmtpSocket: string;
  /** Has the mailbox opened and indexed, as it is where somebody reads it. */
  readonly index: () => Promise<void>;
  /** What it logged as warnings and worse. */
  readonly problems: () => readonly string[];
  /** Stops it and waits for its end. */
  readonly stop: () => Promise<void>;
}

const START_MS_MAX = 15_000;
const STOP_MS_MAX = 10_000;
const POLL_MS = 10;
/** A unix socket's path has at most 107 bytes, and Dovecot's names take up to 40. */
const DIR_BYTES_MAX = 65;

/** Why no such Dovecot can be run here; undefined when it can. */
export function whyNoDovecot(): string | undefined {
  if (process.getuid?.() !== 0) return "not root: Dovecot has to change to the owner of the mail";
  const asked = spawnSync("dovecot", ["--version"], { encoding: "utf8" });
  if (asked.error !== undefined || asked.status !== 0) return "Dovecot is not installed (Debian: dovecot-imapd)";
  const version = asked.stdout.trim();
  if (!version.startsWith("2.3.")) return `Dovecot is ${version}, and the configuration is for 2.3`;
  return existsSync("/usr/lib/dovecot/lmtp") ? undefined : "Dovecot's LMTP is not installed (Debian: dovecot-lmtpd)";
}

/** Starts it; `home` holds Maildir. Throws with its log when it does not come up. */
export async function startSite(
  config: SiteConfig & { readonly home: string },
  account: CpuAccount,
): Promise<DovecotSite> {
  const { dir, owner, home } = config;
  if (Buffer.byteLength(dir) > DIR_BYTES_MAX)
    throw new Error(`${dir} is too long for Dovecot's sockets: name a shorter directory with --work`);
  for (const part of ["", "run", "state"]) {
    mkdirSync(join(dir, part), { recursive: true });
    chmodSync(join(dir, part), 0o755); // whatever the umask is: Dovecot's own users pass through.
  }
  const [configFile, log] = [join(dir, "dovecot.conf"), join(dir, "dovecot.log")];
  writeFileSync(configFile, formatSiteConfig(config));
  writeFileSync(join(dir, "users"), formatUsers({ owner, home }), { mode: 0o644 });
  chmodSync(join(dir, "users"), 0o644);
  const [program = "", ...args] = account.wrap(["dovecot", "-F", "-c", configFile]);
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
  let [said, ended] = ["", false];
  child.stderr.on("data", (piece: Buffer) => {
    said += piece.toString("utf8");
  });
  const exited = new Promise<void>((resolve) => child.once("close", () => resolve()));
  void exited.then(() => {
    ended = true;
  });
  const logged = (): string => (existsSync(log) ? readFileSync(log, "utf8") : "");
  const stop = async (): Promise<void> => {
    if (!ended) child.kill("SIGTERM");
    const last = setTimeout(() => child.kill("SIGKILL"), STOP_MS_MAX);
    await exited;
    clearTimeout(last);
  };
  const deadlineMs = monotonicMs() + START_MS_MAX;
  // It listens on all its sockets before it writes this line.
  while (!logged().includes("starting up for")) {
    if (ended || monotonicMs() > deadlineMs) {
      await stop();
      throw new Error(`Dovecot did not start in ${dir}\n${said}${logged()}`);
    }
    await pause(POLL_MS);
  }
  return {
    lmtpSocket: join(dir, "run", "lmtp"),
    index: async () => void (await runToEnd(["doveadm", "-c", configFile, "index", "-u", USER, "INBOX"])),
    problems: () => logged().split("\n").filter(isProblem),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function isProblem(line: string): boolean {
  return /(?:Warning|Error|Fatal|Panic): /.test(line) && !/Killed with signal 15|SIGTERM/.test(line);
}
