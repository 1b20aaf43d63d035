/**
 * Last words: why an end of a link has ended it by itself. A replica always says so; the source shows that, and decides by the code whether
 * a person has to act. A source says so where a person has to; whoever looks at the replica's host is to know.
 *
 * INVARIANT: what a code means is said by the end that reads it, whatever the other one says of it; its words are shown as what they are.
 */
import { type Disposition, EX, MailtwinError, recordOfError } from "../base/errors.js";
import { safeWords } from "../wire/last-words.js";
import type { WireFailure } from "../wire/messages.js";
import { agentError } from "./errors.js";

/** Codes of the catalogues (docs/errors.md) that a replica may end with. "operator" of some is a defect of the replica's own. */
export const LAST_CODES: ReadonlyMap<string, Exclude<Disposition, "bug">> = new Map([
  ...(
    [
      "ENOENT",
      "EAGAIN",
      "file-changed",
      "sync-killed",
      "worker-closed",
      "store-not-ready",
      "destination-in-use",
    ] as const
  ).map((code) => [code, "retry"] as const),
  ...(
    [
      ...["ENOSPC", "EDQUOT", "EACCES", "EPERM", "EROFS", "ELOOP", "EISDIR", "ENOTDIR", "ENXIO", "EINVAL", "EMFILE"],
      ...["ENFILE", "EIO", "append-torn", "proc-missing", "short-write", "sync-failed", "worker-died"],
      ...["state-busy", "state-corrupt", "state-disk-full", "state-foreign", "state-in-use", "state-io-failed"],
      ...["state-too-new", "state-too-old", "state-unreachable", "state-unusable", "state-mixed"],
      "state-gone",
      ...["destination-missing", "destination-emptied", "destination-read-only"],
      ...["destination-unusable", "store-exchanged", "stores-differ", "replica-of-another", "too-few-files"],
      ...["scratch-missing", "scratch-foreign", "scratch-unusable", "scratch-nowhere", "scratch-other-file-system"],
      ...["source-without-right", "peer-confused", "wire-invalid", "protocol-differs", "transaction-invalid"],
      ...["undo-incomplete", "limbo-file-missing"],
    ] as const
  ).map((code) => [code, "operator"] as const),
]);

/** What this end says of its own error. */
export function farewellOf(error: unknown): WireFailure {
  const { code, message, hint, disposition, exitCode } = recordOfError(error);
  return { code, message, hint, disposition, exitCode };
}

/** What a source tells a replica, as it ends the link; undefined: nothing that a person has to act upon. */
export function lastWordsOf(error: unknown): WireFailure | undefined {
  const failure = farewellOf(error);
  return failure.disposition === "operator" ? failure : undefined;
}

/** A source's last words, here. `said` of the detail is its code, which may be anything. */
export function errorOfSource({ code: said, message, hint }: WireFailure): MailtwinError {
  const words = `serving the source: it ended the link, and says: ${safeWords(message)}`;
  const { code, ...kind } = agentError("source-refuses", words);
  const shown = hint === "" ? kind.hint : `Over there: ${safeWords(hint)}`;
  return new MailtwinError({ code, kind: { ...kind, hint: shown }, message: words, detail: { said } });
}

/** Whether these are the source's last words. */
export function isOfSource(error: unknown): error is MailtwinError {
  return error instanceof MailtwinError && error.code === "source-refuses";
}

/** Whether the other end has said so of itself, or of this one: its last words, or a request that it refuses. `detail` has its code (`said`). */
export function isSaid({ detail }: MailtwinError): boolean {
  return "said" in detail;
}

/** A replica's last words, here. One of a code that is not known here is `replica-failed`. */
export function errorOfFarewell(name: string, { code, message, hint, exitCode }: WireFailure): MailtwinError {
  const words = `talking with ${name}: it ended the link, and says: ${safeWords(message)}`;
  const disposition = LAST_CODES.get(code);
  if (disposition === undefined) return agentError("replica-failed", words);
  const isExit = Number.isInteger(exitCode) && exitCode > 0 && exitCode < 256;
  const kind = { disposition, exitCode: isExit ? exitCode : EX.UNAVAILABLE, hint: `Over there: ${safeWords(hint)}` };
  return new MailtwinError({ code, kind, message: words, detail: { said: code } });
}
