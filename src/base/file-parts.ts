/** Bytes of files for an answer that has room for so many: the first file from an offset on, then whole ones, and of the last what there is room for. */
import type { ReadFile } from "./disk.js";

export interface PartRange {
  readonly from: number;
  /** At most so many bytes. */
  readonly left: number;
}

/** Undefined where it was cut meanwhile. */
export function readRange(file: ReadFile, { from, left }: PartRange): Buffer | undefined {
  const bytes = Buffer.allocUnsafeSlow(Math.max(0, Math.min(left, file.stat.size - from)));
  for (let done = 0; done < bytes.length; ) {
    const count = file.read(bytes.subarray(done), from + done);
    if (count === 0) return undefined;
    done += count;
  }
  return bytes;
}

/** Of the first of `wanted`, in their order, at least one; with a `bytesMax` of 0 of all. Undefined for one that is, or that `read` has not. */
export function readInTurn<W, P extends { readonly bytes: Uint8Array }>(
  wanted: readonly (W | undefined)[],
  { offset, bytesMax }: { readonly offset: number; readonly bytesMax: number },
  read: (of: W, range: PartRange) => P | undefined,
): readonly (P | undefined)[] {
  const parts: (P | undefined)[] = [];
  let left = bytesMax;
  for (const of of wanted) {
    const from = parts.length === 0 ? offset : 0;
    const part = of === undefined ? undefined : read(of, { from, left });
    parts.push(part);
    left -= part?.bytes.length ?? 0;
    if (left === 0 && bytesMax > 0) break;
  }
  return parts;
}
