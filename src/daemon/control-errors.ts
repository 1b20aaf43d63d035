/** Error codes of the commands that speak with a running daemon, and of keygen and pair. */
import { type ErrorKind, EX, MailtwinError } from "../base/errors.js";

const KINDS = {
  /** Nobody listens at the daemon's socket. */
  "daemon-not-running": {
    disposition: "operator",
    exitCode: EX.UNAVAILABLE,
    hint: "Is it running? Start it with mailtwin run, or say with --config FILE or --control PATH which daemon is meant.",
  },
  /** The daemon's socket may not be opened by this user. */
  "control-refused": {
    disposition: "operator",
    exitCode: EX.NOPERM,
    hint: "Run the command as the user that the daemon runs as, or as one of its group.",
  },
  /** The daemon was asked and did not answer in time, or ended meanwhile. */
  "control-lost": {
    disposition: "retry",
    exitCode: EX.TEMPFAIL,
    hint: "Ask again. If it stays so, look at the daemon's log: whether what was asked for was done is not known.",
  },
  /** So many others ask the daemon at once that the system takes no more connections to its socket. Nothing was asked. */
  "control-busy": {
    disposition: "retry",
    exitCode: EX.TEMPFAIL,
    hint: "The daemon is busy with other questions: ask again in a moment. If it stays so, ss -xp says which processes hold connections to that socket; who is of its group can open them.",
  },
  /** What answers at the socket does not speak as this mailtwin does, or a request is none that the daemon knows. */
  "control-invalid": {
    disposition: "operator",
    exitCode: EX.PROTOCOL,
    hint: "Command and daemon must be of the same release: restart the daemon after an upgrade.",
  },
  /** A store, replica, user or mailbox of that name is not known to the daemon. Nothing was done. */
  "target-unknown": {
    disposition: "operator",
    exitCode: EX.USAGE,
    hint: "mailtwin status has the names of stores and replicas. A mailbox is named as clients name it (Work/Projects), with -u USER in a store of many users, or by its path in the store.",
  },
  /** More than one replica or store is meant by that name. Nothing was done. */
  "target-ambiguous": {
    disposition: "operator",
    exitCode: EX.USAGE,
    hint: "Name one of those that the message lists: STORE/REPLICA for a replica, --store STORE for a store.",
  },
  /** What was asked for needs a replica that is connected, and one of those that are meant is not. Nothing was done. */
  "target-away": {
    disposition: "retry",
    exitCode: EX.UNAVAILABLE,
    hint: "mailtwin status says why it is not connected; mailtwin resume if it is paused. Ask again when it is, or name another one with --replica.",
  },
  /** Only the source of a store has its replication log, and compares it with its replicas. Nothing was done. */
  "not-the-source": {
    disposition: "operator",
    exitCode: EX.USAGE,
    hint: "Ask at the source: on its host, by the name that the store has there.",
  },
  /** The directory of the daemon's socket cannot be made or used. */
  "control-unusable": {
    disposition: "operator",
    exitCode: EX.CANTCREAT,
    hint: 'Name another place with control = "/path" in the configuration: nobody but mailtwin\'s user may be able to change the directories above it.',
  },
  /** Neither the command line nor the configuration says where the key of this host is. */
  "key-nowhere": {
    disposition: "operator",
    exitCode: EX.CONFIG,
    hint: 'Name the file with --key FILE, or with key = "FILE" in the [identity] of the configuration.',
  },
  /** A peer of that name has a file already. Nothing was changed. */
  "peer-exists": {
    disposition: "operator",
    exitCode: EX.CANTCREAT,
    hint: "Change the key in that file if the peer has another one now, or choose another name.",
  },
  /** The configuration would be wrong with that peer. Each problem is told with its place. Nothing was changed. */
  "peer-wrong": {
    disposition: "operator",
    exitCode: EX.CONFIG,
    hint: "Mend what is told above, then run the command again.",
  },
  /** The file for a peer cannot be written. */
  "peer-unwritable": {
    disposition: "operator",
    exitCode: EX.CANTCREAT,
    hint: "Run the command as the user that the configuration belongs to.",
  },
} as const satisfies Record<string, ErrorKind>;

export type ControlErrorCode = keyof typeof KINDS;

export function controlError(
  code: ControlErrorCode,
  message: string,
  cause?: unknown,
): MailtwinError<ControlErrorCode> {
  return new MailtwinError({ code, kind: KINDS[code], message, cause });
}
