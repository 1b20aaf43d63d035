/**
 * The words of `mailtwin log` and `mailtwin rejects` on the command line. What they do is loaded late. Both `export` tell errors in words:
 * what they write goes into a file, and nobody has said `--json`.
 */
import type { Command } from "commander";
import { exitWith } from "../exit-code.js";
import type { Output } from "../output.js";
import type { LogFlags } from "./find-log.js";
import type { ExportFlags, TailFlags } from "./log-command.js";
import type { RejectsFlags } from "./rejects-command.js";

export function addLogCommands(program: Command, output: Output): void {
  const log = program.command("log").description("the replication log of a store: read it while the daemon runs");
  withPlace(log.command("tail"))
    .description("the newest transactions in words, a line each")
    .option("-n, --lines <count>", "how many (default: 10)")
    .option("-f, --follow", "go on with what comes, until interrupted")
    .option("-u, --user <name>", "only mailboxes of this user, or at or below this path of the store")
    .option("--mailbox <name>", "only this mailbox, as clients name it, by its path, the end of one, or its GUID")
    .option("--json", "one JSON object a line, for machines")
    .action((flags: TailFlags) =>
      exitWith(flags, output, async () => (await import("./log-command.js")).tailLog(flags, output)),
    );
  withPlace(log.command("show"))
    .description("one transaction, all of it, and which replicas have it")
    .argument("<LSN>", "its number")
    .option("--json", "as a JSON object")
    .action((lsn: string, flags: LogFlags) =>
      exitWith(flags, output, async () => (await import("./log-command.js")).showEntry(lsn, flags, output)),
    );
  withPlace(log.command("export"))
    .description("transactions as JSON, one a line, with all that they say; no message is in them")
    .option("--from <LSN>", "the first (default: the oldest that the log has)")
    .option("--to <LSN>", "the last (default: the newest)")
    .action(async (flags: ExportFlags) => {
      const { exportLog } = await import("./log-command.js");
      process.exitCode = await exportLog(flags, output);
    });
}

/** Returns the command, for whoever has more of it to add. */
export function addRejectsCommands(program: Command, output: Output): Command {
  const rejects = program.command("rejects").description("what replicas of a store have refused, and why");
  withReplica(rejects.command("list"))
    .description("all of it, a line each")
    .option("--json", "one JSON object a line, for machines")
    .action((flags: RejectsFlags) =>
      exitWith(flags, output, async () => (await import("./rejects-command.js")).listRejects(flags, output)),
    );
  withReplica(rejects.command("show"))
    .description("one refused transaction, with what it was to do, or one comparison")
    .argument("<NUMBER>", "as the list has it: an LSN, or c1, c2, ... of a comparison")
    .option("--json", "one JSON object for each replica that refused it")
    .action((number: string, flags: RejectsFlags) =>
      exitWith(flags, output, async () => (await import("./rejects-command.js")).showReject(number, flags, output)),
    );
  withReplica(rejects.command("export"))
    .description("all of it as JSON, one object a line")
    .action(async (flags: RejectsFlags) => {
      const { exportRejects } = await import("./rejects-command.js");
      process.exitCode = exportRejects(flags, output);
    });
  return rejects;
}

function withPlace(command: Command): Command {
  return command
    .option("--config <file>", "instead of /etc/mailtwin/mailtwin.toml; conf.d/*.toml beside it is read too")
    .option("--store <name>", "a source of the configuration; may be left out where there is one")
    .option("--state <dir>", "the state directory of a `mailtwin sync`, or of a daemon (its state_dir), instead");
}

function withReplica(command: Command): Command {
  return withPlace(command).option("--replica <name>", "only this replica");
}
