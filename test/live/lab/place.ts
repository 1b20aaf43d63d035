/**
 * Where a Dovecot instance of the lab lives: a short, searchable directory, free loopback ports, a mail owner.
 *
 * Dovecot's limits decide the shape: a unix socket path has at most 107 bytes, and every directory above base_dir and
 * the homes must be searchable by the users `dovecot`, `dovenull` and `vmail`, so a 0700 directory anywhere above
 * breaks logins.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** "/run/auth-worker" and the like are appended, and the instance's name: this leaves ample room below 107. */
const PARENT_BYTES_MAX = 50;
const MAIL_USER = "vmail";
/** Below the kernel's usual ephemeral range (32768...), so that outgoing connections of other tests never take them. */
const PORT_MIN = 20_000;
const PORT_COUNT = 12_000;

export interface UserIds {
  readonly uid: number;
  readonly gid: number;
}

export interface MailOwner extends UserIds {
  readonly name: string;
}

/** A new directory, 0755, below the first temporary directory that is short and searchable by everybody. */
export function makeShortDir(): string {
  for (const parent of [tmpdir(), "/tmp", "/var/tmp"]) {
    if (Buffer.byteLength(parent) > PARENT_BYTES_MAX || !searchableByAll(parent)) continue;
    const dir = mkdtempSync(join(parent, "mtl-"));
    chmodSync(dir, 0o755);
    return dir;
  }
  throw new Error("no temporary directory is both short and searchable by every user");
}

function searchableByAll(path: string): boolean {
  for (let at = path; ; at = dirname(at)) {
    const found = statSync(at, { throwIfNoEntry: false });
    if (found === undefined || (found.mode & 0o001) === 0) return false;
    if (at === dirname(at)) return true;
  }
}

/** The user that owns the mail; made as a system user where it is absent. Safe when several workers ask at once. */
export function ensureMailOwner(): MailOwner {
  const present = readMailOwner();
  if (present !== undefined) return present;
  let said = "";
  // useradd locks /etc/passwd and fails rather than waits, so another worker's useradd may win or block this one.
  for (let attempt = 0; attempt < 20; attempt++) {
    const made = spawnSync("useradd", ["-r", "-s", "/usr/sbin/nologin", "-d", "/nonexistent", MAIL_USER], {
      encoding: "utf8",
    });
    const owner = readMailOwner();
    if (owner !== undefined) return owner;
    said = made.error?.message ?? made.stderr;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
  }
  throw new Error(`cannot create the user ${MAIL_USER}: ${said.trim()}`);
}

function readMailOwner(): MailOwner | undefined {
  for (const line of readFileSync("/etc/passwd", "utf8").split("\n")) {
    const [name, , uid, gid] = line.split(":");
    if (name === MAIL_USER) return { name, uid: Number(uid), gid: Number(gid) };
  }
  return undefined;
}

/**
 * Two distinct ports of 127.0.0.1 that were free a moment ago. Another process may still take one before Dovecot does:
 * the caller retries when Dovecot cannot listen. `salt` spreads parallel workers over the range.
 */
export async function pickPorts(salt: number): Promise<readonly [number, number]> {
  const found: number[] = [];
  for (let i = 0; i < PORT_COUNT && found.length < 2; i++) {
    const port = PORT_MIN + ((process.pid * 37 + salt * 211 + i) % PORT_COUNT);
    if (await isFree(port)) found.push(port);
  }
  const [first, second] = found;
  if (first === undefined || second === undefined) throw new Error("no two free loopback ports");
  return [first, second];
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen({ port, host: "127.0.0.1", exclusive: true }, () => probe.close(() => resolve(true)));
  });
}
