/**
 * The limbo at the other end of a link. Its answers are within the limits of the language; here it is judged whether they can be true of
 * any limbo: rows and files ascend from where they were asked for, and names are those that rows of that mailbox, UID and base name have.
 */
import { hashOfBase, readEntryName } from "../apply/limbo-names.js";
import { comparedConfused } from "../resync/errors.js";
import type { LimboFile, LimboMark, LimboPart, ToldRemoval } from "../wire/limbo.js";
import type { Answer } from "../wire/messages.js";
import type { Asker } from "./asker.js";
import type { LimboSide } from "./limbo-side.js";
import { isAnswer } from "./remote-side.js";

const HASH_BYTES = 32;

export class RemoteLimbo implements LimboSide {
  readonly #asker: Pick<Asker, "ask">;

  constructor(asker: Pick<Asker, "ask">) {
    this.#asker = asker;
  }

  async page(after: LimboMark | undefined, signal: AbortSignal) {
    const answer = await this.#asker.ask({ kind: "tell-limbo", after }, signal);
    const { rows, more } = expected(answer, "limbo-page");
    let last = after;
    for (const row of rows) {
      if (last !== undefined && !isBehind(row, last)) throw comparedConfused("rows of its limbo do not ascend");
      if (!isNamedSo(row)) throw comparedConfused("a row of its limbo has the name of another one");
      last = row;
    }
    if (more && rows.length === 0) throw comparedConfused("a page of its limbo is empty, and not the last");
    return { rows, more };
  }

  async files({ name, after }: Parameters<LimboSide["files"]>[0], signal: AbortSignal) {
    const answer = await this.#asker.ask({ kind: "tell-limbo-files", name, after }, signal);
    const { files, more } = expected(answer, "limbo-files");
    let last = after;
    for (const { file } of files) {
      if (file <= last) throw comparedConfused("files of a mailbox in its limbo do not ascend");
      last = file;
    }
    if (more && files.length === 0) throw comparedConfused("a page of files in its limbo is empty, and not the last");
    return { files, more };
  }

  async parts(
    { files, offset }: { readonly files: readonly LimboFile[]; readonly offset: number },
    signal: AbortSignal,
  ): Promise<readonly LimboPart[]> {
    const answer = await this.#asker.ask({ kind: "read-limbo", files, offset }, signal);
    const { parts } = expected(answer, "limbo-parts");
    if (
      isAnswer({ messages: files, offset }, parts) &&
      parts.every((part, at) => isHashed(part, at === 0 ? offset : 0))
    )
      return parts;
    throw comparedConfused("it sends other parts of files than it was asked for");
  }
}

/** As SQLite compares. */
export function isBehind(row: LimboMark, last: LimboMark): boolean {
  return row.removedMs === last.removedMs ? row.name > last.name : row.removedMs > last.removedMs;
}

function isNamedSo({ name, mailbox, uid, base }: ToldRemoval): boolean {
  const [, entry = ""] = name.split("/");
  const read = readEntryName(entry);
  if (read?.mailbox !== mailbox || (read.uid ?? 0) !== uid) return false;
  if (read.hash === undefined) return base === "";
  return base === "" || read.hash === hashOfBase(base);
}

/** Whose last byte is there has its hash. */
function isHashed(part: LimboPart, from: number): boolean {
  return part === undefined || part.sha256.length === (from + part.bytes.length === part.size ? HASH_BYTES : 0);
}

function expected<K extends Answer["kind"]>(answer: Answer, kind: K): Extract<Answer, { kind: K }> {
  if (answer.kind !== kind) throw comparedConfused(`it answered "${answer.kind}"`);
  return answer as Extract<Answer, { kind: K }>;
}
