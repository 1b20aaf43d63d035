/**
 * Standard output and error. What is said is a help and not the work: when nobody reads it any more (`| head`) the work goes on
 * and says nothing; when it cannot be written (a full disk) the work goes on too, and the exit code tells.
 */
import { EX, errnoOf } from "../base/errors.js";
import { whyItFailed } from "../base/system-error.js";

export interface Output {
  out(text: string): void;
  err(text: string): void;
  /** What the process ends with whose work ended with `exitCode`: a reason of the work's own is not hidden. */
  exitCodeOf(exitCode: number): number;
}

type Stream = Pick<NodeJS.WriteStream, "write" | "isTTY" | "on">;

/** Call it once: it listens for the streams' errors, which would end the process. */
export function openOutput(stdout: Stream, stderr: Stream): Output {
  /** The streams that have failed; a failed one is not written to again. */
  const failed = new Set<Stream>();
  let isLost = false;
  const write = (stream: Stream, text: string): void => {
    if (!failed.has(stream)) stream.write(text);
  };
  const listen = (stream: Stream, name: string): void => {
    stream.on("error", (error: Error) => {
      if (failed.has(stream)) return;
      failed.add(stream);
      if (isUnread(error, stream)) return;
      isLost = true;
      write(
        stderr,
        `warning: writing to ${name}: ${whyItFailed(error)}; the work goes on, nothing more is said there, and the exit code will be ${EX.IOERR}\n`,
      );
    });
  };
  listen(stdout, "standard output");
  listen(stderr, "standard error");
  return {
    out: (text) => write(stdout, text),
    err: (text) => write(stderr, text),
    exitCodeOf: (exitCode) => (isLost && (exitCode === EX.OK || exitCode === EX.PARTIAL) ? EX.IOERR : exitCode),
  };
}

/** The reader has gone, or the terminal was closed. */
function isUnread(error: Error, { isTTY }: Stream): boolean {
  const errno = errnoOf(error);
  return errno === "EPIPE" || (errno === "EIO" && isTTY);
}
