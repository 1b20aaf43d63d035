/** The limbo of a replica as its source may ask about it, and the replica's answers. */
import { unreachable } from "../base/assert.js";
import type {
  LimboAnswer,
  LimboAsk,
  LimboFile,
  LimboFilesPage,
  LimboMark,
  LimboPage,
  LimboPart,
} from "../wire/limbo.js";

/**
 * What has gone there of the mail that this source has sent; of nothing else a word is said. Throws: compared-unsupported, where
 * nobody knows what that is; scratch-missing, scratch-foreign.
 */
export interface LimboSide {
  /** Rows behind `after`, ascending, at most LIMBO_PAGE_MAX; undefined: from the first. */
  page(after: LimboMark | undefined, signal: AbortSignal): Promise<LimboPage>;
  /** Of a mailbox that went as a whole, behind `after`, ascending, at most LIMBO_FILES_MAX. */
  files(of: { readonly name: string; readonly after: string }, signal: AbortSignal): Promise<LimboFilesPage>;
  /** Of the first of `files`, at least one: all but the last are whole, and that is if the answer does not have PARTS_BYTES_MAX bytes. */
  parts(
    of: { readonly files: readonly LimboFile[]; readonly offset: number },
    signal: AbortSignal,
  ): Promise<readonly LimboPart[]>;
}

/** Throws what the side throws. */
export async function answerLimbo(side: LimboSide, ask: LimboAsk, signal: AbortSignal): Promise<LimboAnswer> {
  switch (ask.kind) {
    case "tell-limbo":
      return { kind: "limbo-page", ...(await side.page(ask.after, signal)) };
    case "tell-limbo-files":
      return { kind: "limbo-files", ...(await side.files(ask, signal)) };
    case "read-limbo":
      return { kind: "limbo-parts", parts: await side.parts(ask, signal) };
    default:
      return unreachable(ask);
  }
}
