/** The commands that speak with a running daemon: names, flags, help. What they do is loaded late. */
import type { Command } from "commander";
import { exitWith } from "../exit-code.js";
import type { Output } from "../output.js";
import type { RejectFlags } from "../reject/reject-command.js";
import type { ExplainFlags, ResyncFlags, WishFlags } from "./ask-commands.js";
import type { DeletionsFlags } from "./deletions-commands.js";
import type { ControlFlags } from "./find-control.js";
import type { StatusFlags } from "./status-command.js";

const STATUS_HELP = `
Two levels: healing (it gets well by itself), and needs you (a person has to do something; the hint says what).

Exit codes:
  0         answered; with --check: nothing needs a person
  1         with --check: something needs a person
  69        no daemon is running there`;

export function addControlCommands(program: Command, output: Output): void {
  addStatus(program, output);
  addReplicaCommands(program, output);
  addResync(program, output);
  addDeletions(program, output);
  addExplain(program, output);
  asking(program.command("reload"))
    .description("have the daemon read its configuration anew: all of it, or nothing if it is wrong (as SIGHUP does)")
    .action((flags: ControlFlags) => exitWith(flags, output, async () => (await asks()).reload(flags, output)));
}

/** `rejects retry|skip`, below the command that lists them. */
export function addRejectsControl(rejects: Command, output: Output): void {
  const one = (name: string) =>
    asking(rejects.command(name))
      .argument("<REPLICA>", "STORE/REPLICA, or REPLICA where there is one of that name")
      .option("-u, --user <user>", "only of this user's mailboxes")
      .option("--mailbox <mailbox>", "only of this mailbox, as rejects list or clients name it, or its GUID");
  one("retry")
    .description("try what the replica had refused once more, now")
    .action((replica: string, flags: WishFlags) =>
      exitWith(flags, output, async () => (await asks()).rejectsRetry(replica, flags, output)),
    );
  one("skip")
    .description(
      "have the mailbox compared in place of what the replica had refused, on a new link; what differs all the same is refused again while its cause stands",
    )
    .action((replica: string, flags: WishFlags) =>
      exitWith(flags, output, async () => (await asks()).rejectsSkip(replica, flags, output)),
    );
}

function addStatus(program: Command, output: Output): void {
  asking(program.command("status"))
    .description("how the running daemon, its stores and replicas are, and what needs a person")
    .option("-w, --watch", "again every second")
    .option("--check", "exit with 1 when something needs a person")
    .addHelpText("after", STATUS_HELP)
    .action((flags: StatusFlags) =>
      exitWith(flags, output, async () => (await import("./status-command.js")).showStatus(flags, output)),
    );
}

function addReplicaCommands(program: Command, output: Output): void {
  const named = "STORE/REPLICA, or REPLICA where there is one of that name";
  asking(program.command("pause"))
    .description("send a replica nothing until it is resumed; the log keeps what it lacks, within its limits")
    .argument("<REPLICA>", named)
    .action((replica: string, flags: ControlFlags) =>
      exitWith(flags, output, async () => (await asks()).pause(replica, flags, output)),
    );
  asking(program.command("resume"))
    .description("let a paused replica go on")
    .argument("<REPLICA>", named)
    .action((replica: string, flags: ControlFlags) =>
      exitWith(flags, output, async () => (await asks()).resume(replica, flags, output)),
    );
  asking(program.command("fetch-now"))
    .description("let a replica have now what it lacks: an on-demand one, or one that waits to be tried again")
    .argument("[REPLICA]", `${named}, or a store of this host that is a replica; all of them if none is named`)
    .action((replica: string | undefined, flags: ControlFlags) =>
      exitWith(flags, output, async () => (await asks()).fetchNow(replica, flags, output)),
    );
}

function addResync(program: Command, output: Output): void {
  asking(program.command("resync"))
    .description("compare source and replica, and mend what differs; all that is not narrowed by an option")
    .option("-u, --user <user>", "only this user's mailboxes")
    .option("--mailbox <mailbox>", "only this mailbox, as clients name it, or its path in the store")
    .option("--replica <replica>", "only this replica")
    .option("--store <store>", "only this store")
    .option("-n, --dry-run", "say what would be done, to which messages, and why, and do nothing")
    .option(
      "--clear-place",
      "with --mailbox: another mailbox that stands in its place on the replica goes to the limbo there",
    )
    .option("-v, --verbose", "with --dry-run: name the mailboxes that are equal, too")
    .action((flags: ResyncFlags) => exitWith(flags, output, async () => (await asks()).resync(flags, output)));
}

function addDeletions(program: Command, output: Output): void {
  const deletions = program
    .command("deletions")
    .description("what is held back, since much mail had gone from a source at once");
  const one = (name: string) => asking(deletions.command(name)).option("--store <store>", "only of this store");
  one("list")
    .description(
      "what would be deleted on the replicas: mailboxes, how much, the first UIDs; exit code 1 if there is any",
    )
    .action((flags: DeletionsFlags) =>
      exitWith(flags, output, async () => (await import("./deletions-commands.js")).listDeletions(flags, output)),
    );
  one("approve")
    .description("let go what is held back now; what goes later is judged anew")
    .action((flags: DeletionsFlags) =>
      exitWith(flags, output, async () => (await import("./deletions-commands.js")).approveDeletions(flags, output)),
    );
  addReject(deletions.command("reject"), output);
}

function addReject(command: Command, output: Output): void {
  command
    .description(
      "it was no wish to delete: bring what is held back back at the source, as new mail; exit code 1 if not all",
    )
    .argument("[SRC]", "of a `mailtwin sync`, as that has it; none: the daemon's stores that are a source")
    .argument("[DST]", "its destination, from which the mail comes: a directory, or HOST:PATH over ssh")
    .option("--replica <name>", "of the running daemon: from this replica of the store, if it has several")
    .option("--from <dir>", "from a copy of the store on this host instead: a backup, say")
    .option("-u, --user <user>", "only this user's mail")
    .option("--mailbox <name>", "only of this mailbox, as clients name it, or by its path in the store")
    .option("-n, --dry-run", "say what would be done, and do nothing")
    .option("--state <dir>", "the state directory of that `sync`")
    .option("--scratch <dir>", "its scratch directory")
    .option("-e, --rsh <command>", "what connects to DST's host, instead of ssh; split at spaces")
    .option("--remote-mailtwin <command>", "mailtwin on DST's host; split at spaces (default: mailtwin)")
    .option("--config <file>", "of the daemon, instead of /etc/mailtwin/mailtwin.toml")
    .option("--control <path>", "the socket of the daemon, instead of the one that the configuration names")
    .option("--store <name>", "only this store of the configuration")
    .option("--json", "one JSON object a line, for machines")
    .action((source: string | undefined, destination: string | undefined, flags: RejectFlags) =>
      exitWith(flags, output, async () =>
        (await import("../reject/reject-command.js")).rejectDeletions(source, destination, flags, output),
      ),
    );
}

function addExplain(program: Command, output: Output): void {
  asking(program.command("explain"))
    .description("where a message comes from, when it was captured under which LSN, and which replicas have it")
    .argument("<MAILBOX>", "as clients name it (INBOX, Work/Projects), or its path in the store")
    .argument("<UID>")
    .option("-u, --user <user>", "whose mailbox it is, in a store of many users")
    .option("--store <store>", "in this store, if several have such a mailbox")
    .action((mailbox: string, uid: string, flags: ExplainFlags) =>
      exitWith(flags, output, async () => (await asks()).explain({ mailbox, uid }, flags, output)),
    );
}

/** The flags of all of them. */
function asking(command: Command): Command {
  return command
    .option("--control <path>", "the socket of the daemon, instead of the one that the configuration names")
    .option("--config <file>", "the configuration of the daemon, instead of /etc/mailtwin/mailtwin.toml")
    .option("--json", "as JSON, for machines");
}

function asks() {
  return import("./ask-commands.js");
}
