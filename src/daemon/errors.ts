/** Error codes of the command line: what cannot even begin. */
import { type ErrorKind, EX, MailtwinError } from "../base/errors.js";

const KINDS = {
  /** The command line is not understood. */
  usage: { disposition: "operator", exitCode: EX.USAGE, hint: "See `mailtwin --help`, or `mailtwin COMMAND --help`." },
  /** SRC is not there, or is no directory. */
  "source-missing": {
    disposition: "operator",
    exitCode: EX.NOINPUT,
    hint: "Check the path; is the file system mounted?",
  },
  /** SRC is there, and this user may not read it. */
  "source-unreadable": {
    disposition: "operator",
    exitCode: EX.NOINPUT,
    hint: "Run as a user who may read all of the source (root or the mail owner). Nothing was written.",
  },
  /** DST is on a file system that is mounted read-only. */
  "destination-read-only": {
    disposition: "operator",
    exitCode: EX.CANTCREAT,
    hint: "Remount that file system for writing, then run the command again. No mail was touched.",
  },
  /** DST cannot be made, read or written, or is no directory. */
  "destination-unusable": {
    disposition: "operator",
    exitCode: EX.CANTCREAT,
    hint: "Name a directory, or a name in an existing directory, in which this user may write.",
  },
  /** One store lies inside the other. */
  "stores-overlap": {
    disposition: "operator",
    exitCode: EX.USAGE,
    hint: "Name two directories of which neither holds the other.",
  },
  /** SRC or DST is the scratch directory of a twin, or lies in one. */
  "store-in-scratch": {
    disposition: "operator",
    exitCode: EX.USAGE,
    hint: "Name a mail store: what lies in a scratch directory is moved and removed by the runs of its twin. Mail of the limbo is had back as docs/operations.md says.",
  },
  /** There is no place for staging and limbo outside the mail roots, on the destination's file system, that is ours alone. */
  "scratch-unusable": {
    disposition: "operator",
    exitCode: EX.CANTCREAT,
    hint: "Name a directory on the destination's file system, outside every mail root, with --scratch DIR: one that is not there yet, or that belongs to the user mailtwin runs as and is open to him alone (chmod 700), and no link. Else remove what stands in its place, or see who put it there.",
  },
  /** DST is a mount point and a Maildir at once: nothing can be renamed into it from outside, and nothing of ours may lie in it. */
  "scratch-nowhere": {
    disposition: "operator",
    exitCode: EX.CANTCREAT,
    hint: "No --scratch can help: mount that file system one level higher, or name a directory below the mount point as DST (and in Dovecot's mail_location). Nothing was written.",
  },
  /** The state directory lies inside a mail store. */
  "state-inside-store": {
    disposition: "operator",
    exitCode: EX.USAGE,
    hint: "Name a directory outside both stores with --state DIR.",
  },
  /** First contact: the destination holds mail that the source does not have. */
  "destination-has-mail": {
    disposition: "operator",
    exitCode: EX.CANTCREAT,
    hint: "Nothing was changed. Is DST the right directory? To go on, say what to do with that mail: --foreign keep (it stays, beside the twin's mail) or --foreign limbo (it is moved aside and can be had back).",
  },
  /** `mailtwin adopt`: the destination is empty, or has no mailbox of the source. */
  "nothing-to-adopt": {
    disposition: "operator",
    exitCode: EX.NOINPUT,
    hint: "No mail was touched. Is DST the right directory, and is its file system mounted? If it is to be filled from SRC, say `mailtwin sync` instead.",
  },
  /** First contact: the destination has whole Maildirs of the source at other paths. */
  "maildirs-elsewhere": {
    disposition: "operator",
    exitCode: EX.CANTCREAT,
    hint: "Nothing was changed. Name two directories that hold the same at the same paths. If these two are meant, move the Maildirs in DST yourself to where SRC has them, then run the command again.",
  },
  /** Every mailbox that was written to the destination is gone at once: more likely an accident than a wish. */
  "destination-emptied": {
    disposition: "operator",
    exitCode: EX.UNAVAILABLE,
    hint: "Nothing was written. Mount or restore the destination; to fill an empty one on purpose, move the state directory away and run the command again.",
  },
  /** The state directory is of another source or destination than the command names. */
  "stores-differ": {
    disposition: "operator",
    exitCode: EX.CONFIG,
    hint: "Nothing was written. Name another directory with --state for other stores. If this store was moved or restored elsewhere, say --moved once.",
  },
  /** The path of a store in the configuration leads to another directory than the one that its state was made of. */
  "store-exchanged": {
    disposition: "operator",
    exitCode: EX.CONFIG,
    hint: "Nothing was written. Put the former path back. If another store is meant, give it another name in the configuration: its replicas are compared with it as at first contact then.",
  },
  /** SRC is the twin of DST, as its own scratch directory says: the run would take back what DST has got since. */
  "stores-swapped": {
    disposition: "operator",
    exitCode: EX.CONFIG,
    hint: "Nothing was written. Were SRC and DST exchanged by mistake? To let them change roles on purpose, stop all runs and daemons that keep this pair, and remove the file that the message names: docs/operations.md, Changing roles.",
  },
  /** The two databases of the state directory are not of the same run: one was put there from elsewhere. */
  "state-mixed": {
    disposition: "operator",
    exitCode: EX.CONFIG,
    hint: "Nothing was written. Put back the database that belongs there; or move the state directory away and run the command again: the stores are compared as at first contact, and no mail is sent that is there already.",
  },
  /** The state directory cannot be made, read or written, or others may write in it. */
  "state-unusable": {
    disposition: "operator",
    exitCode: EX.CANTCREAT,
    hint: "Name a directory that belongs to the user mailtwin runs as and in which nobody else may write (chmod go-w), nor in any directory above it, outside both stores, with --state DIR.",
  },
  /** The state directory, its lock or a database of it was removed, or replaced, while mailtwin worked with it. */
  "state-gone": {
    disposition: "operator",
    exitCode: EX.IOERR,
    hint: "Nothing more is written to mail, and nothing is half visible. Put back what was there, as it was, and run the command again: it goes on from there. If it is lost, run it all the same: the stores are compared as at first contact, and no mail is sent that is there already. Stop mailtwin before its state directory is moved or removed.",
  },
  /** The configuration is not there, or cannot be read. */
  "config-missing": {
    disposition: "operator",
    exitCode: EX.NOINPUT,
    hint: "Without --config FILE it is /etc/mailtwin/mailtwin.toml for root, and mailtwin/mailtwin.toml in ~/.config (XDG_CONFIG_HOME) for others. Write one (docs/configuration.md has an example), or say with --config FILE where it is; mailtwin's user must be able to read it.",
  },
  /** The configuration is wrong. Each problem is told with its place, what was read, why it is wrong and what to do. */
  "config-wrong": {
    disposition: "operator",
    exitCode: EX.CONFIG,
    hint: "Nothing was begun. Mend each at its place, then run the command again; docs/configuration.md has all keys.",
  },
  /** A replica holds mail that another replication log has written: compared with this one it would be called deleted. */
  "replica-of-another": {
    disposition: "operator",
    exitCode: EX.CONFIG,
    hint: "Nothing was written. Is it the right store, and the right source? If so: stop mailtwin on the replica's host, move the directory that the message names away, start it again. Both are then compared as at first contact: mail that both have is not sent again, and `foreign` of the replica decides about mail that only the replica has.",
  },
  /** What cannot be changed while the daemon runs was changed in the configuration. */
  "restart-needed": {
    disposition: "operator",
    exitCode: EX.CONFIG,
    hint: "The daemon goes on with the configuration that it had. Restart it to have this one.",
  },
  /** A store is being opened, or cannot be opened now: why is in the log of the host that says so. */
  "store-not-ready": {
    disposition: "retry",
    exitCode: EX.TEMPFAIL,
    hint: "It is tried again by itself. If it stays like that, see `mailtwin status` and the log on that host.",
  },
  /** A peer asks for a store that it has no right to, or that is not there. */
  "no-right": {
    disposition: "operator",
    exitCode: EX.NOPERM,
    hint: "Put what the message names into the configuration of the host that refuses (mailtwin pair there writes may_read and may_write of a peer that its stores name), and mailtwin reload there: docs/configuration.md.",
  },
  /** Another run writes to this destination, to a directory in it or one that holds it, or works with this scratch directory. */
  "destination-in-use": {
    disposition: "retry",
    exitCode: EX.TEMPFAIL,
    hint: "Stop the other mailtwin, or wait for its end: one destination, with all that is in it, is the twin of one source, and has a scratch directory of its own. If there is no other one: fuser -v DIR and lslocks name who holds that directory; whoever may read a directory can lock it.",
  },
  /** The command was begun in a directory that was removed: relative names mean nothing there, and no thread starts. */
  "working-directory-gone": {
    disposition: "operator",
    exitCode: EX.NOINPUT,
    hint: "Nothing was written. Change to a directory that exists (cd /; by hand also cd $PWD where it was made anew), and run the command again.",
  },
  /** The limit of open files is so low that a run would fail somewhere on its way. */
  "too-few-files": {
    disposition: "operator",
    exitCode: EX.OSERR,
    hint: "Raise the limit to some thousands (ulimit -n, LimitNOFILE= in a unit), and run the command again. Nothing was written.",
  },
  /** Ctrl-C (SIGINT) before everything was on the destination. 128 and the signal's number, as shells have it. */
  interrupted: {
    disposition: "operator",
    exitCode: 130,
    hint: "Nothing is half done. Run the same command again: it goes on from there.",
  },
  /** SIGTERM before everything was on the destination. 128 and the signal's number, as shells have it. */
  terminated: {
    disposition: "operator",
    exitCode: 143,
    hint: "Nothing is half done. Run the same command again: it goes on from there.",
  },
  /** SIGHUP, of a terminal that was closed, before everything was on the destination. 128 and the signal's number. */
  "hung-up": {
    disposition: "operator",
    exitCode: 129,
    hint: "Nothing is half done. Run the same command again: it goes on from there.",
  },
  /** There is no replication log of that store on this host, or nothing has been written there yet. */
  "log-missing": {
    disposition: "operator",
    exitCode: EX.NOINPUT,
    hint: "Name a store that is a source on this host (--store NAME), or the state directory of a `mailtwin sync` (--state DIR). The log is made by the first run.",
  },
  /** Nothing was replicated to that store on this host yet, so that nothing of it is in a limbo. */
  "limbo-missing": {
    disposition: "operator",
    exitCode: EX.NOINPUT,
    hint: "Name SRC and DST as `mailtwin sync` has them (and its --state), a store that has a source on this host (--store NAME), on the source's host its replica (--replica NAME), or a state directory with --state and --scratch.",
  },
  /** Nothing that is in the limbo is what was asked for. */
  "not-in-limbo": {
    disposition: "operator",
    exitCode: EX.USAGE,
    hint: "`mailtwin undelete list` shows what is there. What has been there for longer than undelete_for is gone for good.",
  },
  /** The store that was asked for is not in the configuration, or is a replica here; or there are several to choose from. */
  "store-unknown": {
    disposition: "operator",
    exitCode: EX.USAGE,
    hint: "Name a store of the configuration that has replicas with --store NAME; `mailtwin config show` lists them.",
  },
  /** `sync --resync --dry-run` with a DST on another host: there is nothing yet that a comparison could be planned of. */
  "not-a-twin": {
    disposition: "operator",
    exitCode: EX.NOINPUT,
    hint: "Nothing was written. Is it the right directory, and the state directory of that pair? A run without --dry-run makes the twin; only on one host can that be planned (`mailtwin sync --dry-run SRC DST`).",
  },
  /** The log does not have that transaction: it was trimmed, or is not there yet. */
  "not-in-log": {
    disposition: "operator",
    exitCode: EX.NOINPUT,
    hint: "`mailtwin log tail` shows which transactions are in the log. Those that every replica has are removed, by the daemon after a while, by `mailtwin sync` at once.",
  },
  /** No replica has refused that transaction, or nothing of that user or mailbox; or it was settled meanwhile. */
  "not-rejected": {
    disposition: "operator",
    exitCode: EX.NOINPUT,
    hint: "`mailtwin rejects list` shows what is rejected. What a replica takes in the end is removed from that list.",
  },
  /** A worker thread ended by itself. */
  "worker-lost": { disposition: "bug", exitCode: EX.SOFTWARE, hint: "This is a defect of mailtwin: please report it." },
} as const satisfies Record<string, ErrorKind>;

export type DaemonErrorCode = keyof typeof KINDS;

export function daemonError(code: DaemonErrorCode, message: string, cause?: unknown): MailtwinError<DaemonErrorCode> {
  return new MailtwinError({ code, kind: KINDS[code], message, cause });
}
