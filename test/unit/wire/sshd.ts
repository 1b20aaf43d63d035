/** A real sshd on a loopback port, for the user that runs the tests, with keys made for it. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Disposer } from "../../../src/base/disposal.js";
import type { SshAddress } from "../../../src/wire/address.js";

const SSHD = "/usr/sbin/sshd";
/** Where sshd goes when it has no rights any more; Debian makes it at boot. */
const PRIVILEGE_SEPARATION = "/run/sshd";

export interface Sshd extends AsyncDisposable {
  readonly address: SshAddress;
  /** The program to dial with, and what makes it independent of this user's own configuration. */
  readonly program: readonly string[];
  /** Makes this the only host key that the program believes, and the one that it shows. */
  pretendOtherHost(): void;
  pretendOtherUser(): void;
  /** Whatever is asked for by that user's key, this is run, and nothing else is allowed. No quotes in it. */
  force(command: string): void;
}

/** Why there is none on this machine. */
export function whyNoSshd(): string | undefined {
  if (!existsSync(SSHD)) return `no ${SSHD}`;
  return spawnable("ssh-keygen") && spawnable("ssh") ? undefined : "no ssh client";
}

function spawnable(program: string): boolean {
  return (process.env["PATH"] ?? "").split(":").some((dir) => existsSync(join(dir, program)));
}

export async function startSshd(): Promise<Sshd> {
  const owned = new Disposer();
  const dir = mkdtempSync(join(tmpdir(), "mtl-sshd-"));
  owned.defer(() => rmSync(dir, { recursive: true }));
  if (process.geteuid?.() === 0 && !existsSync(PRIVILEGE_SEPARATION)) {
    mkdirSync(PRIVILEGE_SEPARATION, { mode: 0o755 });
    owned.defer(() => rmdirSync(PRIVILEGE_SEPARATION));
  }
  const file = (name: string): string => join(dir, name);
  for (const name of ["host", "user", "stranger"])
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", file(name)]);
  writeFileSync(file("authorized"), readFileSync(file("user.pub")));
  const port = await freePort();
  const believe = (name: string): void =>
    writeFileSync(file("known"), `[127.0.0.1]:${port} ${readFileSync(file(`${name}.pub`), "latin1")}`);
  believe("host");
  owned.defer(await run(port, file));
  const program = [
    "ssh",
    "-F",
    "/dev/null",
    `-oUserKnownHostsFile=${file("known")}`,
    "-oGlobalKnownHostsFile=/dev/null",
  ];
  program.push("-oIdentitiesOnly=yes", "-oIdentityAgent=none", "-i", file("user"));
  return {
    address: { kind: "ssh", user: userInfo().username, host: "127.0.0.1", port },
    program,
    pretendOtherHost: () => believe("stranger"),
    force: (command) =>
      writeFileSync(file("authorized"), `command="${command}",restrict ${readFileSync(file("user.pub"), "latin1")}`),
    pretendOtherUser: () => writeFileSync(file("authorized"), readFileSync(file("stranger.pub"))),
    [Symbol.asyncDispose]: () => owned.dispose(),
  };
}

/** Returns what ends it. */
async function run(port: number, file: (name: string) => string): Promise<() => Promise<void>> {
  const options = [
    `ListenAddress=127.0.0.1:${port}`,
    `HostKey=${file("host")}`,
    `AuthorizedKeysFile=${file("authorized")}`,
  ];
  options.push("StrictModes=no", "UsePAM=no", "PidFile=none", "PasswordAuthentication=no", "PermitRootLogin=yes");
  const args = ["-D", "-e", "-f", "/dev/null", ...options.flatMap((option) => ["-o", option])];
  const child = spawn(SSHD, args, { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (bytes) => (said += String(bytes)));
  const exited = once(child, "exit");
  while (!(await answers(port))) {
    if (child.exitCode !== null) throw new Error(`sshd ended: ${said}`);
    await sleep(10);
  }
  return async () => {
    child.kill();
    await exited;
  };
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  return await new Promise((resolve) => {
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
  }).then((isThere) => {
    socket.destroy();
    return isThere === true;
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}
