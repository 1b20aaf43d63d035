/**
 * Questions about the limbo, and their answers <-> the messages of link.proto.
 *
 * INVARIANT: what is decoded is within the limits of limbo.ts, and names nothing that could not be.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { unreachable } from "../base/assert.js";
import { isBaseName, parseMailboxGuid, UID_MAX } from "../maildir/ids.js";
import { wireError } from "./errors.js";
import { bytesOf, hashIn, nameIn, numberIn, pathIn } from "./field-values.js";
import type {
  LimboFiles as LimboFilesPb,
  LimboPage as LimboPagePb,
  LimboParts as LimboPartsPb,
  LimboRow as LimboRowPb,
  Reply as ReplyPb,
  ReplySchema,
  Request as RequestPb,
  RequestSchema,
} from "./gen/link_pb.js";
import {
  isLimboEntry,
  isLimboFile,
  LIMBO_FILES_MAX,
  LIMBO_PAGE_MAX,
  LIMBO_READ_MAX,
  type LimboAnswer,
  type LimboAsk,
  type LimboFilesPage,
  type LimboPage,
  type LimboPart,
  type ToldRemoval,
} from "./limbo.js";
import { PARTS_BYTES_MAX } from "./sums.js";

type AskInit = NonNullable<MessageInitShape<typeof RequestSchema>["ask"]>;
type ReplyInit = MessageInitShape<typeof ReplySchema>;

const KINDS: Readonly<Record<LimboAsk["kind"], true>> = {
  ...{ "tell-limbo": true, "tell-limbo-files": true, "read-limbo": true },
};

export function isOfLimbo<T extends { readonly kind: string }>(ask: T): ask is Extract<T, LimboAsk> {
  return ask.kind in KINDS;
}

export function limboAskInit(ask: LimboAsk): AskInit {
  switch (ask.kind) {
    case "tell-limbo": {
      const { removedMs, name } = ask.after ?? { removedMs: 0, name: "" };
      return { case: "tellLimbo", value: { removedMs: BigInt(removedMs), after: name } };
    }
    case "tell-limbo-files":
      return { case: "tellLimboFiles", value: { name: ask.name, after: bytesOf(ask.after) } };
    case "read-limbo": {
      const files = ask.files.map(({ name, file }) => ({ name, file: bytesOf(file) }));
      return { case: "readLimbo", value: { files, offset: BigInt(ask.offset) } };
    }
    default:
      return unreachable(ask);
  }
}

/** Undefined for a question of another kind. Throws: wire-invalid. */
export function limboAskIn({ ask }: RequestPb): LimboAsk | undefined {
  switch (ask.case) {
    case "tellLimbo": {
      const { removedMs, after } = ask.value;
      if (after !== "") entryIn(after);
      const mark = { removedMs: numberIn(removedMs), name: after };
      return { kind: "tell-limbo", after: after === "" && mark.removedMs === 0 ? undefined : mark };
    }
    case "tellLimboFiles": {
      const { name, after } = ask.value;
      return { kind: "tell-limbo-files", name: entryIn(name), after: after.length === 0 ? "" : fileIn(after) };
    }
    case "readLimbo": {
      const { files, offset } = ask.value;
      if (files.length > LIMBO_READ_MAX) throw invalid("it asks for too many files");
      const named = files.map(({ name, file }) => {
        return { name: entryIn(name), file: file.length === 0 ? "" : fileIn(file) };
      });
      return { kind: "read-limbo", files: named, offset: numberIn(offset) };
    }
    default:
      return undefined;
  }
}

export function limboAnswerInit(answer: LimboAnswer): ReplyInit {
  switch (answer.kind) {
    case "limbo-page": {
      const rows = answer.rows.map(({ isThere, ...row }) => {
        const numbers = { size: BigInt(row.size), removedMs: BigInt(row.removedMs) };
        return { ...row, ...numbers, path: bytesOf(row.path), base: bytesOf(row.base), gone: !isThere };
      });
      return { limbo: { rows, more: answer.more } };
    }
    case "limbo-files": {
      const files = answer.files.map(({ file, size }) => ({ file: bytesOf(file), size: BigInt(size) }));
      return { limboFiles: { files, more: answer.more } };
    }
    case "limbo-parts": {
      const parts = answer.parts.map((part) => {
        if (part === undefined) return { absent: true };
        return { ...part, size: BigInt(part.size), mtimeS: BigInt(part.mtimeS) };
      });
      return { limboParts: { parts } };
    }
    default:
      return unreachable(answer);
  }
}

/** Undefined for an answer of another kind. Throws: wire-invalid. */
export function limboAnswerIn({ limbo, limboFiles, limboParts }: ReplyPb): LimboAnswer | undefined {
  if (limbo !== undefined) return { kind: "limbo-page", ...pageIn(limbo) };
  if (limboFiles !== undefined) return { kind: "limbo-files", ...filesIn(limboFiles) };
  return limboParts === undefined ? undefined : { kind: "limbo-parts", parts: partsIn(limboParts) };
}

function pageIn({ rows, more }: LimboPagePb): LimboPage {
  if (rows.length > LIMBO_PAGE_MAX) throw invalid("it has too many rows");
  return { rows: rows.map(rowIn), more };
}

function rowIn({ name, mailbox, path, uid, base, size, cause, removedMs, gone }: LimboRowPb): ToldRemoval {
  if (uid > UID_MAX) throw invalid("a row has a UID that cannot be");
  if (!/^[a-z-]{1,32}$/.test(cause)) throw invalid("a row has a cause that cannot be");
  const named = nameIn(base);
  if (named !== "" && !isBaseName(named)) throw invalid("a row has a base name that cannot be");
  return {
    ...{ name: entryIn(name), mailbox: parseMailboxGuid(mailbox), path: pathIn(path), uid, base: named },
    ...{ size: numberIn(size), cause, removedMs: numberIn(removedMs), isThere: !gone },
  };
}

function filesIn({ files, more }: LimboFilesPb): LimboFilesPage {
  if (files.length > LIMBO_FILES_MAX) throw invalid("it has too many files");
  return { files: files.map(({ file, size }) => ({ file: fileIn(file), size: numberIn(size) })), more };
}

function partsIn({ parts }: LimboPartsPb): readonly LimboPart[] {
  if (parts.length > LIMBO_READ_MAX) throw invalid("it has too many parts");
  if (parts.reduce((sum, { bytes }) => sum + bytes.length, 0) > PARTS_BYTES_MAX) throw invalid("it has too many bytes");
  return parts.map(({ absent, size, mtimeS, bytes, sha256 }) => {
    if (absent) return undefined;
    const part = { size: numberIn(size), mtimeS: numberIn(mtimeS), bytes, sha256: hashIn(sha256, true) };
    if (bytes.length > part.size) throw invalid("a part is longer than its file");
    return part;
  });
}

function entryIn(text: string): string {
  if (isLimboEntry(text)) return text;
  throw invalid("a name is none of the limbo");
}

function fileIn(bytes: Uint8Array): string {
  const file = nameIn(bytes);
  if (isLimboFile(file)) return file;
  throw invalid("a name is none of a file in a mailbox");
}

function invalid(why: string) {
  return wireError("wire-invalid", `reading of the limbo at the other end: ${why}`);
}
