/** Why a configuration is not there, for whoever thinks that it is: which part of its path is missing, and what stands there instead. */
import { lstatSync, readdirSync, readlinkSync } from "node:fs";
import { basename, dirname, isAbsolute, resolve } from "node:path";
import { errnoOf } from "../../base/errors.js";
import { displayRaw, rawFromText } from "../../base/raw-name.js";
import { whyItFailed } from "../../base/system-error.js";
import { closest } from "./closest.js";

/** `error`: of opening it. "reading the configuration FILE: why", without a full stop. */
export function wordsOfAbsent(file: string, error: unknown): string {
  const path = resolve(file);
  const name = isAbsolute(file) ? shown(file) : `${shown(file)} (${shown(path)})`;
  const why = errnoOf(error) === "ENOENT" ? whyAbsent(path) : whyItFailed(error);
  return `reading the configuration ${name}: ${why}`;
}

function whyAbsent(path: string): string {
  const target = linkAt(path);
  if (target !== undefined) return `it is a symbolic link to ${shown(target)}, and nothing is there`;
  const missing = outermostMissing(dirname(path));
  if (missing !== undefined) return `there is no directory ${shown(missing)}`;
  const names = namesIn(dirname(path));
  const near = closest(
    basename(path),
    names.filter((name) => name !== "conf.d"),
  );
  const fragments = names.includes("conf.d") ? "; conf.d beside it is read only together with it" : "";
  return `there is no such file${fragments}${near === undefined ? "" : `; did you mean ${shown(near)}?`}`;
}

function linkAt(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

/** Undefined if that directory is there. */
function outermostMissing(path: string): string | undefined {
  if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) return undefined;
  return outermostMissing(dirname(path)) ?? path;
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // that it is not there is what matters.
  }
}

function shown(text: string): string {
  return displayRaw(rawFromText(text));
}
