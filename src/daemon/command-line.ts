/**
 * The command line: parses, runs one command, and turns its end into an exit code of sysexits(3).
 */
import { Command, CommanderError, Option } from "commander";
import { EX, MailtwinError, recordOfError, reviveError } from "../base/errors.js";
import { endProcessWithin } from "../base/last-resort.js";
import type { ConfigFlags } from "./config-command.js";
import { addControlCommands, addRejectsControl } from "./control/commands.js";
import { daemonError } from "./errors.js";
import { exitWith } from "./exit-code.js";
import { openJsonReporter } from "./json-reporter.js";
import { addKeyCommands } from "./keys/commands.js";
import type { LogLevel } from "./log-reporter.js";
import { addLogCommands, addRejectsCommands } from "./logs/add-commands.js";
import { type Output, openOutput } from "./output.js";
import type { RunFlags } from "./run/run-command.js";
import type { ServeFlags } from "./run/serve-command.js";
import { runSync, type SyncFlags } from "./sync-command.js";
import { addUndeleteCommands } from "./undelete/add-commands.js";
import type { VerifyFlags } from "./verify/verify-flags.js";
import { VERSION } from "./version.js";
import { asSentence } from "./words.js";

/** A process that cannot empty its loop must not hang for ever. */
const LAST_RESORT_MS = 10_000;

/** As in log-reporter.ts, which loads a logger. */
const LEVELS = ["error", "warn", "info", "debug"] as const satisfies readonly LogLevel[];

const EXIT_CODES = `
Exit codes:
  0         all changes found in SRC are on DST (with --watch: when asked to stop)
  1         some mailboxes need a person, or deletions are held back; they are listed on standard error
  64 to 78  it could not begin or go on, as in sysexits(3); the reason is printed
  129, 130, 143
            ended by SIGHUP, Ctrl-C or SIGTERM before all was on DST; the next run goes on`;

const WHAT_SYNC_DOES = {
  sync: "make DST an identical twin of SRC: the same mailboxes, UIDs, flags, dates and bytes",
  adopt:
    "make DST, a copy of SRC by other means (rsync, a tape, a snapshot), its twin: compare, and send only what differs",
} as const;

const OF_ADOPT = `
It is sync, but for one thing: where DST is not there, is empty, or has no mailbox of SRC, there is nothing to adopt. All mail would be
sent, into what may be the wrong directory: adopt says so and changes nothing (exit code 66). What is missing of a copy is sent.
`;

function addSync(program: Command, output: Output, name: keyof typeof WHAT_SYNC_DOES): void {
  program
    .command(name)
    .description(WHAT_SYNC_DOES[name])
    .argument("<SRC>", "a Maildir, or a directory that holds many (/var/vmail); read, and written to only to give UIDs")
    .argument("<DST>", name === "sync" ? "the twin; made if it is not there" : "the copy: DIR or HOST:DIR")
    .option("-w, --watch", "go on live until interrupted")
    .option("-n, --dry-run", "say in words what would be done, and do nothing")
    .option("--json", "one JSON object a line, for machines")
    .option("-q, --quiet", "only problems, and what a dry run says (no effect with --json)")
    .option("-v, --verbose", "a line for each shipped transaction")
    .addOption(
      new Option(
        "--foreign <what>",
        "mail that only DST has at first contact: keep it beside, or move it to limbo",
      ).choices(["keep", "limbo"]),
    )
    .addOption(new Option("--log-level <level>", "also write log lines (JSON) to stderr").choices(LEVELS))
    .option("--state <dir>", "where to keep the state (default: $XDG_STATE_HOME/mailtwin/…)")
    .option("--scratch <dir>", "staging and limbo, on DST's file system (default: beside DST)")
    .option("--undelete-for <time>", "how long what is removed from DST stays in limbo (default: 7d)")
    .option("--undelete-max-size <size>", "how large limbo may grow before the oldest goes (default: as it gets)")
    .option("-e, --rsh <command>", "what connects to DST's host, instead of ssh; split at spaces")
    .option("--remote-mailtwin <command>", "mailtwin on DST's host; split at spaces (default: mailtwin)")
    .option("--resync", "compare all of DST with SRC and mend what differs, also what nobody but DST has changed")
    .option(
      "--accept-uidvalidity",
      "a mailbox of DST whose UIDVALIDITY has changed there takes SRC's, and clients of DST fetch it anew; else it stays",
    )
    .option("--moved", "SRC or DST is the store that the state knows, at another place: go on, and note where it is")
    .option("--approve-deletions", "let go what was held back, since much mail had gone from SRC at once")
    .addHelpText("after", name === "sync" ? EXIT_CODES : `${OF_ADOPT}${EXIT_CODES}`)
    .action(async (source: string, destination: string, flags: SyncFlags) => {
      process.exitCode = await runSync(source, destination, { ...flags, adopts: name === "adopt" }, output);
    });
}

function makeProgram(output: Output): Command {
  const program = new Command("mailtwin")
    .description("Keeps Maildir stores identical, down to every IMAP UID, beside an unmodified Dovecot.")
    .version(VERSION)
    .exitOverride()
    .configureOutput({ writeOut: output.out, writeErr: output.err, outputError: () => undefined }); // `tell` says it.
  addSync(program, output, "sync");
  addSync(program, output, "adopt");
  program
    .command("run")
    .description("the daemon: keep the stores of the configuration equal to their replicas, until it is ended")
    .option("--config <file>", "instead of /etc/mailtwin/mailtwin.toml; conf.d/*.toml beside it is read too")
    .addOption(new Option("--log-level <level>", "log less or more than the configuration says").choices(LEVELS))
    .action(async (flags: RunFlags) => {
      const { runDaemon } = await import("./run/run-command.js");
      process.exitCode = await runDaemon(flags, output);
    });
  program
    .command("serve")
    .description("one end of a link that ssh starts: what `sync SRC HOST:DST` and ssh:// addresses run over there")
    .option("--stdio", "the link is standard input and output")
    .option(
      "--peer <name>",
      "who the other end is, as the configuration calls it; it may have stores of the configuration only",
    )
    .option("--config <file>", "instead of /etc/mailtwin/mailtwin.toml; conf.d/*.toml beside it is read too")
    .action(async (flags: ServeFlags) => {
      const { serve } = await import("./run/serve-command.js");
      process.exitCode = await serve(flags, output);
    });
  addConfigCommands(program, output);
  addVerify(program, output);
  addControlCommands(program, output);
  addLogCommands(program, output);
  addRejectsControl(addRejectsCommands(program, output), output);
  addUndeleteCommands(program, output);
  addKeyCommands(program, output);
  return program;
}

const VERIFY_CODES = `
Exit codes:
  0         equal
  1         not equal, or not all of it could be compared: each difference is printed
  64 to 78  it could not begin or go on, as in sysexits(3); the reason is printed`;

function addVerify(program: Command, output: Output): void {
  program
    .command("verify")
    .description(
      "prove that two stores are equal, message by message, or say what differs; without --repair nothing is written",
    )
    .argument(
      "[A]",
      "a Maildir, or a directory that holds many, here or HOST:PATH; none: the replicas of the running daemon",
    )
    .argument("[B]", "the other one")
    .option("-e, --rsh <command>", "what connects to the host of A or B, instead of ssh; split at spaces")
    .option("--remote-mailtwin <command>", "mailtwin on that host; split at spaces (default: mailtwin)")
    .option("--replica <replica>", "of the running daemon's replicas only this one")
    .option("--store <store>", "of the running daemon's stores only this one")
    .option("-q, --quiet", "say nothing of what is equal")
    .option("--deep", "read everything: also size, date and bytes of files that look as they did")
    .option("--sample <part>", "the same of a part of the messages, another one each day: 1/30 has read all in a month")
    .option("--repair", "bring B (the replica) in agreement with A (the source), then compare again")
    .option(
      "--trust-source",
      "for --repair: of bytes that differ A's are right, also where they seem to be the bad ones",
    )
    .option(
      "--accept-uidvalidity",
      "for --repair: a mailbox of B with another UIDVALIDITY takes A's, and clients of B fetch it anew; else it stays",
    )
    .addOption(
      new Option("--foreign <what>", "for --repair where B is no twin of A yet: mail that only B has").choices([
        "keep",
        "limbo",
      ]),
    )
    .option("--state <dir>", "where sync keeps the state of A and B, which knows what bytes were")
    .option("--settle <seconds>", "how long what differs has to stay so before it counts, since mail is on its way (2)")
    .option("--control <path>", "the socket of the daemon, instead of the one that the configuration names")
    .option("--config <file>", "the configuration of the daemon, instead of /etc/mailtwin/mailtwin.toml")
    .option("--json", "as JSON, for machines")
    .addHelpText("after", VERIFY_CODES)
    .action((a: string | undefined, b: string | undefined, flags: VerifyFlags) =>
      exitWith(flags, output, async () => (await import("./verify/verify-command.js")).verify(a, b, flags, output)),
    );
}

/** Loaded late, as nobody else needs a schema. */
function addConfigCommands(program: Command, output: Output): void {
  const config = program.command("config").description("the configuration of the daemon: look at it, judge it");
  const fileOption = [
    "--config <file>",
    "instead of /etc/mailtwin/mailtwin.toml; conf.d/*.toml beside it is read too",
  ] as const;
  config
    .command("check")
    .description("say all that is wrong with it, with file and line")
    .option(...fileOption)
    .option("--json", "one JSON object a line, for machines")
    .action((flags: ConfigFlags) =>
      exitWith(flags, output, async () => (await import("./config-command.js")).checkConfig(flags, output)),
    );
  config
    .command("show")
    .description("the values that are in effect, defaults included, as a configuration")
    .option(...fileOption)
    .option("--json", "as JSON, sizes in bytes and durations in milliseconds")
    .action((flags: ConfigFlags) =>
      exitWith(flags, output, async () => (await import("./config-command.js")).showConfig(flags, output)),
    );
  config
    .command("schema")
    .description("the JSON schema of the configuration, for editors")
    .action(async () => {
      const { showSchema } = await import("./config-command.js");
      process.exitCode = showSchema(output);
    });
}

/** Ends with `process.exitCode` set. */
export async function runCommandLine(): Promise<void> {
  const output = openOutput(process.stdout, process.stderr);
  // At the very end: what was written last may fail a moment later.
  process.once("exit", (exitCode) => {
    process.exitCode = output.exitCodeOf(exitCode);
  });
  try {
    await makeProgram(output).parseAsync();
  } catch (error) {
    process.exitCode = error instanceof CommanderError ? endOfParsing(error, output) : tell(error, output);
  } finally {
    endProcessWithin(LAST_RESORT_MS);
  }
}

/** Help and version are an end too, and have been written; help that nobody asked for is none to be content with. */
function endOfParsing(error: CommanderError, output: Output): number {
  if (error.exitCode === 0) return EX.OK;
  if (error.code === "commander.help") return EX.USAGE;
  const words = error.message.replace(/^error: /, "").replace(/\n\(?(.*?)\)?$/, " ($1)");
  const known = daemonError("usage", `reading the command line: ${words.replace(/\.$/, "")}`);
  if (!isForMachines(process.argv)) return tell(known, output);
  openJsonReporter(output.out).error(known);
  return known.exitCode;
}

/** The flags have not been understood, so that is not known for sure. */
function isForMachines(argv: readonly string[]): boolean {
  const end = argv.indexOf("--");
  return argv.slice(2, end < 0 ? undefined : end).includes("--json");
}

/** Returns the exit code. */
function tell(error: unknown, output: Output): number {
  const known = error instanceof MailtwinError ? error : reviveError(recordOfError(error));
  output.err(`mailtwin: ${asSentence(known.message)}\n${known.hint}\n`);
  if (known.disposition === "bug" && error instanceof Error) output.err(`${error.stack ?? ""}\n`);
  return known.exitCode;
}
