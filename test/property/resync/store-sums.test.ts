/** Sums that are kept from look to look are those that are made anew, after any history of a store. */
import { rmSync } from "node:fs";
import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { systemClock } from "../../../src/base/clock.js";
import { openNodeDisk } from "../../../src/base/disk-node.js";
import { openHash } from "../../../src/base/hash.js";
import { StoreSums } from "../../../src/resync/store-sums.js";
import { StateDigester } from "../../../src/txn/digest.js";
import type { SummedMailbox } from "../../../src/wire/sums.js";
import { FakeStore } from "../../unit/capture/fake-dovecot.js";
import {
  runStep,
  runStructureStep,
  type Step,
  stepArbitrary,
  structureArbitrary,
} from "../../unit/capture/histories.js";
import { tries } from "../tries.js";

const hash = await openHash();
const ports = { disk: openNodeDisk(), hash, digester: new StateDigester(hash), clock: systemClock };

const steps = fc.array(
  fc.oneof({ weight: 5, arbitrary: stepArbitrary }, { weight: 1, arbitrary: structureArbitrary }),
  {
    maxLength: 12,
  },
);
const rounds = fc.array(steps, { minLength: 1, maxLength: 5 });

async function lookOnce(storeRoot: string, cachePath: string | undefined): Promise<readonly SummedMailbox[]> {
  using sums = new StoreSums(ports, { storeRoot, storeSite: undefined, cachePath });
  return sums.look();
}

const isStep = (step: object): step is Step => "act" in step;

describe("StoreSums", () => {
  test.prop([rounds, fc.boolean()], tries(60))("kept sums equal those made anew", async (history, isOneRun) => {
    const store = new FakeStore();
    const cachePath = `${store.root}-sums.db`;
    const kept = new StoreSums(ports, { storeRoot: store.root, storeSite: undefined, cachePath });
    try {
      for (let mailbox = 0; mailbox < 3; mailbox++) store.create(`u/m${mailbox}`);
      for (const round of history) {
        for (const step of round) {
          if (isStep(step)) runStep(store, step);
          else runStructureStep(store, step);
        }
        const seen = isOneRun ? await kept.look() : await lookOnce(store.root, cachePath);
        expect(seen).toStrictEqual(await lookOnce(store.root, undefined));
      }
    } finally {
      kept[Symbol.dispose]();
      store.dispose();
      for (const suffix of ["", "-wal", "-shm"]) rmSync(cachePath + suffix, { force: true });
    }
  });
});
