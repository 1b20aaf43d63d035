/**
 * Streams through ssh, as rsync has them: ssh is started here, it starts a mailtwin over there, and their pipes are the stream. Who is
 * who, ssh decides; nothing listens.
 *
 * INVARIANT: the stream closes after the child has ended, so that none is left behind. It is given some time to end by itself.
 * INVARIANT: what is read ends only when it is known how the child ended: a failure is told as one, with the child's words.
 */

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { Duplex } from "node:stream";
import type { Clock, Timer } from "../base/clock.js";
import { errnoOf } from "../base/errors.js";
import { whyItFailed } from "../base/system-error.js";
import { formatAddress } from "./address.js";
import { muteErrors, untilEvent } from "./carrier.js";
import { wireError } from "./errors.js";
import { LastWords } from "./last-words.js";
import { type ChildEnd, type SshCommand, shownCommand, sshArgvOf, whyEnded } from "./ssh-command.js";

/** From SIGTERM to SIGKILL. */
const END_MS_MAX = 5_000;
/** For the last words, once the program has ended: a process that ssh left behind (ControlPersist) may keep the pipe open. */
const LAST_WORDS_MS_MAX = 500;

export interface SshDial extends SshCommand {
  readonly clock: Clock;
}

/**
 * Resolves when ssh runs; whether it comes to the other host shows in the stream, which fails with a coded error then. The signal ends
 * the stream too. Throws: ssh-failed. The stream's errors: ssh-failed, remote-missing, remote-ended.
 */
export async function dialSsh(dial: SshDial, signal: AbortSignal): Promise<Duplex> {
  signal.throwIfAborted();
  const argv = sshArgvOf(dial);
  const [program = "", ...args] = argv;
  // A group of its own: what ssh starts ends with it, and an interrupt at the terminal does not reach it before we close the link.
  const child = spawn(program, args, { stdio: "pipe", detached: true });
  const doing = `connecting to ${formatAddress(dial.address)} by "${shownCommand(argv)}"`;
  const { stream } = new SshChild(child, { clock: dial.clock, doing });
  const onAbort = (): void => void stream.destroy(asError(signal.reason));
  signal.addEventListener("abort", onAbort, { once: true });
  stream.once("close", () => signal.removeEventListener("abort", onAbort));
  try {
    await untilEvent(stream, "spawn", signal);
    return stream;
  } catch (error) {
    stream.destroy();
    if (!stream.closed) await once(stream, "close");
    if (signal.aborted) throw signal.reason;
    throw error;
  }
}

interface ChildPorts {
  readonly clock: Clock;
  readonly doing: string;
}

/** The child, and the stream of its pipes. */
class SshChild {
  readonly stream: Duplex;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #ports: ChildPorts;
  readonly #lastWords = new LastWords();
  /** It ended, or was never there. */
  #isGone = false;
  #end: ChildEnd | undefined;
  #isOutputRead = false;
  #areWordsRead = false;
  /** Its input is closed; why, is known when it has ended. */
  #writeError: Error | undefined;
  #onGone: () => void = () => undefined;
  #timer: Timer | undefined;

  constructor(child: ChildProcessWithoutNullStreams, ports: ChildPorts) {
    this.#child = child;
    this.#ports = ports;
    const { stdin, stdout, stderr } = child;
    this.stream = new Duplex({
      allowHalfOpen: false,
      read: () => void stdout.resume(),
      write: (bytes: Buffer, _encoding, done) => this.#write(bytes, done),
      final: (done) => this.#endInput(done),
      destroy: (error, done) => this.#destroy(() => done(error)),
    });
    muteErrors(this.stream);
    for (const pipe of [stdin, stdout, stderr]) pipe.on("error", () => undefined); // "close" follows.
    child.once("spawn", () => this.stream.emit("spawn"));
    child.on("error", (error) => this.#noteError(error));
    child.once("exit", (exitCode, signal) => this.#noteEnd({ exitCode, signal }));
    stdout.on("data", (bytes: Buffer) => {
      if (!this.stream.push(bytes)) stdout.pause();
    });
    stdout.once("close", () => {
      this.#isOutputRead = true;
      this.#conclude();
    });
    stderr.on("data", (bytes: Buffer) => this.#lastWords.add(bytes));
    stderr.once("close", () => {
      this.#areWordsRead = true;
      this.#conclude();
    });
  }

  #write(bytes: Buffer, done: () => void): void {
    this.#child.stdin.write(bytes, (error) => {
      if (!error) {
        done();
        return;
      }
      this.#writeError = error; // not done: what could not be written is told with the reason.
      this.#conclude();
    });
  }

  /** Done in any case: why it could not be closed in order is known when the child has ended. */
  #endInput(done: () => void): void {
    const { stdin } = this.#child;
    if (stdin.closed || stdin.destroyed) {
      done();
      return;
    }
    stdin.once("close", done);
    stdin.end();
  }

  /** Before it ran. A later one is of a signal that could not be sent, as to a program of another user. */
  #noteError(error: Error): void {
    if (this.#child.pid !== undefined) return;
    this.#isGone = true;
    const { doing } = this.#ports;
    this.stream.destroy(wireError("ssh-failed", `${doing}: starting ssh failed: ${whyItFailed(error)}`, error));
  }

  #noteEnd(end: ChildEnd): void {
    this.#end = end;
    this.#isGone = true;
    this.#onGone();
    this.#conclude();
  }

  #conclude(): void {
    if (this.stream.destroyed || this.#end === undefined || !this.#isOutputRead) return;
    const why = whyEnded(this.#end);
    if (why === undefined && this.#writeError === undefined) this.stream.push(null);
    else if (this.#areWordsRead) this.#fail();
    else this.#timer ??= this.#ports.clock.setTimer(LAST_WORDS_MS_MAX, () => this.#fail());
  }

  #fail(): void {
    const { code, words } = (this.#end && whyEnded(this.#end)) ?? ENDED_EARLY;
    const said = this.#lastWords.shown();
    const message = `${this.#ports.doing}: ${words}${said === undefined ? "" : `, and said: ${said}`}`;
    this.stream.destroy(wireError(code, message, this.#writeError));
  }

  #destroy(done: () => void): void {
    const { stdin, stdout, stderr } = this.#child;
    this.#timer?.cancel();
    for (const pipe of [stdin, stdout, stderr]) pipe.destroy();
    if (this.#isGone) {
      done();
      return;
    }
    this.#timer = this.#ports.clock.setTimer(END_MS_MAX, () => this.#kill("SIGKILL"));
    this.#onGone = () => {
      this.#timer?.cancel();
      done();
    };
    this.#kill("SIGTERM");
  }

  /** The whole group. While the child is not waited for, no other process has its number. */
  #kill(signal: NodeJS.Signals): void {
    const { pid } = this.#child;
    if (pid === undefined || this.#isGone) return;
    try {
      process.kill(-pid, signal);
    } catch (error) {
      if (errnoOf(error) !== "ESRCH" && errnoOf(error) !== "EPERM") throw error; // it is ending, or another user's.
    }
  }
}

const ENDED_EARLY = { code: "remote-ended", words: "the program over there ended before it had read all" } as const;

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
