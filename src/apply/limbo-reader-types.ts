/** What is asked of the thread that reads a limbo, for whoever is to have back what is in it (limbo-reader.ts). */
import type { Site } from "../base/disk.js";
import type { LimboFile, LimboFilesPage, LimboPart } from "../wire/limbo.js";

export interface LimboReaderOptions {
  /** The scratch directory, which has the limbo in it: absolute, bytes-in-a-string. */
  readonly scratchRoot: string;
  /** Which directory that is; undefined: the one that stands there first. */
  readonly site: Site | undefined;
}

/** Names are those of rows. Each throws: scratch-missing, scratch-foreign. */
export interface LimboReaderMethods {
  /** In the order of `names`: whether it can be had. */
  there(names: readonly string[]): readonly boolean[];
  /** Of a mailbox that went as a whole, behind `after`, ascending; none of what is no such mailbox. */
  files(of: { readonly name: string; readonly after: string; readonly max: number }): LimboFilesPage;
  /**
   * Of the first of `files`, at least one: all but the last are whole, and that is if it does not make the answer have PARTS_BYTES_MAX
   * bytes. Undefined in the place of one that is not to be read.
   */
  parts(of: { readonly files: readonly (LimboFile | undefined)[]; readonly offset: number }): readonly LimboPart[];
}
