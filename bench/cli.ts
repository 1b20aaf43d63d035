#!/usr/bin/env node
/**
 * The harness's command line: make trees, compare stores, run workloads.
 *
 * Exit status: 0 when all is equal, 1 when something differs or a contender failed, 64 on wrong usage, 66 where there is no
 * store to compare (sysexits).
 */
import { statSync } from "node:fs";
import { join, resolve } from "node:path";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { EX } from "../src/base/errors.js";
import { compareInThreads } from "./equal/compare-in-threads.js";
import { DEFAULT_TREE } from "./generate/shape.js";
import { generateTree } from "./generate/tree.js";
import { monotonicMs } from "./measure/clock.js";
import { CONTENDER_NAMES, type ContenderName } from "./measure/contenders.js";
import { REPLICATOR_NAMES, type ReplicatorName } from "./replicators/replicators.js";
import { findRepository } from "./repository.js";
import { runWorkloads, WORKLOADS } from "./run-workloads.js";
import { makeSampleStore } from "./sample-store.js";
import { measureUidlist } from "./workloads/uidlist.js";

const program = new Command("bench")
  .description("makes mail, compares stores, measures mailtwin beside its peers")
  .exitOverride();

program
  .command("generate")
  .description("write a tree of realistic mail (the same for the same options)")
  .argument("<dir>", "a directory that is new or empty")
  .option("--mails <n>", "messages in all", wholeNumber, DEFAULT_TREE.mails)
  .option(
    "--mailboxes <n>",
    "mailboxes of each user, INBOX included; 1 = one INBOX",
    wholeNumber,
    DEFAULT_TREE.mailboxes,
  )
  .option(
    "--users <n>",
    "1 = the directory is one Maildir; more = user0001/Maildir ...",
    wholeNumber,
    DEFAULT_TREE.users,
  )
  .option("--mean-bytes <n>", "mean size of a message", wholeNumber, DEFAULT_TREE.meanBytes)
  .option("--seed <n>", "another seed, another tree", wholeNumber, DEFAULT_TREE.seed)
  .action((dir: string, options: typeof DEFAULT_TREE) => {
    const startMs = monotonicMs();
    const made = generateTree(fromCaller(dir), options, ({ mails, bytes }) => {
      process.stderr.write(`\r${mails} mails, ${(bytes / 1e6).toFixed(0)} MB`);
    });
    const seconds = ((monotonicMs() - startMs) / 1000).toFixed(1);
    process.stderr.write("\r");
    process.stdout.write(
      `${made.mails} mails in ${made.mailboxes} mailboxes, ${(made.bytes / 1e6).toFixed(1)} MB, ${seconds} s\n`,
    );
  });

program
  .command("sample")
  .description("write a small store with everything that is odd about real ones")
  .argument("<dir>", "a directory that is new or empty")
  .action((dir: string) => {
    const made = makeSampleStore(fromCaller(dir));
    process.stdout.write(`${made.messages} messages in ${made.mailboxes.length} mailboxes\n`);
  });

program
  .command("compare")
  .description("say whether two stores are equal to an IMAP client, and what differs")
  .argument("<a>", "the source")
  .argument("<b>", "the replica")
  .option("--no-bodies", "do not read the messages")
  .option("--side-files", "compare subscriptions and what else lies beside the mail too", false)
  .option("--exact", "demand the same file names and control files too (plain copies)", false)
  .option("--max <n>", "differences to list", wholeNumber, 100)
  .option("--json", "one JSON object instead of words", false)
  .action(
    async (
      a: string,
      b: string,
      options: { bodies: boolean; exact: boolean; sideFiles: boolean; max: number; json: boolean },
    ) => {
      const { bodies, exact, sideFiles, max } = options;
      const say = (line: string): void => void process.stderr.write(`${line}\n`);
      const stores = [fromCaller(a), fromCaller(b)] as const;
      for (const store of stores)
        if (!statSync(store, { throwIfNoEntry: false })?.isDirectory())
          throw new NothingToCompare(`${store} is not there, or is no directory`);
      const result = await compareInThreads(...stores, { bodies, exact, sideFiles, keptMax: max }, say);
      if (result.mailboxes === 0 && result.equal)
        throw new NothingToCompare(`neither ${stores.join(" nor ")} has a mailbox: that proves nothing`);
      if (options.json) process.stdout.write(`${JSON.stringify(result)}\n`);
      else {
        for (const { kind, words } of result.differences) process.stdout.write(`${kind}: ${words}\n`);
        const what = `${result.messages} messages in ${result.mailboxes} mailboxes, ${(result.bytes / 1e6).toFixed(1)} MB`;
        process.stdout.write(result.equal ? `equal: ${what}\n` : `${result.total} differences: ${what}\n`);
      }
      if (!result.equal) process.exitCode = 1;
    },
  );

program
  .command("uidlist")
  .description("measure how long it takes to read a large dovecot-uidlist, and how much memory")
  .option("--records <n>", "lines", wholeNumber, 1_000_000)
  .option("--rounds <n>", "processes, one after another", wholeNumber, 7)
  .action(async (options: { records: number; rounds: number }) => {
    process.stdout.write(await measureUidlist(options));
  });

interface RunOptions {
  readonly quick: boolean;
  readonly contenders: readonly ContenderName[];
  readonly replicators: readonly ReplicatorName[];
  readonly mailtwin?: string;
  readonly mails?: readonly number[];
  readonly rounds?: number;
  readonly work?: string;
  readonly workspace?: string;
  readonly keep: boolean;
  readonly writeReadme: boolean;
}

program
  .command("run")
  .description("run workloads and print a table; results also go to bench/out/*.jsonl")
  .argument("[workload...]", `of ${WORKLOADS.map(({ name }) => name).join(", ")}; default: all`)
  .option("--quick", "tiny sizes, about three minutes: proves that it works, measures nothing", false)
  .addOption(
    new Option("--contenders <names>", "comma-separated")
      .argParser((text) => namesOf(text, CONTENDER_NAMES))
      .default(["mailtwin", "rsync"]),
  )
  .addOption(
    new Option(
      "--replicators <names>",
      `for replicate, comma-separated, of ${REPLICATOR_NAMES.join(", ")}; default: all`,
    )
      .argParser((text) => namesOf(text, REPLICATOR_NAMES))
      .default(REPLICATOR_NAMES, "all"),
  )
  .option("--mailtwin <command>", "how to call mailtwin, split at spaces (default: node dist/daemon/cli.js)")
  .option("--mails <n,...>", "only trees of so many mails; live and verify take any number", wholeNumbers)
  .option("--rounds <n>", "runs of each contender", wholeNumber)
  .option("--work <dir>", "where to make trees (default: the temporary directory)")
  .option("--workspace <dir>", "keep generated trees and large live twins there, and use them again")
  .option("--keep", "leave trees and copies", false)
  .option("--write-readme", "put the table into bench/README.md", false)
  .action(async (workloads: string[], options: RunOptions) => {
    const repository = findRepository();
    const mailtwin = options.mailtwin?.split(" ") ?? [process.execPath, join(repository, "dist/daemon/cli.js")];
    const { quick, contenders, replicators, keep, writeReadme, mails, rounds, work, workspace } = options;
    const allEqual = await runWorkloads({
      workloads,
      contenders,
      replicators,
      mailtwin,
      quick,
      mails,
      rounds,
      keep,
      work: work === undefined ? undefined : fromCaller(work),
      lasting: workspace === undefined ? undefined : fromCaller(workspace),
      repository,
      writeReadme,
    });
    if (!allEqual) process.exitCode = 1;
  });

class NothingToCompare extends Error {}

/** npm runs it in the repository, whoever calls from wherever: what is typed is meant from there. */
function fromCaller(path: string): string {
  const callersDirectory = process.env["npm_lifecycle_event"] === "bench" ? process.env["INIT_CWD"] : undefined;
  return resolve(callersDirectory ?? ".", path);
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError("a whole number above 0 is wanted");
  return value;
}

function wholeNumbers(text: string): readonly number[] {
  return text.split(",").map(wholeNumber);
}

function namesOf<Name extends string>(text: string, names: readonly Name[]): readonly Name[] {
  return text.split(",").map((wanted) => {
    const name = names.find((known) => known === wanted);
    if (name === undefined) throw new InvalidArgumentError(`of ${names.join(", ")}`);
    return name;
  });
}

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : EX.USAGE;
  else {
    process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = error instanceof NothingToCompare ? EX.NOINPUT : 1;
  }
}
