/** Error codes of the wire. */
import { type ErrorKind, EX, MailtwinError } from "../base/errors.js";

const KINDS = {
  /** The other end closed the link or the link was cut. */
  "link-closed": {
    disposition: "retry",
    exitCode: EX.TEMPFAIL,
    hint: "Nothing is lost: run the command again and it goes on where it stopped.",
  },
  /** The other end is there, and does not get on with what it owes for so long that the link was given up. */
  "no-progress": {
    disposition: "retry",
    exitCode: EX.TEMPFAIL,
    hint: "Look at the log of mailtwin over there, at the load of that host and at its disk, and at what the line carries.",
  },
  /** A message of the other end cannot be understood or breaks a limit. */
  "wire-invalid": {
    disposition: "operator",
    exitCode: EX.PROTOCOL,
    hint: "Both ends must run a mailtwin of the same protocol version; check what is at the other end.",
  },
  /** What is at the other end does not speak as mailtwin does: another service, or a shell that prints something at login. */
  "peer-not-mailtwin": {
    disposition: "operator",
    exitCode: EX.PROTOCOL,
    hint: "Check the address; over ssh, let the other end's shell print nothing when no one is at the terminal.",
  },
  /** The ends speak different protocol versions. */
  "protocol-differs": {
    disposition: "operator",
    exitCode: EX.PROTOCOL,
    hint: "Bring both ends to the same release of mailtwin.",
  },
  /** The store on another host that was named cannot be read as [user@]host:path. */
  "address-invalid": {
    disposition: "operator",
    exitCode: EX.USAGE,
    hint: 'Write [user@]host:path; another port stands in ssh_config, or in -e "ssh -p 2222". A path of this host that has a ":" is written with a "/" before it, as ./a:b.',
  },
  /** Nobody answered at an address, or whoever did hung up before both ends knew each other. */
  "peer-unreachable": {
    disposition: "retry",
    exitCode: EX.UNAVAILABLE,
    hint: "Check that mailtwin runs there and listens at that address, and that no firewall is in between.",
  },
  /** Who dialled showed a key that no peer of the configuration has. Nothing was read from it. */
  "peer-unknown": {
    disposition: "operator",
    exitCode: EX.NOPERM,
    hint: "If that is a site of yours, add the key that the message names to its peers; else somebody tries doors.",
  },
  /** Who answered showed another key than the one that was expected. Nothing was sent to it. */
  "peer-key-differs": {
    disposition: "operator",
    exitCode: EX.NOPERM,
    hint: "If the key over there was made anew, compare its name on that host (not over this link), then put it into the configuration here, and mailtwin reload; else another machine answers at that address.",
  },
  /** The certificate of a key that is known is not valid now. */
  "key-expired": {
    disposition: "operator",
    exitCode: EX.NOPERM,
    hint: "Check the clocks of both hosts. If they are right, renew the certificate on the host whose key it is (mailtwin keygen --renew, then mailtwin reload): the key and its name stay, and no other host has to be told.",
  },
  /** The other end, or the system, does not let this one in. */
  "link-refused": {
    disposition: "operator",
    exitCode: EX.NOPERM,
    hint: "Do what the message says on the host that refused; its log has more.",
  },
  /** Whoever dialled in has more conversations there that have not said yet what they want than one may have: the oldest of them was ended. */
  "link-crowded": {
    disposition: "retry",
    exitCode: EX.TEMPFAIL,
    hint: "Try again in a moment. If it stays so, mailtwin status on the host that refuses says whose conversations they are.",
  },
  /** What came from the other end is no TLS 1.3 as two mailtwins speak it. */
  "handshake-failed": {
    disposition: "operator",
    exitCode: EX.PROTOCOL,
    hint: "Check what is at the other end: both must run mailtwin, and nothing in between may end TLS. Where a site of yours hung up, look at its log: it may expect another key than the one here, which mailtwin pair says.",
  },
  /** A key is to be made where a file is. Nothing was changed. */
  "key-exists": {
    disposition: "operator",
    exitCode: EX.CANTCREAT,
    hint: "Peers know the key that is there; mailtwin pair says its name. If they are to learn another one, move that file away first.",
  },
  /** The file of this site's key is not there, is open to others, or holds no key. */
  "key-unusable": {
    disposition: "operator",
    exitCode: EX.CONFIG,
    hint: "It must be a regular file of the user mailtwin runs as, with mode 0600, made by mailtwin keygen. A key that others could read is to be replaced.",
  },
  /** Another process listens at that address already. */
  "address-in-use": {
    disposition: "operator",
    exitCode: EX.UNAVAILABLE,
    hint: "Find out who listens there (ss -lp); it may be another mailtwin.",
  },
  /** The system does not let this process listen at that address. */
  "listen-failed": {
    disposition: "operator",
    exitCode: EX.CANTCREAT,
    hint: "The address must be one of this host, the directory of a socket must be there, and this user may need more rights.",
  },
  /** ssh could not be started, or made no connection: its own words are in the message. */
  "ssh-failed": {
    disposition: "retry",
    exitCode: EX.UNAVAILABLE,
    hint: "Try the same ssh command by hand, as the user mailtwin runs as, with -oBatchMode=yes: it must not ask for anything.",
  },
  /** ssh connected, and there is no mailtwin on the other host where it is looked for. */
  "remote-missing": {
    disposition: "operator",
    exitCode: EX.UNAVAILABLE,
    hint: "Install mailtwin over there, or name its path: a shell that is not a login shell may have a shorter PATH.",
  },
  /** The program that ssh started on the other host ended with an error. */
  "remote-ended": {
    disposition: "operator",
    exitCode: EX.UNAVAILABLE,
    hint: "Its own words are in the message; what its exit code means is in docs/operations.md if it is mailtwin's.",
  },
} as const satisfies Record<string, ErrorKind>;

export type WireErrorCode = keyof typeof KINDS;

export function isLinkClosed(error: unknown): boolean {
  return error instanceof MailtwinError && error.code === "link-closed";
}

export function isNoProgress(error: unknown): boolean {
  return error instanceof MailtwinError && error.code === "no-progress";
}

export function wireError(code: WireErrorCode, message: string, cause?: unknown): MailtwinError<WireErrorCode> {
  return new MailtwinError({ code, kind: KINDS[code], message, cause });
}
