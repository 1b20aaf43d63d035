/** `mailtwin config check|show|schema`: what the configuration is, and what is wrong with it. Nothing is begun or written. */
import { systemClock } from "../base/clock.js";
import { EX } from "../base/errors.js";
import { judgeOwnKey } from "./config/judge-own-key.js";
import { loadConfig, refusalOf, surroundingsOfProcess } from "./config/load-config.js";
import { type ConfigProblem, formatProblem } from "./config/problem.js";
import { jsonSchema } from "./config/schema.js";
import { configAsJson, configAsToml } from "./config/show-config.js";
import { openJsonReporter } from "./json-reporter.js";
import type { Output } from "./output.js";
import { asSentence } from "./words.js";

export interface ConfigFlags {
  readonly config?: string;
  readonly json?: boolean;
}

/** Asks of the key too what the daemon would. Returns the exit code. Throws: config-missing, usage. */
export function checkConfig(flags: ConfigFlags, output: Output): number {
  const loaded = loadConfig(flags.config, surroundingsOfProcess());
  if (loaded.kind === "wrong") return reportWrong(loaded, flags, output);
  const { files, config } = loaded;
  const problems = judgeOwnKey(loaded, systemClock);
  if (problems.length > 0) return reportWrong({ files, problems }, flags, output);
  const stores = [...config.stores.values()];
  const served = stores.flatMap(({ role }) => (role.kind === "source" ? [role.replicas.size] : []));
  const sources = served.length;
  const replicasServed = served.reduce((sum, count) => sum + count, 0);
  const counts = { sources, replicasServed, replicas: stores.length - sources, peers: config.peers.size };
  if (flags.json === true) output.out(`${JSON.stringify({ event: "right", files, ...counts })}\n`);
  else {
    const more = files.length === 1 ? "" : `, with ${files.length - 1} of conf.d`;
    const own = `${numbered(counts.replicas, "store")} that ${counts.replicas === 1 ? "is a replica" : "are replicas"}`;
    const words = [`${numbered(sources, "source")} with ${numbered(replicasServed, "replica")}`, own];
    output.out(`${files[0]}${more}: no problems; ${words.join(", ")}, ${numbered(counts.peers, "peer")}\n`);
  }
  return EX.OK;
}

/** Returns the exit code. Throws: config-missing, usage. */
export function showConfig(flags: ConfigFlags, output: Output): number {
  const loaded = loadConfig(flags.config, surroundingsOfProcess());
  if (loaded.kind === "wrong") return reportWrong(loaded, flags, output);
  const { files, config } = loaded;
  if (flags.json === true) output.out(`${JSON.stringify({ files, ...configAsJson(config) }, undefined, 2)}\n`);
  else output.out(`${files.map((file) => `# ${file}\n`).join("")}\n${configAsToml(config)}`);
  return EX.OK;
}

export function showSchema(output: Output): number {
  output.out(`${JSON.stringify(jsonSchema(), undefined, 2)}\n`);
  return EX.OK;
}

function numbered(count: number, thing: string): string {
  return `${count} ${count === 1 ? thing : `${thing}s`}`;
}

/** All problems, a line each, then how many there are. Returns the exit code. */
function reportWrong(
  { files, problems }: { readonly files: readonly string[]; readonly problems: readonly ConfigProblem[] },
  { json }: ConfigFlags,
  output: Output,
): number {
  const refusal = refusalOf(files[0] ?? "", problems);
  if (json === true) {
    for (const { at, ...words } of problems) output.out(`${JSON.stringify({ event: "problem", ...at, ...words })}\n`);
    openJsonReporter(output.out).error(refusal);
  } else {
    for (const problem of problems) output.err(`${formatProblem(problem)}\n`);
    output.err(`mailtwin: ${asSentence(refusal.message)}\n${refusal.hint}\n`);
  }
  return refusal.exitCode;
}
