/**
 * Starts and stops real Dovecot instances on loopback ports, each with its own directories: a *site* of the lab.
 *
 * `site.store` is what gets twinned: a tree of users (`u1/Maildir`, `u1/Maildir/.Folder`).
 * INVARIANT: sites share nothing but the user that owns the mail, so any number run side by side.
 * Opening a mailbox that does not exist yet makes Dovecot create it, with a UIDVALIDITY of its own: do not log in to a
 * replica before it is seeded (wait.ts takes care of this).
 */
import { execFile } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { formatConfig, formatUsers, type Layout } from "./config.js";
import { launchMaster, type Master } from "./master.js";
import { ensureMailOwner, type MailOwner, makeShortDir, pickPorts, type UserIds } from "./place.js";
import { problemLines } from "./problems.js";

const START_ATTEMPTS = 5;
const DOVEADM_MS_MAX = 60_000;
const DOVEADM_BYTES_MAX = 1 << 28;
const PASSWORD = "pw";

export interface SiteOptions {
  /** Short (it is part of socket paths), for example "A". */
  readonly name: string;
  readonly users: readonly string[];
  readonly layout?: Layout;
  /** Text appended to dovecot.conf. */
  readonly extraConfig?: string;
  /** Whether empty homes are made for the users (default true). With false `store` is empty: for a replica to be seeded. */
  readonly homes?: boolean;
  /** Whose a user's mail is (default: the one mail owner's). */
  readonly ownerOf?: (user: string) => UserIds;
  /** What a user's home is called, bytes as latin1 (default: as the user). */
  readonly homeOf?: (user: string) => string;
}

interface SiteIdentity {
  readonly name: string;
  readonly dir: string;
  readonly users: readonly string[];
  readonly layout: Layout;
  readonly owner: MailOwner;
  readonly homeOf: (user: string) => string;
  readonly imapPort: number;
  readonly lmtpPort: number;
}

export interface DovecotSite extends SiteIdentity, AsyncDisposable {
  /** The directory to twin: one home per user. */
  readonly store: string;
  /** The one password of all users. */
  readonly password: string;
  /** `<store>/<user>/Maildir`, bytes as latin1. */
  mailRoot(user: string): string;
  /** Runs doveadm on this instance and returns its stdout; throws with its stderr if it fails or takes a minute. */
  doveadm(args: readonly string[]): Promise<string>;
  logLines(): readonly string[];
  /** Warnings and worse, of the log and of doveadm's stderr, without what problems.ts explains as harmless. */
  problems(): readonly string[];
  /** Stops all processes and, unless told otherwise, removes the directory; the log stays readable. Idempotent. */
  stop(options?: { readonly keepFiles?: boolean }): Promise<void>;
}

/** Starts one instance; returns when it serves IMAP and LMTP. */
export async function startDovecot(options: SiteOptions): Promise<DovecotSite> {
  const { name, users, layout = "maildir++" } = options;
  const owner = ensureMailOwner();
  const dir = join(makeShortDir(), name);
  makeTree(dir, options, owner);
  for (let attempt = 1; ; attempt++) {
    const [imapPort, lmtpPort] = await pickPorts(attempt * 17 + name.charCodeAt(0));
    const { homeOf = sameName } = options;
    const identity = { name, dir, users, layout, owner, homeOf, imapPort, lmtpPort };
    writeFileSync(configPath(dir), formatConfig({ ...identity, extraConfig: options.extraConfig ?? "" }));
    const launch = await launchMaster(configPath(dir), logPath(dir));
    if (launch.kind === "up") return new Site(identity, launch.master);
    if (launch.kind === "failed" || attempt === START_ATTEMPTS) {
      rmSync(dirname(dir), { recursive: true, force: true });
      throw new Error(`Dovecot ${name} did not start:\n${launch.why}`);
    }
    rmSync(logPath(dir), { force: true }); // another process took a port between probe and listen: try other ports.
  }
}

function makeTree(dir: string, options: SiteOptions, owner: MailOwner): void {
  for (const part of ["", "run", "state", "home"]) {
    mkdirSync(join(dir, part), { recursive: true });
    chmodSync(join(dir, part), 0o755);
  }
  const { homeOf = sameName, ownerOf = () => owner } = options;
  const home = (user: string): string => join(dir, "home", homeOf(user));
  for (const user of options.homes === false ? [] : options.users) {
    const path = Buffer.from(home(user), "latin1");
    mkdirSync(path, { mode: 0o700 });
    chownSync(path, ownerOf(user).uid, ownerOf(user).gid);
  }
  const usersPath = join(dir, "users");
  writeFileSync(usersPath, formatUsers({ users: options.users, password: PASSWORD, ownerOf, home }), "latin1");
  chmodSync(usersPath, 0o644); // the lab's password is no secret; Dovecot's auth process must be able to read it.
}

function sameName(user: string): string {
  return user;
}

class Site implements DovecotSite {
  readonly name: string;
  readonly dir: string;
  readonly users: readonly string[];
  readonly layout: Layout;
  readonly owner: MailOwner;
  readonly homeOf: (user: string) => string;
  readonly imapPort: number;
  readonly lmtpPort: number;
  readonly store: string;
  readonly password = PASSWORD;
  readonly #master: Master;
  readonly #doveadmLines: string[] = [];
  #lastLog: readonly string[] = [];
  #stopped: Promise<void> | undefined;

  constructor(identity: SiteIdentity, master: Master) {
    this.name = identity.name;
    this.dir = identity.dir;
    this.users = identity.users;
    this.layout = identity.layout;
    this.owner = identity.owner;
    this.homeOf = identity.homeOf;
    this.imapPort = identity.imapPort;
    this.lmtpPort = identity.lmtpPort;
    this.store = join(identity.dir, "home");
    this.#master = master;
  }

  mailRoot(user: string): string {
    return join(this.store, this.homeOf(user), "Maildir");
  }

  doveadm(args: readonly string[]): Promise<string> {
    // KILL, because a doveadm that waits for a mailbox lock ignores TERM.
    const options = { timeout: DOVEADM_MS_MAX, killSignal: "SIGKILL", maxBuffer: DOVEADM_BYTES_MAX } as const;
    return new Promise((resolve, reject) => {
      execFile("doveadm", ["-c", configPath(this.dir), ...args], options, (error, stdout, stderr) => {
        this.#doveadmLines.push(...nonEmptyLines(stderr));
        if (error === null) resolve(stdout);
        else
          reject(
            new Error(`${this.name}: doveadm ${args.join(" ")} failed: ${stderr === "" ? error.message : stderr}`),
          );
      });
    });
  }

  logLines(): readonly string[] {
    if (existsSync(logPath(this.dir))) this.#lastLog = nonEmptyLines(readFileSync(logPath(this.dir), "utf8"));
    return this.#lastLog;
  }

  problems(): readonly string[] {
    return problemLines([...this.logLines(), ...this.#doveadmLines]);
  }

  stop(options: { readonly keepFiles?: boolean } = {}): Promise<void> {
    this.#stopped ??= this.#stopOnce(options.keepFiles === true);
    return this.#stopped;
  }

  async #stopOnce(keepFiles: boolean): Promise<void> {
    await this.#master.stop();
    this.logLines();
    if (!keepFiles) rmSync(dirname(this.dir), { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

function configPath(dir: string): string {
  return join(dir, "dovecot.conf");
}

function logPath(dir: string): string {
  return join(dir, "dovecot.log");
}

function nonEmptyLines(text: string): readonly string[] {
  return text.split("\n").filter((line) => line !== "");
}
