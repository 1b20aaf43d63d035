/** A disk on which a process dies between two writes, for tests that go through all of them. */
import { mkdirSync, writeFileSync } from "node:fs";
import { openNodeDisk } from "../../src/base/disk-node.js";
import { type DiskCall, FaultDisk } from "./fault-disk.js";

const WRITES = new Set<DiskCall["operation"]>([
  ...(["createFile", "appendFile", "rename", "link", "unlink", "mkdir", "rmdir", "setMtime"] as const),
]);

/**
 * After so many writes nothing can be written any more: what a kill before the next one would leave, or, `torn`, one in the middle
 * of it: what was made has neither owner, mode nor bytes yet.
 */
export class MortalDisk extends FaultDisk {
  #left: number;
  readonly #isTorn: boolean;

  constructor(writes: number, { torn = false } = {}) {
    super(openNodeDisk());
    this.#left = writes;
    this.#isTorn = torn;
  }

  get isDead(): boolean {
    return this.#left < 0;
  }

  /** Something is written elsewhere. */
  spend(): void {
    if (this.#left <= 0) this.#left = -1;
    if (this.isDead) throw new Error("killed");
    this.#left -= 1;
  }

  override perform<T>(call: DiskCall, name: string, run: () => T): T {
    if (this.#isTorn && this.#left === 0) makeHalf(call);
    if (WRITES.has(call.operation)) this.spend();
    return super.perform(call, name, run);
  }
}

function makeHalf({ operation, path }: DiskCall): void {
  if (operation === "mkdir") mkdirSync(path, { mode: 0o700 });
  if (operation === "createFile") writeFileSync(path, "", { mode: 0o600, flag: "wx" });
}
