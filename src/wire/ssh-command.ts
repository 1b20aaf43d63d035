/**
 * The command line that ssh is started with, and what its exit code says. No shell of this host reads it.
 *
 * INVARIANT: nothing of an address can become an option: the destination does not begin with "-", and "--" ends the options behind it
 * (ssh reads options after the host too).
 */
import { assert } from "../base/assert.js";
import { displayRaw, rawFromText } from "../base/raw-name.js";
import type { SshAddress } from "./address.js";
import type { WireErrorCode } from "./errors.js";

export interface SshCommand {
  readonly address: SshAddress;
  /** The program, and options of the operator's. Default: "ssh". */
  readonly program?: readonly string[] | undefined;
  /** What runs over there. Default: mailtwin serve --stdio. */
  readonly remoteCommand?: readonly string[] | undefined;
}

const PROGRAM = ["ssh"];
const REMOTE_COMMAND = ["mailtwin", "serve", "--stdio"];

/** The program first. It asks for nothing, and makes no terminal, which would change bytes. */
export function sshArgvOf({
  address,
  program = PROGRAM,
  remoteCommand = REMOTE_COMMAND,
}: SshCommand): readonly string[] {
  const { user, host, port } = address;
  const destination = user === undefined ? host : `${user}@${host}`;
  assert(!destination.startsWith("-") && !host.startsWith("-"), "an address was parsed before it is dialled");
  assert(program.length > 0 && remoteCommand.length > 0, "a command has a program");
  const options = ["-T", "-oBatchMode=yes", ...(port === undefined ? [] : ["-p", String(port)])];
  return [...program, ...options, destination, "--", ...remoteCommand.map(quoted)];
}

/** For messages: as one would type it. */
export function shownCommand(argv: readonly string[]): string {
  return displayRaw(rawFromText(argv.join(" ")));
}

/** ssh joins the words with spaces, and the shell over there splits them again. A "~" in front stays the shell's: it is of use. */
function quoted(word: string): string {
  return /^[A-Za-z0-9_/.,:=@%+~-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** How a child process ended. */
export interface ChildEnd {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
}

const SSH_FAILED = 255;
const NOT_EXECUTABLE = 126;
const NOT_FOUND = 127;

/** Undefined for a program that ended well. */
export function whyEnded({ exitCode, signal }: ChildEnd): { code: WireErrorCode; words: string } | undefined {
  if (signal !== null) return { code: "ssh-failed", words: `ssh was ended by ${signal}` };
  switch (exitCode) {
    case 0:
      return undefined;
    case SSH_FAILED:
      return { code: "ssh-failed", words: "ssh made no connection, or lost it (exit code 255)" };
    case NOT_FOUND:
      return { code: "remote-missing", words: "the program is not found over there (exit code 127)" };
    case NOT_EXECUTABLE:
      return { code: "remote-missing", words: "the program cannot be executed over there (exit code 126)" };
    default:
      return { code: "remote-ended", words: `the program over there ended with exit code ${exitCode}` };
  }
}
