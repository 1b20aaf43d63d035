/** The configuration as a command gets it: finds the file, reads it, judges it. The face of this directory. */
import type { MailtwinError } from "../../base/errors.js";
import { daemonError } from "../errors.js";
import { homeOf } from "../place-rules.js";
import type { Config } from "./config.js";
import { defaultConfigFile, type Surroundings } from "./default-places.js";
import { judgeConfig } from "./judge-config.js";
import { type ConfigProblem, formatProblem } from "./problem.js";
import { readConfigFiles } from "./read-files.js";
import type { Located } from "./toml-locate.js";

export type LoadedConfig =
  | {
      readonly kind: "right";
      readonly files: readonly string[];
      readonly config: Config;
      /** Where each value stands. */
      readonly located: Located;
    }
  | {
      readonly kind: "wrong";
      readonly files: readonly string[];
      readonly problems: readonly ConfigProblem[];
      /** The daemon's own socket, as far as what is right says. */
      readonly control: string;
      /** Likewise. */
      readonly stateDir: string;
    };

/** `file`: undefined for the default one. Throws: config-missing, usage. */
export function loadConfig(file: string | undefined, surroundings: Surroundings): LoadedConfig {
  if (file === "") throw daemonError("usage", 'reading the command line: --config is empty ("")');
  const main = file ?? defaultConfigFile(surroundings);
  if (main === undefined)
    throw daemonError(
      "config-missing",
      "finding the configuration: HOME is not set, and this user has no home directory",
    );
  const read = readConfigFiles(main, surroundings);
  return { files: read.files, ...judgeConfig(read, surroundings) };
}

/** The error that a command ends with whose configuration is wrong; the problems themselves are told before it. */
export function refusalOf(file: string, problems: readonly ConfigProblem[]): MailtwinError {
  const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
  return daemonError("config-wrong", `reading the configuration ${file}: ${count}`);
}

/** As many problems are told in one message. */
const TOLD_MAX = 3;

/** The same for whoever sees nothing but the error: the first problems are in it, each with its place and what to do. */
export function tellingRefusalOf(file: string, problems: readonly ConfigProblem[]): MailtwinError {
  const told = problems.slice(0, TOLD_MAX).map(formatProblem).join(" | ");
  const more = problems.length > TOLD_MAX ? ` | and ${problems.length - TOLD_MAX} more` : "";
  return daemonError("config-wrong", `${refusalOf(file, problems).message}: ${told}${more}`);
}

export function surroundingsOfProcess(): Surroundings {
  return { isRoot: process.geteuid?.() === 0, home: homeOf(), env: process.env };
}
