/**
 * Paths of a configuration: absolute, without detours, as text. Which directories they really are is asked when a run begins
 * (places.ts); here they are compared by their names only.
 */
import { posix } from "node:path";
import { type Reading, wrong } from "../../base/quantity.js";
import { SOCKET_PATH_BYTES_MAX } from "../../wire/address.js";

/** PATH_MAX of Linux, with its closing NUL. */
const PATH_BYTES_MAX = 4095;

/** The value has no slash at its end. */
export function readPath(text: string): Reading<string> {
  const advice = `write an absolute path, as "/var/vmail"`;
  if (text === "") return wrong("the path is empty", advice);
  if (text.includes("\0")) return wrong("a path has no NUL", advice);
  if (text.startsWith("~")) return wrong("~ is a word of shells, and nobody's home here", advice);
  if (!text.startsWith("/")) return wrong("the path is not absolute", advice);
  if (Buffer.byteLength(text) > PATH_BYTES_MAX) return wrong(`a path has at most ${PATH_BYTES_MAX} bytes`, advice);
  if (text.split("/").includes("..")) return wrong("the path goes through ..", "write it without");
  return { kind: "value", value: posix.normalize(text).replace(/(?<=.)\/$/, "") };
}

/** Of a socket that is listened at. */
export function readSocketPath(text: string): Reading<string> {
  const reading = readPath(text);
  if (reading.kind === "wrong") return reading;
  const length = Buffer.byteLength(reading.value);
  if (length <= SOCKET_PATH_BYTES_MAX) return reading;
  return wrong(
    `the path of a socket has at most ${SOCKET_PATH_BYTES_MAX} bytes, and this one ${length}`,
    "write a shorter one, as /run/mailtwin/NAME.sock",
  );
}

/** Both as `readPath` makes them. A path is inside itself. */
export function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory === "/" ? "/" : `${directory}/`);
}

/** The innermost first, up to "/". */
export function directoriesAbove(path: string): readonly string[] {
  const above: string[] = [];
  for (let inner = path, outer = posix.dirname(path); outer !== inner; outer = posix.dirname(outer)) {
    above.push(outer);
    inner = outer;
  }
  return above;
}
