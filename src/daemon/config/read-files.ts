/**
 * Reads the files of a configuration: FILE, then conf.d/*.toml beside it in byte order of their names. What is wrong with one of
 * them is a problem among others; only a FILE that is not there ends the reading.
 *
 * INVARIANT: root follows no configuration that others could have written: a file, its directory, or one above.
 * INVARIANT: what is judged is what is read, by one descriptor, and no more than CONFIG_BYTES_MAX of it.
 */
import { isUtf8 } from "node:buffer";
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  realpathSync,
  type Stats,
  statSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { errnoOf } from "../../base/errors.js";
import { displayRaw } from "../../base/raw-name.js";
import { whyItFailed } from "../../base/system-error.js";
import { daemonError } from "../errors.js";
import { refuseExposed } from "../own-directory.js";
import { wordsOfAbsent } from "./absent-file.js";
import type { ConfigText, ReadConfig } from "./judge-config.js";
import type { ConfigProblem } from "./problem.js";

export const CONFIG_BYTES_MAX = 1024 * 1024;
export const CONFIG_FILES_MAX = 1000;

const { O_RDONLY, O_NONBLOCK, O_NOCTTY } = constants;
const WRITABLE_BY_OTHERS = 0o022;

/** Throws: config-missing, when FILE cannot be opened. */
export function readConfigFiles(file: string, { isRoot }: { readonly isRoot: boolean }): ReadConfig {
  const main = readOne(file, file, isRoot);
  if (main.kind === "unopened") throw daemonError("config-missing", wordsOfAbsent(file, main.error));
  const found = findMore(join(dirname(file), "conf.d"), isRoot);
  const more = found.files.map(({ path, shown }) => readOne(path, shown, isRoot));
  const all = [main, ...more];
  return {
    files: [file, ...(found.problems.length > 0 ? [found.shown] : []), ...found.files.map(({ shown }) => shown)],
    texts: all.flatMap((one) => (one.kind === "text" ? [one.text] : [])),
    problems: [...found.problems, ...all.flatMap((one) => (one.kind === "text" ? [] : [problemOf(one)]))],
  };
}

interface Unfit {
  readonly shown: string;
  readonly why: string;
  readonly advice: string;
}

type OneRead =
  | { readonly kind: "text"; readonly text: ConfigText }
  | (Unfit & { readonly kind: "unfit" })
  | (Unfit & { readonly kind: "unopened"; readonly error: unknown })
  | { readonly kind: "placed"; readonly problem: ConfigProblem };

function problemOf(one: Exclude<OneRead, { kind: "text" }>): ConfigProblem {
  return one.kind === "placed" ? one.problem : { at: { file: one.shown }, read: "", why: one.why, advice: one.advice };
}

function readOne(path: string | Buffer, shown: string, isRoot: boolean): OneRead {
  const unfit = (why: string, advice: string) => ({ kind: "unfit" as const, shown, why, advice });
  let fd: number;
  try {
    fd = openSync(path, O_RDONLY | O_NONBLOCK | O_NOCTTY); // a pipe that nobody writes to must not hold us.
  } catch (error) {
    const why = errnoOf(error) === "ENOENT" ? "there is no such file" : whyItFailed(error);
    return { kind: "unopened", error, shown, why, advice: "let mailtwin's user read it, or move it away" };
  }
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) return unfit("it is no regular file", "put a file in its place");
    const exposed = isRoot ? (whyExposed(stats) ?? whyPathExposed(path)) : undefined;
    if (exposed !== undefined)
      return unfit(exposed, `chown root:root and chmod go-w what is named, and look at what it says`);
    const bytes = readUpTo(fd, CONFIG_BYTES_MAX + 1);
    if (bytes.length > CONFIG_BYTES_MAX)
      return unfit("it has more than 1 MiB", "split it into several files in conf.d, if it is a configuration at all");
    if (isUtf8(bytes)) return { kind: "text", text: { file: shown, text: new TextDecoder().decode(bytes) } };
    return { kind: "placed", problem: notUtf8(bytes, shown) };
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return unfit(whyItFailed(error), "let mailtwin's user read it, or move it away");
  } finally {
    closeSync(fd);
  }
}

function readUpTo(fd: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let filled = 0;
  for (;;) {
    const count = readSync(fd, bytes, filled, length - filled, null);
    filled += count;
    if (count === 0 || filled === length) return bytes.subarray(0, filled);
  }
}

function notUtf8(bytes: Buffer, file: string): ConfigProblem {
  let [line, start] = [1, 0];
  for (;;) {
    const end = bytes.indexOf(0x0a, start);
    const content = bytes.subarray(start, end < 0 ? bytes.length : end);
    if (end < 0 || !isUtf8(content)) {
      const column = content.toString("utf8").indexOf("\ufffd") + 1;
      const [why, advice] = ["that is not UTF-8", "save the file as UTF-8"];
      return { at: { file, line, column }, read: displayRaw(content.toString("latin1")).slice(0, 60), why, advice };
    }
    [line, start] = [line + 1, end + 1];
  }
}

/** Whoever may write it may have root do what he wants. */
function whyExposed({ uid, mode }: Stats): string | undefined {
  const shown = (mode & 0o7777).toString(8).padStart(4, "0");
  if (uid !== 0) return `it belongs to user ${uid}, and mailtwin runs as root`;
  return (mode & WRITABLE_BY_OTHERS) === 0 ? undefined : `others than its owner may write it (its mode is ${shown})`;
}

/** Where the name is, and where the file is that a link leads to. */
function whyPathExposed(path: string | Buffer): string | undefined {
  const text = path.toString();
  try {
    const refuse = (why: string): Error => new ExposedError(why);
    refuseExposed(join(realpathSync(dirname(text)), basename(text)), refuse);
    refuseExposed(realpathSync(path), refuse);
    return undefined;
  } catch (error) {
    if (error instanceof ExposedError) return error.message;
    throw error;
  }
}

/** Takes what `refuseExposed` finds out of it as a value. */
class ExposedError extends Error {}

interface Found {
  readonly shown: string;
  readonly files: readonly { readonly path: Buffer; readonly shown: string }[];
  readonly problems: readonly ConfigProblem[];
}

/** Names that begin with a dot are left out: editors leave such files. */
function findMore(directory: string, isRoot: boolean): Found {
  const none = (why: string, advice: string): Found => ({
    ...{ shown: directory, files: [] },
    problems: [{ at: { file: directory }, read: "", why, advice }],
  });
  try {
    const stats = statSync(directory, { throwIfNoEntry: false });
    if (stats === undefined) return { shown: directory, files: [], problems: [] };
    const exposed = isRoot ? whyExposed(stats) : undefined;
    if (exposed !== undefined) return none(exposed, `chown root:root and chmod go-w it, and look at what is in it`);
    const names = readdirSync(Buffer.from(directory), { encoding: "buffer" }).filter(isMeant).sort(Buffer.compare);
    if (names.length > CONFIG_FILES_MAX)
      return none(`it has more than ${CONFIG_FILES_MAX} files`, "put more into each");
    return { shown: directory, files: names.map((name) => filed(directory, name)), problems: [] };
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return none(whyItFailed(error), "let mailtwin's user read it, or move it away");
  }
}

function isMeant(name: Buffer): boolean {
  const text = name.toString("latin1");
  return text.endsWith(".toml") && !text.startsWith(".");
}

function filed(directory: string, name: Buffer): { readonly path: Buffer; readonly shown: string } {
  const path = Buffer.concat([Buffer.from(`${directory}/`), name]);
  return { path, shown: join(directory, displayRaw(name.toString("latin1"))) };
}
