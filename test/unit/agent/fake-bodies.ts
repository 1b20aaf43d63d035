/** The source's reader of bodies, in memory: a body's bytes follow from its base name and size. */
import { createHash } from "node:crypto";
import {
  BODY_SMALL_BYTES_MAX,
  type BodyRead,
  type CloseLargeOutcome,
  type OpenLargeOutcome,
  type OpenLargeRequest,
  type ReadManyRequest,
  type ReadPartRequest,
} from "../../../src/capture/body-types.js";
import { captureError, problemOf } from "../../../src/capture/errors.js";

export function bodyOf(base: string, size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  for (let i = 0; i < Math.min(size, 64); i++) bytes[i] = base.charCodeAt(i % base.length);
  return bytes;
}

export class FakeBodies {
  /** Base names by fate; all others are there. */
  readonly gone = new Set<string>();
  readonly unreadable = new Set<string>();
  /** Base names of files that change while they are read. */
  readonly changing = new Set<string>();
  /** Sizes by base name, where the file does not have the size of the transaction. */
  readonly sizes = new Map<string, number>();
  /** Throws to make a call fail. */
  onRead: () => void = () => undefined;
  readonly opened = new Map<number, OpenLargeRequest & { readonly size: number }>();
  readonly #sizeByBase: ReadonlyMap<string, number>;
  #lastHandle = 0;

  constructor(sizeByBase: ReadonlyMap<string, number>) {
    this.#sizeByBase = sizeByBase;
  }

  async readMany({ mailboxPath, items, bytesMax }: ReadManyRequest): Promise<readonly BodyRead[]> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.onRead();
    let leftBytes = bytesMax;
    return items.map(({ index, base }, at): BodyRead => {
      if (this.gone.has(base)) return { index, kind: "gone" };
      if (this.unreadable.has(base)) {
        const error = Object.assign(new Error(`EIO: reading ${base}`), { code: "EIO" });
        return { index, kind: "problem", problem: problemOf(mailboxPath, error) };
      }
      const size = this.#size(base);
      if (size > BODY_SMALL_BYTES_MAX) return { index, kind: "large", sizeBytes: size };
      if (size > leftBytes && at > 0) {
        leftBytes = 0;
        return { index, kind: "later" };
      }
      leftBytes -= size;
      const bytes = bodyOf(base, size);
      const sha256 = createHash("sha256").update(bytes).digest("hex");
      return { index, kind: "body", bytes, sha256 };
    });
  }

  openLarge(request: OpenLargeRequest): OpenLargeOutcome {
    if (this.gone.has(request.base)) return { kind: "gone" };
    this.#lastHandle += 1;
    const size = this.#size(request.base);
    this.opened.set(this.#lastHandle, { ...request, size });
    return { kind: "open", handle: this.#lastHandle, sizeBytes: size, mtimeS: 5 };
  }

  readPart({ handle, offset, length }: ReadPartRequest): Uint8Array<ArrayBuffer> {
    const body = this.opened.get(handle);
    if (body === undefined) throw new Error("no such open body");
    if (offset > 0 && this.changing.has(body.base))
      throw captureError("body-changed", `reading ${body.base}: it changed`);
    return bodyOf(body.base, body.size).slice(offset, offset + length);
  }

  closeLarge({ handle }: { readonly handle: number }): CloseLargeOutcome {
    this.opened.delete(handle);
    return { readBytes: 0 };
  }

  #size(base: string): number {
    return this.sizes.get(base) ?? this.#sizeByBase.get(base) ?? 0;
  }
}
